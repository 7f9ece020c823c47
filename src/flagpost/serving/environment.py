"""One environment as its applications are served it: a value that never changes, made anew from what has changed.

SDKs ask again and again for what came after a number they have seen. The answers are made when they are first asked
for, kept as bytes, and thrown away with the value they belong to.
"""

import gzip
import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar
from zlib import crc32

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
from flagpost.store.flags.change_log import ChangedFlag
from flagpost.store.flags.snapshot import Changes
from flagpost.store.segments.segments import SegmentDefinition

_MOST_ANSWERS = 256  # kept of one state of an environment; there is one for each number that SDKs have seen
_WORTH_PACKING = 1000  # bytes


@dataclass(frozen=True, slots=True)
class EncodedResponse:
    """An answer as bytes: as it is, and packed where that is worth it."""

    body: bytes
    packed: bytes | None
    etag: str


@dataclass(frozen=True, slots=True)
class ServedFlag:
    """The last change of a flag. `flag` is None where it is gone: a tombstone."""

    name: str
    traffic_type: str
    number: int
    flag: TargetedFlag | None


@dataclass(frozen=True, slots=True)
class ServedRules:
    """The last change of a rule-based segment, likewise."""

    name: str
    traffic_type: str
    number: int
    segment: RuleBasedSegment | None


@dataclass(frozen=True, slots=True)
class ServedKeys:
    """A segment made of keys, and those that are in it: none where it is gone."""

    definition: SegmentDefinition
    keys: frozenset[str]

    @property
    def name(self) -> str:
        """What flags call it."""
        return self.definition.segment.name

    @property
    def kind(self) -> SegmentKind:
        """Standard or large."""
        return self.definition.segment.kind

    @property
    def number(self) -> int:
        """Of its last change, a key's too."""
        return self.definition.change_number


@dataclass(frozen=True, eq=False)
class ServedEnvironment:
    """What applications are served. `number`: that of the last change it knows."""

    project_id: str
    id: str
    number: int = -1
    flags: dict[str, ServedFlag] = field(default_factory=dict)
    rule_based: dict[str, ServedRules] = field(default_factory=dict)
    keys: dict[str, ServedKeys] = field(default_factory=dict)

    def with_changes(self, changes: Changes) -> "ServedEnvironment":
        """The same after these changes; what was prepared of flags that did not change is taken over."""
        flags = self.flags | {one.name: _flag(one, changes.flag_sets) for one in changes.flags}
        rules = self.rule_based | {one.segment.name: _rules(one) for one in changes.rule_based}
        keys = self.keys | {one.definition.segment.name: ServedKeys(one.definition, one.keys) for one in changes.keys}
        new = replace(self, number=changes.number, flags=flags, rule_based=rules, keys=keys)
        if new._kinds == self._kinds:
            changed = {one.name for one in changes.flags}
            new._written.update({asked: written for asked, written in self._written.items() if asked[0] not in changed})
        if self.is_compiled:
            new.__dict__["snapshot"] = self.snapshot.brought_up_to(new.targeting)
        return new

    # For evaluation ----------------------------------------------------------------------------------------------

    @cached_property
    def targeting(self) -> Targeting:
        """What decides who gets what."""
        return Targeting(
            tuple(one.flag for one in self.flags.values() if one.flag),
            tuple(KeySegment(one.name, one.keys, one.kind) for one in self.keys.values() if not one.definition.removed),
            tuple(one.segment for one in self.rule_based.values() if one.segment),
        )

    @cached_property
    def snapshot(self) -> Snapshot:
        """The flags, compiled when somebody first evaluates one here."""
        return compile_environment(self.targeting)

    @property
    def is_compiled(self) -> bool:
        """Whether evaluating takes no time to begin."""
        return "snapshot" in self.__dict__

    def compile(self) -> None:
        """Prepare for evaluation."""
        self.snapshot  # noqa: B018 - a property that is kept

    def definition_of(self, name: str) -> Definition | None:
        """A flag's definition; None where there is no such flag here."""
        served = self.flags.get(name)
        return served.flag.definition if served and served.flag else None

    def ofrep(self, name: str, key: str, attributes: Attributes) -> tuple[Evaluation, bytes]:
        """A flag's evaluation, and how OFREP says it. Each answer that was given is kept: there are few."""
        evaluation = self.snapshot.evaluate(name, key, attributes)
        return evaluation, self._said(name, evaluation)

    def ofrep_of_all(self, key: str, attributes: Attributes) -> bytes:
        """Every flag's."""
        flags = [self._said(name, one) for name, one in self.snapshot.evaluate_all(key, attributes).items()]
        return _object(flags=_list(flags), metadata=_json({"changeNumber": self.number}))

    def _said(self, name: str, evaluation: Evaluation) -> bytes:
        definition = self.definition_of(name)
        if definition is None:
            return _json(ofrep.answer(name, evaluation, None))
        known = self._ofrep.get(id(evaluation))
        if known is None:
            known = self._ofrep[id(evaluation)] = _json(ofrep.answer(name, evaluation, definition))
        return known

    @cached_property
    def _ofrep(self) -> dict[int, bytes]:
        """By the identity of the evaluation, which the snapshot makes beforehand and keeps as long as it lives."""
        return {}

    # For SDKs that evaluate by themselves ------------------------------------------------------------------------

    def known_changes(self, spec: Spec, since: int, rules_since: int, sets: frozenset[str]) -> EncodedResponse | None:
        """The answer of `split_changes` if it was given before."""
        return self._answers.get((spec, since, rules_since, sets))

    def split_changes(self, spec: Spec, since: int, rules_since: int, sets: frozenset[str]) -> EncodedResponse:
        """What came after these numbers (Split: splitChanges). With `sets`, only flags in one of these flag sets.

        An SDK that has seen a number that is not given yet, as after a restored backup, is told everything.
        """
        answer = encode_response(self._split_changes(spec, since, rules_since, sets))
        if len(self._answers) < _MOST_ANSWERS:
            self._answers[spec, since, rules_since, sets] = answer
        return answer

    def _split_changes(self, spec: Spec, since: int, rules_since: int, sets: frozenset[str]) -> bytes:
        flags, flags_till = _after(self.flags.values(), since)
        told = [self._told(one, spec) for one in flags if _concerns(one, sets, everything=since < 0)]
        if spec < Spec.V1_3:
            return _object(splits=_list(told), since=_number(since), till=_number(flags_till))
        rules, rules_till = _after(self.rule_based.values(), rules_since)
        segments = [self._told_rules(one) for one in rules if one.segment or rules_since >= 0]
        return _object(
            ff=_object(d=_list(told), s=_number(since), t=_number(flags_till)),
            rbs=_object(d=_list(segments), s=_number(rules_since), t=_number(rules_till)),
        )

    def _told(self, one: ServedFlag, spec: Spec) -> bytes:
        known = self._written.get((one.name, spec))
        if known is None:
            if one.flag is None:
                body = split_wire_format.flag_tombstone(one.name, one.traffic_type, one.number)
            else:
                body = split_wire_format.flag_json(one.flag, self._kinds, spec)
            known = self._written[one.name, spec] = _json(body)
        return known

    def _told_rules(self, one: ServedRules) -> bytes:
        if one.segment is None:
            return _json(split_wire_format.rule_based_segment_tombstone(one.name, one.traffic_type, one.number))
        return _json(split_wire_format.rule_based_segment_json(one.segment, self._kinds))

    @cached_property
    def _answers(self) -> dict[tuple[Spec, int, int, frozenset[str]], EncodedResponse]:
        return {}

    @cached_property
    def _written(self) -> dict[tuple[str, Spec], bytes]:
        return {}

    @cached_property
    def _kinds(self) -> dict[str, SegmentKind]:
        return self.targeting.segment_kinds()

    # Segments ----------------------------------------------------------------------------------------------------

    def memberships(self, key: str) -> bytes:
        """The segments that a key is in (Split: memberships)."""
        found = {kind: _object(k=_list(self._names(kind, key)), cn=_number(self._last(kind))) for kind in _OF_KEYS}
        return _object(ms=found[SegmentKind.STANDARD], ls=found[SegmentKind.LARGE])

    def my_segments(self, key: str) -> bytes:
        """The same for SDKs that know of standard segments only (Split: mySegments)."""
        names = [one.name for one in self._containing(SegmentKind.STANDARD, key)]
        return _json({"mySegments": [{"id": name, "name": name} for name in names]})

    def _names(self, kind: SegmentKind, key: str) -> list[bytes]:
        return [_json({"n": one.name}) for one in self._containing(kind, key)]

    def _containing(self, kind: SegmentKind, key: str) -> list[ServedKeys]:
        return [one for one in self.keys.values() if one.kind is kind and key in one.keys]

    def _last(self, kind: SegmentKind) -> int:
        return max((one.number for one in self.keys.values() if one.kind is kind), default=-1)


