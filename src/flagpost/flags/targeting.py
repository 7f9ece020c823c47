"""Everything that decides who gets what in one environment: what is compiled, and what is sent to SDKs."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from flagpost.flags.bucketing import Seeds
from flagpost.flags.definition_json import load_matchers
from flagpost.flags.model import Definition, Matcher


class SegmentKind(StrEnum):
    """How a segment says who is in it: by its keys, by rules, or by very many keys (large)."""

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
    """A standard or large segment."""

    name: str
    keys: frozenset[str]
    kind: SegmentKind = SegmentKind.STANDARD


@dataclass(frozen=True, slots=True)
class RuleBasedSegment:
    """In it is whom all matchers of any one rule match, except the excluded keys and members of excluded segments."""

    name: str
    traffic_type: str
    rules: tuple[tuple[Matcher, ...], ...]
    excluded_keys: tuple[str, ...] = ()
    excluded_segments: tuple[str, ...] = ()
    change_number: int = 0


@dataclass(frozen=True, slots=True)
class Targeting:
    """One environment. Archived flags and those that are not initiated there are left out, as SDKs never see them.

    A segment has one name among all its kinds. One that is named by a flag and is not here has nobody in it.
    """

    flags: tuple[TargetedFlag, ...] = ()
    key_segments: tuple[KeySegment, ...] = ()
    rule_based_segments: tuple[RuleBasedSegment, ...] = ()

    def segment_kinds(self) -> dict[str, SegmentKind]:
        """The kind of each segment, by name."""
        kinds = {segment.name: segment.kind for segment in self.key_segments}
        return kinds | {segment.name: SegmentKind.RULE_BASED for segment in self.rule_based_segments}


def load_rule_based(name: str, traffic_type: str, stored: Mapping[str, Any], change_number: int) -> RuleBasedSegment:
    """Read the stored rules of a segment, in the Admin API's shape, without judging them again."""
    return RuleBasedSegment(
        name,
        traffic_type,
        rules=tuple(load_matchers(rule["condition"]) for rule in stored["rules"]),
        excluded_keys=tuple(stored["excludedKeys"]),
        excluded_segments=tuple(one["name"] for one in stored["excludedSegments"]),
        change_number=change_number,
    )
