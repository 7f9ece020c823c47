"""One environment as its applications are served it: an immutable value, replaced after each change.

SDKs poll for what changed after a change number that they have seen. A response is built when it is first requested,
kept as bytes, and discarded with the environment that it was built from.
"""

import gzip
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeVar
from zlib import crc32

from msgspec import Raw

from flagpost.flags import split_wire_format
from flagpost.flags.evaluation import Attributes, Evaluation, Snapshot, compile_environment
from flagpost.flags.model import Definition
from flagpost.flags.split_wire_format import Spec
from flagpost.flags.targeting import (
    KeySegment,
    RuleBasedSegment,
    SegmentKind,
    TargetedFlag,
    Targeting,
    load_rule_based,
)
from flagpost.serving import ofrep
from flagpost.serving.json_codec import encode, encode_part, join_parts
from flagpost.store.flags.change_log import ChangedFlag
from flagpost.store.flags.snapshot import Changes
from flagpost.store.segments.segments import SegmentDefinition

_MAX_RESPONSES = 256  # kept of one state of an environment; there is one for each change number that SDKs have seen
_MIN_COMPRESSED_BYTES = 1000


@dataclass(frozen=True, slots=True)
class EncodedResponse:
    """A response body as bytes; `gzipped` is None where compression would save too little."""

    body: bytes
    gzipped: bytes | None
    etag: str


@dataclass(frozen=True, slots=True)
class ServedFlag:
    """The last change of a flag. `flag` is None where SDKs must forget it: archived, removed here, or deleted."""

    name: str
    traffic_type: str
    change_number: int
    flag: TargetedFlag | None


@dataclass(frozen=True, slots=True)
class ServedRuleBasedSegment:
    """The last change of a rule-based segment. `segment` is None where SDKs must forget it."""

    name: str
    traffic_type: str
    change_number: int
    segment: RuleBasedSegment | None


@dataclass(frozen=True, slots=True)
class ServedKeySegment:
    """A standard or large segment with its keys; there are none where the segment was removed."""

    definition: SegmentDefinition
    keys: frozenset[str]

    @property
    def name(self) -> str:
        """The name that flags use."""
        return self.definition.segment.name

    @property
    def kind(self) -> SegmentKind:
        """Standard or large."""
        return self.definition.segment.kind

    @property
    def change_number(self) -> int:
        """The number of the segment's last change, changes of its keys included."""
        return self.definition.change_number


