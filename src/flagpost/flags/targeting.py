"""Everything that decides which treatment a key gets in one environment: the input of evaluation and of downloads."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from flagpost.flags.bucketing import Seeds
from flagpost.flags.definition_json import load_matchers
from flagpost.flags.model import Definition, Matcher


class SegmentKind(StrEnum):
    """How a segment lists its members: by keys, by rules, or by very many keys (large)."""

    STANDARD = "standard"
    RULE_BASED = "rule_based"
    LARGE = "large"


@dataclass(frozen=True, slots=True)
class TargetedFlag:
    """A flag with its definition in the environment. `change_number` grows with each save, in milliseconds."""

    name: str
    traffic_type: str
    definition: Definition
    seeds: Seeds
    killed: bool = False
    change_number: int = 0
    flag_sets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KeySegment:
    """A standard or large segment with its keys."""

    name: str
    keys: frozenset[str]
    kind: SegmentKind = SegmentKind.STANDARD


@dataclass(frozen=True, slots=True)
class RuleBasedSegment:
    """A segment of the keys that all matchers of a rule match, except excluded keys and excluded segments' members."""

    name: str
    traffic_type: str
    rules: tuple[tuple[Matcher, ...], ...]
    excluded_keys: tuple[str, ...] = ()
    excluded_segments: tuple[str, ...] = ()
    change_number: int = 0


@dataclass(frozen=True, slots=True)
class Targeting:
    """One environment. It lacks archived flags and flags without a definition there, because SDKs never see them.

    The name of a segment is unique among all kinds. A segment that a flag names and that is missing here has no member.
    """

    flags: tuple[TargetedFlag, ...] = ()
    key_segments: tuple[KeySegment, ...] = ()
    rule_based_segments: tuple[RuleBasedSegment, ...] = ()

    def segment_kinds(self) -> dict[str, SegmentKind]:
        """The kind of each segment, by name."""
        kinds = {segment.name: segment.kind for segment in self.key_segments}
        return kinds | {segment.name: SegmentKind.RULE_BASED for segment in self.rule_based_segments}


def load_rule_based(name: str, traffic_type: str, stored: Mapping[str, Any], change_number: int) -> RuleBasedSegment:
    """A segment from its stored rules, in the Admin API's shape. They were validated when they were saved."""
    return RuleBasedSegment(
        name,
        traffic_type,
        rules=tuple(load_matchers(rule["condition"]) for rule in stored["rules"]),
        excluded_keys=tuple(stored["excludedKeys"]),
        excluded_segments=tuple(one["name"] for one in stored["excludedSegments"]),
        change_number=change_number,
    )