_Change = TypeVar("_Change", ServedFlag, ServedRules)
_OF_KEYS = (SegmentKind.STANDARD, SegmentKind.LARGE)


def encode_response(body: bytes) -> EncodedResponse:
    """Bytes made ready to be sent, with a tag of their content."""
    packed = gzip.compress(body, 6, mtime=0) if len(body) >= _WORTH_PACKING else None
    return EncodedResponse(body, packed, f'"{crc32(body):08x}-{len(body):x}"')


def _flag(changed: ChangedFlag, sets: dict[str, str]) -> ServedFlag:
    flag = None
    if changed.definition is not None:
        flag = TargetedFlag(
            changed.name,
            changed.traffic_type,
            changed.definition,
            changed.seeds,
            changed.killed,
            changed.number,
            tuple(sorted(sets[one] for one in changed.flag_set_ids if one in sets)),
        )
    return ServedFlag(changed.name, changed.traffic_type, changed.number, flag)


def _rules(changed: SegmentDefinition) -> ServedRules:
    name, kind, number = changed.segment.name, changed.segment.traffic_type.name, changed.change_number
    there = changed.body is not None and not changed.removed
    segment = load_rule_based(name, kind, changed.body or {}, number) if there else None
    return ServedRules(name, kind, number, segment)


def _after(all_of_them: Iterable[_Change], since: int) -> tuple[list[_Change], int]:
    found = list(all_of_them)
    till = max((one.number for one in found), default=-1)
    if since > till:
        since = -1
    return sorted((one for one in found if one.number > since), key=lambda one: one.number), till


def _concerns(one: ServedFlag, sets: frozenset[str], *, everything: bool) -> bool:
    """Whether an SDK has to hear of a flag: at first not of those that are gone; later of those that left its sets."""
    if everything:
        return one.flag is not None and (not sets or not sets.isdisjoint(one.flag.flag_sets))
    return True


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _object(**members: bytes) -> bytes:
    return b"{" + b",".join(b'"%b":%b' % (name.encode(), value) for name, value in members.items()) + b"}"


def _list(items: Iterable[bytes]) -> bytes:
    return b"[" + b",".join(items) + b"]"


def _number(value: int) -> bytes:
    return str(value).encode()