@dataclass(frozen=True, eq=False)
class ServedEnvironment:
    """What applications are served, up to and including the change `change_number`; -1 before the first change."""

    project_id: str
    id: str
    change_number: int = -1
    flags: dict[str, ServedFlag] = field(default_factory=dict)
    rule_based: dict[str, ServedRuleBasedSegment] = field(default_factory=dict)
    keys: dict[str, ServedKeySegment] = field(default_factory=dict)

    def with_changes(self, changes: Changes) -> "ServedEnvironment":
        """The environment after these changes. It reuses what is encoded and compiled of flags that did not change."""
        flags = self.flags | {one.name: _served_flag(one, changes.flag_sets) for one in changes.flags}
        rules = self.rule_based | {one.segment.name: _served_rule_based(one) for one in changes.rule_based}
        keys = {one.definition.segment.name: ServedKeySegment(one.definition, one.keys) for one in changes.keys}
        new = replace(self, change_number=changes.number, flags=flags, rule_based=rules, keys=self.keys | keys)
        if new._segment_kinds == self._segment_kinds:
            changed = {one.name for one in changes.flags}
            unchanged = {key: part for key, part in self._encoded_flags.items() if key[0] not in changed}
            new._encoded_flags.update(unchanged)
        if self.is_compiled:
            new.__dict__["snapshot"] = self.snapshot.recompile(new.targeting)
        return new

    # For evaluation ----------------------------------------------------------------------------------------------

    @cached_property
    def targeting(self) -> Targeting:
        """Everything that decides which treatment a key gets."""
        return Targeting(
            tuple(one.flag for one in self.flags.values() if one.flag),
            tuple(KeySegment(one.name, one.keys, one.kind) for one in self.keys.values() if not one.definition.removed),
            tuple(one.segment for one in self.rule_based.values() if one.segment),
        )

    @cached_property
    def snapshot(self) -> Snapshot:
        """The compiled flags. The first access compiles them, which takes 20 µs a flag."""
        return compile_environment(self.targeting)

    @property
    def is_compiled(self) -> bool:
        """Whether an evaluation can start without compiling first."""
        return "snapshot" in self.__dict__

    def compile(self) -> None:
        """Prepare for evaluation."""
        self.snapshot  # noqa: B018 - a cached property

    def find_definition(self, name: str) -> Definition | None:
        """A flag's definition; None where the flag is not served here."""
        served = self.flags.get(name)
        return served.flag.definition if served and served.flag else None

    def evaluate_for_ofrep(self, name: str, key: str, attributes: Attributes) -> tuple[Evaluation, bytes]:
        """A flag's evaluation, and the OFREP response body for it."""
        evaluation = self.snapshot.evaluate(name, key, attributes)
        return evaluation, bytes(self._encode_evaluation(name, evaluation))

    def evaluate_all_for_ofrep(self, key: str, attributes: Attributes) -> bytes:
        """The OFREP response body with the evaluations of all flags."""
        evaluations = self.snapshot.evaluate_all(key, attributes)
        flags = [self._encode_evaluation(name, one) for name, one in evaluations.items()]
        return join_parts({"flags": flags, "metadata": {"changeNumber": self.change_number}})

    def _encode_evaluation(self, name: str, evaluation: Evaluation) -> Raw:
        encoded = self._encoded_evaluations.get(id(evaluation))
        if encoded is None:
            definition = self.find_definition(name)
            encoded = encode_part(ofrep.response(name, evaluation, definition))
            if definition is not None:  # the evaluation of an unknown flag is one object for all names
                self._encoded_evaluations[id(evaluation)] = encoded
        return encoded

    @cached_property
    def _encoded_evaluations(self) -> dict[int, Raw]:
        """By the evaluation's identity: the snapshot makes each evaluation in advance and keeps it while it lives."""
        return {}

    # For SDKs that evaluate by themselves ------------------------------------------------------------------------

    def cached_split_changes(
        self, spec: Spec, since: int, rules_since: int, sets: frozenset[str]
    ) -> EncodedResponse | None:
        """The response of `split_changes`, if it was built before."""
        return self._responses.get((spec, since, rules_since, sets))

    def split_changes(self, spec: Spec, since: int, rules_since: int, sets: frozenset[str]) -> EncodedResponse:
        """What changed after these numbers (Split: splitChanges). With `sets`, only flags in one of these flag sets.

        An SDK that has seen a number that does not exist yet gets everything: the database was restored from a backup.
        """
        response = encode_response(self._encode_split_changes(spec, since, rules_since, sets))
        if len(self._responses) < _MAX_RESPONSES:
            self._responses[spec, since, rules_since, sets] = response
        return response

    def _encode_split_changes(self, spec: Spec, since: int, rules_since: int, sets: frozenset[str]) -> bytes:
        flags, flags_till = _changed_after(self.flags.values(), since)
        encoded = [self._encode_flag(one, spec) for one in flags if since >= 0 or _is_in_first_download(one, sets)]
        if spec < Spec.V1_3:
            return join_parts({"splits": encoded, "since": since, "till": flags_till})
        rules, rules_till = _changed_after(self.rule_based.values(), rules_since)
        segments = [self._encode_rule_based(one) for one in rules if one.segment or rules_since >= 0]
        return join_parts(
            {
                "ff": {"d": encoded, "s": since, "t": flags_till},
                "rbs": {"d": segments, "s": rules_since, "t": rules_till},
            }
        )

    def _encode_flag(self, one: ServedFlag, spec: Spec) -> Raw:
        encoded = self._encoded_flags.get((one.name, spec))
        if encoded is None:
            if one.flag is None:
                body = split_wire_format.flag_tombstone(one.name, one.traffic_type, one.change_number)
            else:
                body = split_wire_format.flag_json(one.flag, self._segment_kinds, spec)
            encoded = self._encoded_flags[one.name, spec] = encode_part(body)
        return encoded

    def _encode_rule_based(self, one: ServedRuleBasedSegment) -> Raw:
        if one.segment is None:
            tombstone = split_wire_format.rule_based_segment_tombstone(one.name, one.traffic_type, one.change_number)
            return encode_part(tombstone)
        return encode_part(split_wire_format.rule_based_segment_json(one.segment, self._segment_kinds))

    @cached_property
    def _responses(self) -> dict[tuple[Spec, int, int, frozenset[str]], EncodedResponse]:
        return {}

    @cached_property
    def _encoded_flags(self) -> dict[tuple[str, Spec], Raw]:
        return {}

    @cached_property
    def _segment_kinds(self) -> dict[str, SegmentKind]:
        return self.targeting.segment_kinds()

    # Segments ----------------------------------------------------------------------------------------------------

    def memberships(self, key: str) -> bytes:
        """The standard and large segments that contain a key (Split: memberships)."""
        standard, large = (self._memberships_in(kind, key) for kind in (SegmentKind.STANDARD, SegmentKind.LARGE))
        return encode({"ms": standard, "ls": large})

    def my_segments(self, key: str) -> bytes:
        """The standard segments that contain a key, for older SDKs (Split: mySegments)."""
        names = self._segments_with(SegmentKind.STANDARD, key)
        return encode({"mySegments": [{"id": name, "name": name} for name in names]})

    def _memberships_in(self, kind: SegmentKind, key: str) -> dict[str, object]:
        last_change = max((one.change_number for one in self.keys.values() if one.kind is kind), default=-1)
        return {"k": [{"n": name} for name in self._segments_with(kind, key)], "cn": last_change}

    def _segments_with(self, kind: SegmentKind, key: str) -> list[str]:
        return [one.name for one in self.keys.values() if one.kind is kind and key in one.keys]


