"""What Split's SDKs download: flags and rule-based segments in the JSON of `splitChanges`, versions 1.1, 1.2 and 1.3.

Version 1.2 added large segments; 1.3 added rule-based segments and prerequisites. An SDK that requests an older version
gets what this version can express. Every version can express prerequisites, as first conditions that give the default
treatment to keys for which they are not met. If a version cannot express a matcher, the flag is replaced by one
condition that gives `control` to all keys, with the label that SDKs use for a matcher they do not know: half of a rule
would release a feature to users whom the other half excludes.
"""

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Any

from flagpost.flags.bucketing import ALGORITHM
from flagpost.flags.conditions import (
    PREREQUISITES_NOT_MET,
    UNSUPPORTED,
    Condition,
    Reason,
    individual_targets,
    rules,
)
from flagpost.flags.evaluation import CONTROL
from flagpost.flags.matchers import DATE_MATCHERS, MATCHERS
from flagpost.flags.model import Bucket, Depends, Matcher
from flagpost.flags.targeting import RuleBasedSegment, SegmentKind, TargetedFlag, Targeting

Json = dict[str, Any]
Kinds = Mapping[str, SegmentKind]


class Spec(StrEnum):
    """The versions of `splitChanges`, which SDKs request with `s`."""

    V1_1 = "1.1"
    V1_2 = "1.2"
    V1_3 = "1.3"


_FIRST_SPEC_OF = {SegmentKind.STANDARD: Spec.V1_1, SegmentKind.LARGE: Spec.V1_2, SegmentKind.RULE_BASED: Spec.V1_3}


def flag_json(flag: TargetedFlag, kinds: Kinds, spec: Spec = Spec.V1_3) -> Json:
    """A flag for SDKs. `kinds` has the kind of each segment by name; an unknown segment counts as a standard one."""
    definition = flag.definition
    written = {
        "changeNumber": flag.change_number,
        "trafficTypeName": flag.traffic_type,
        "name": flag.name,
        "trafficAllocation": definition.traffic_allocation,
        "trafficAllocationSeed": flag.seeds.exposure,
        "seed": flag.seeds.shares,
        "status": "ACTIVE",
        "killed": flag.killed,
        "defaultTreatment": definition.default_treatment,
        "algo": ALGORITHM,
        "conditions": _conditions(flag, kinds, spec),
        "configurations": {one.name: one.configurations for one in definition.treatments if one.configurations},
        "sets": list(flag.flag_sets),
        "impressionsDisabled": definition.impressions_disabled,
    }
    if spec >= Spec.V1_3:
        written["prerequisites"] = [{"n": one.flag, "ts": list(one.treatments)} for one in definition.prerequisites]
    return written


def flag_tombstone(name: str, traffic_type: str, change_number: int) -> Json:
    """A record that makes SDKs forget a flag which was archived, deleted, or removed from the environment."""
    return {
        "changeNumber": change_number,
        "trafficTypeName": traffic_type,
        "name": name,
        "trafficAllocation": 100,
        "trafficAllocationSeed": 0,
        "seed": 0,
        "status": "ARCHIVED",
        "killed": True,
        "defaultTreatment": CONTROL,
        "algo": ALGORITHM,
        "conditions": [],
        "configurations": {},
        "sets": [],
        "impressionsDisabled": False,
        "prerequisites": [],
    }


def rule_based_segment_json(segment: RuleBasedSegment, kinds: Kinds) -> Json:
    """A rule-based segment for SDKs; only version 1.3 has them. Excluded segments that do not exist are left out."""
    conditions = [
        {"conditionType": "ROLLOUT", "matcherGroup": _group(matchers, kinds, segment.traffic_type)}
        for matchers in segment.rules
    ]
    excluded = [
        {"name": name, "type": _EXCLUDED_TYPES[kinds[name]]} for name in segment.excluded_segments if name in kinds
    ]
    return {
        "changeNumber": segment.change_number,
        "trafficTypeName": segment.traffic_type,
        "name": segment.name,
        "status": "ACTIVE",
        "conditions": conditions,
        "excluded": {"keys": list(segment.excluded_keys), "segments": excluded},
    }


def rule_based_segment_tombstone(name: str, traffic_type: str, change_number: int) -> Json:
    """A record that makes SDKs forget a rule-based segment."""
    return {
        "changeNumber": change_number,
        "trafficTypeName": traffic_type,
        "name": name,
        "status": "ARCHIVED",
        "conditions": [],
        "excluded": {"keys": [], "segments": []},
    }


def segments_downloaded(targeting: Targeting) -> set[str]:
    """The names that server-side SDKs request from `segmentChanges`. An SDK is not ready until it has all of them.

    They are all segments that flags and rule-based segments name, except rule-based and large ones. A segment need not
    exist to be requested.
    """
    kinds = targeting.segment_kinds()
    named = {name for flag in targeting.flags for one in _all_conditions(flag) for name in _named(one.matchers)}
    for segment in targeting.rule_based_segments:
        named |= {name for matchers in segment.rules for name in _named(matchers)}
        named |= {name for name in segment.excluded_segments if name in kinds}
    return {name for name in named if _kind(name, kinds) is SegmentKind.STANDARD}


_EXCLUDED_TYPES = {
    SegmentKind.STANDARD: "standard",
    SegmentKind.RULE_BASED: "rule-based",
    SegmentKind.LARGE: "large",
}


def _kind(name: str, kinds: Kinds) -> SegmentKind:
    return kinds.get(name, SegmentKind.STANDARD)


def _named(matchers: Iterable[Matcher]) -> Iterable[str]:
    return (one.string for one in matchers if one.type == "IN_SEGMENT" and one.string is not None)


