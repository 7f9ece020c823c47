"""A definition as a list of conditions, of which the first that matches decides, with the labels that SDKs report.

The evaluator and what SDKs download are both built from this list, so their order cannot differ.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from flagpost.flags.model import Bucket, Definition, Matcher

KILLED = "killed"
PREREQUISITES_NOT_MET = "prerequisites not met"
WHITELISTED = "whitelisted"
WHITELISTED_SEGMENT = "whitelisted segment"
NOT_IN_SPLIT = "not in split"
DEFAULT_RULE = "default rule"
NOT_FOUND = "definition not found"
EXCEPTION = "exception"
UNSUPPORTED = "targeting rule type unsupported by sdk"

_MAX_VALUES = 5  # in a label, which every impression contains
_MAX_CHARACTERS = 250


class Reason(StrEnum):
    """What decided an evaluation."""

    NOT_FOUND = "not found"
    EXCEPTION = "exception"
    KILLED = "killed"
    PREREQUISITES = "prerequisites"
    INDIVIDUAL_TARGET = "individual target"
    LEFT_OUT = "limit exposure"
    RULE = "rule"
    DEFAULT_RULE = "default rule"


@dataclass(frozen=True, slots=True)
class Condition:
    """Keys that all matchers match share `buckets`; without matchers, all keys do. `rule` counts from 0."""

    reason: Reason
    label: str
    matchers: tuple[Matcher, ...]
    buckets: tuple[Bucket, ...]
    rule: int | None = None


def individual_targets(definition: Definition) -> list[Condition]:
    """The conditions before limit exposure. Keys come before segments: a key that is named outweighs a group."""
    keys = (
        _individual(WHITELISTED, Matcher("IN_LIST_STRING", strings=one.keys), one.name)
        for one in definition.treatments
        if one.keys
    )
    segments = (
        _individual(WHITELISTED_SEGMENT, Matcher("IN_SEGMENT", string=name), one.name)
        for one in definition.treatments
        for name in one.segments
    )
    return [*keys, *segments]


def _individual(label: str, matcher: Matcher, treatment: str) -> Condition:
    return Condition(Reason.INDIVIDUAL_TARGET, label, (matcher,), (Bucket(treatment, 100),))


def rules(definition: Definition) -> Iterator[Condition]:
    """The targeting rules, and last the default rule, which matches every key."""
    for number, rule in enumerate(definition.rules):
        yield Condition(Reason.RULE, label_of(rule.matchers), rule.matchers, rule.buckets, number)
    yield Condition(Reason.DEFAULT_RULE, DEFAULT_RULE, (), definition.default_rule)


def label_of(matchers: tuple[Matcher, ...]) -> str:
    """A rule's label in impressions, for example `country in list [US, DE]`."""
    label = " and ".join(_matcher_label(matcher) for matcher in matchers)
    return label if len(label) <= _MAX_CHARACTERS else label[: _MAX_CHARACTERS - 1] + "…"


def _matcher_label(matcher: Matcher) -> str:
    test = f"{'not ' if matcher.negate else ''}{_VERBS[matcher.type]} {_value_label(matcher)}"
    if matcher.type in ("IN_SEGMENT", "IN_SPLIT"):
        return test
    return f"{matcher.attribute or 'key'} {test}"


def _value_label(matcher: Matcher) -> str:
    if matcher.strings is not None:
        return _list_label(matcher.strings)
    if matcher.depends is not None:
        return f"{matcher.depends.flag} treatment {_list_label(matcher.depends.treatments)}"
    if (between := matcher.between or matcher.between_versions) is not None:
        return f"{between.start} and {between.end}"
    if matcher.boolean is not None:
        return str(matcher.boolean).lower()
    return str(next(value for value in (matcher.string, matcher.number, matcher.date) if value is not None))


def _list_label(values: tuple[str, ...]) -> str:
    return f"[{', '.join(values[:_MAX_VALUES])}{', …' if len(values) > _MAX_VALUES else ''}]"


_VERBS = {
    "IN_SEGMENT": "in segment",
    "IN_LIST_STRING": "in list",
    "STARTS_WITH_STRING": "starts with",
    "ENDS_WITH_STRING": "ends with",
    "CONTAINS_STRING": "contains",
    "MATCHES_STRING": "matches",
    "EQUAL_SET": "equal to set",
    "ANY_OF_SET": "has any of",
    "ALL_OF_SET": "has all of",
    "PART_OF_SET": "part of",
    "EQUAL_NUMBER": "=",
    "LESS_THAN_OR_EQUAL_NUMBER": "<=",
    "GREATER_THAN_OR_EQUAL_NUMBER": ">=",
    "BETWEEN_NUMBER": "between",
    "ON_DATE": "on",
    "ON_OR_BEFORE_DATE": "on or before",
    "ON_OR_AFTER_DATE": "on or after",
    "BETWEEN_DATE": "between",
    "BOOLEAN": "is",
    "IN_SPLIT": "in split",
    "EQUAL_TO_SEMVER": "=",
    "GREATER_THAN_OR_EQUAL_TO_SEMVER": ">=",
    "LESS_THAN_OR_EQUAL_TO_SEMVER": "<=",
    "BETWEEN_SEMVER": "between",
    "IN_LIST_SEMVER": "in list",
}