_Changed = TypeVar("_Changed", ServedFlag, ServedRuleBasedSegment)


def encode_response(body: bytes) -> EncodedResponse:
    """A body with its compressed form and an ETag of its content."""
    gzipped = gzip.compress(body, 6, mtime=0) if len(body) >= _MIN_COMPRESSED_BYTES else None
    return EncodedResponse(body, gzipped, f'"{crc32(body):08x}-{len(body):x}"')


def _served_flag(changed: ChangedFlag, set_names: dict[str, str]) -> ServedFlag:
    flag = None
    if changed.definition is not None:
        flag = TargetedFlag(
            changed.name,
            changed.traffic_type,
            changed.definition,
            changed.seeds,
            changed.killed,
            changed.number,
            tuple(sorted(set_names[set_id] for set_id in changed.flag_set_ids if set_id in set_names)),
        )
    return ServedFlag(changed.name, changed.traffic_type, changed.number, flag)


def _served_rule_based(changed: SegmentDefinition) -> ServedRuleBasedSegment:
    name, traffic_type, number = changed.segment.name, changed.segment.traffic_type.name, changed.change_number
    segment = None
    if changed.body is not None and not changed.removed:
        segment = load_rule_based(name, traffic_type, changed.body, number)
    return ServedRuleBasedSegment(name, traffic_type, number, segment)


def _changed_after(items: Iterable[_Changed], since: int) -> tuple[list[_Changed], int]:
    """The items that changed after a number, in the order of their changes, and the number of the last change."""
    found = list(items)
    till = max((one.change_number for one in found), default=-1)
    if since > till:
        since = -1
    return sorted((one for one in found if one.change_number > since), key=lambda one: one.change_number), till


def _is_in_first_download(one: ServedFlag, sets: frozenset[str]) -> bool:
    """Whether an SDK that knows no flag yet needs this one. An SDK that polls on gets all: flags leave flag sets."""
    return one.flag is not None and (not sets or not sets.isdisjoint(one.flag.flag_sets))