def _all_conditions(flag: TargetedFlag) -> list[Condition]:
    return [*individual_targets(flag.definition), *rules(flag.definition)]


def _conditions(flag: TargetedFlag, kinds: Kinds, spec: Spec) -> list[Json]:
    conditions = _all_conditions(flag)
    if any(spec < _FIRST_SPEC_OF[_kind(name, kinds)] for one in conditions for name in _named(one.matchers)):
        conditions = [Condition(Reason.DEFAULT_RULE, UNSUPPORTED, (), (Bucket(CONTROL, 100),))]
    if spec < Spec.V1_3:
        conditions = [*_prerequisites_as_conditions(flag), *conditions]
    return [_condition(one, kinds, flag.traffic_type) for one in conditions]


def _prerequisites_as_conditions(flag: TargetedFlag) -> Iterable[Condition]:
    """Conditions that precede all others. They count as individual targets, so that limit exposure follows them."""
    default = (Bucket(flag.definition.default_treatment, 100),)
    for depends in flag.definition.prerequisites:
        unmet = Matcher("IN_SPLIT", negate=True, depends=depends)
        yield Condition(Reason.INDIVIDUAL_TARGET, PREREQUISITES_NOT_MET, (unmet,), default)


def _condition(condition: Condition, kinds: Kinds, traffic_type: str) -> Json:
    return {
        "conditionType": "WHITELIST" if condition.reason is Reason.INDIVIDUAL_TARGET else "ROLLOUT",
        "label": condition.label,
        "matcherGroup": _group(condition.matchers, kinds, traffic_type),
        "partitions": [{"treatment": one.treatment, "size": one.size} for one in condition.buckets],
    }


def _group(matchers: tuple[Matcher, ...], kinds: Kinds, traffic_type: str) -> Json:
    written = [_matcher(one, kinds, traffic_type) for one in matchers]
    return {"combiner": "AND", "matchers": written or [_all_keys(traffic_type)]}


def _all_keys(traffic_type: str) -> Json:
    selector = {"trafficType": traffic_type, "attribute": None}
    return {"keySelector": selector, "matcherType": "ALL_KEYS", "negate": False}


def _matcher(matcher: Matcher, kinds: Kinds, traffic_type: str) -> Json:
    selector = {"trafficType": traffic_type, "attribute": matcher.attribute}
    kind, value = _DATA[MATCHERS[matcher.type].field](matcher, kinds)
    return {"keySelector": selector, "matcherType": kind, "negate": matcher.negate, **value}


# One function for each field that can contain a matcher's value ------------------------------------------------------


def _text_data(matcher: Matcher, kinds: Kinds) -> tuple[str, Json]:
    if matcher.type != "IN_SEGMENT":
        return MATCHERS[matcher.type].sdk_type, {"stringMatcherData": matcher.string}
    name = matcher.string or ""
    match _kind(name, kinds):
        case SegmentKind.LARGE:
            return "IN_LARGE_SEGMENT", {"userDefinedLargeSegmentMatcherData": {"largeSegmentName": name}}
        case SegmentKind.RULE_BASED:
            return "IN_RULE_BASED_SEGMENT", {"userDefinedSegmentMatcherData": {"segmentName": name}}
        case SegmentKind.STANDARD:
            return "IN_SEGMENT", {"userDefinedSegmentMatcherData": {"segmentName": name}}


def _texts_data(matcher: Matcher, _kinds: Kinds) -> tuple[str, Json]:
    unique = list(dict.fromkeys(matcher.strings or ()))  # JavaScript's SDK compares sets by the list's length
    return MATCHERS[matcher.type].sdk_type, {"whitelistMatcherData": {"whitelist": unique}}


def _data_type(matcher: Matcher) -> str:
    return "DATETIME" if matcher.type in DATE_MATCHERS else "NUMBER"


def _number_data(matcher: Matcher, _kinds: Kinds) -> tuple[str, Json]:
    value = matcher.number if matcher.date is None else matcher.date
    data = {"dataType": _data_type(matcher), "value": value}
    return MATCHERS[matcher.type].sdk_type, {"unaryNumericMatcherData": data}


def _range_data(matcher: Matcher, _kinds: Kinds) -> tuple[str, Json]:
    assert matcher.between is not None  # noqa: S101 - validated when it was saved
    data = {"dataType": _data_type(matcher), "start": matcher.between.start, "end": matcher.between.end}
    return MATCHERS[matcher.type].sdk_type, {"betweenMatcherData": data}


def _versions_data(matcher: Matcher, _kinds: Kinds) -> tuple[str, Json]:
    assert matcher.between_versions is not None  # noqa: S101 - validated when it was saved
    data = {"start": matcher.between_versions.start, "end": matcher.between_versions.end}
    return MATCHERS[matcher.type].sdk_type, {"betweenStringMatcherData": data}


def _boolean_data(matcher: Matcher, _kinds: Kinds) -> tuple[str, Json]:
    return MATCHERS[matcher.type].sdk_type, {"booleanMatcherData": matcher.boolean}


def _flag_data(matcher: Matcher, _kinds: Kinds) -> tuple[str, Json]:
    depends = matcher.depends or Depends("", ())
    data = {"split": depends.flag, "treatments": list(depends.treatments)}
    return MATCHERS[matcher.type].sdk_type, {"dependencyMatcherData": data}


_DATA: dict[str, Callable[[Matcher, Kinds], tuple[str, Json]]] = {
    "string": _text_data,
    "strings": _texts_data,
    "number": _number_data,
    "date": _number_data,
    "between": _range_data,
    "between_versions": _versions_data,
    "boolean": _boolean_data,
    "depends": _flag_data,
}
