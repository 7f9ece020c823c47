"""Each kind of matcher as a function of the value that it tests, with its operands prepared in advance.

What counts as a number, a text, a set or a version is exactly what Split's Python SDK accepts as one. A value of
another type never matches, and is no error. Dates are milliseconds since 1970, as in Split's Java and JavaScript SDKs.
Its Python SDK takes seconds; the results are equal, because only whole minutes and days are compared.
"""

import json
from collections.abc import Callable
from typing import Any

from flagpost.flags.expressions import expression
from flagpost.flags.matchers import DATE_MATCHERS
from flagpost.flags.model import Matcher
from flagpost.flags.semantic_versions import Version, read_version

ValueTest = Callable[[Any], bool]

_MINUTE, _DAY = 60_000, 86_400_000  # milliseconds
_SPACE = " \t\n\r"  # JSON's white space


def value_test(matcher: Matcher) -> ValueTest:
    """The test of a matcher's values, which are never None. It ignores `negate`. Not for IN_SEGMENT and IN_SPLIT."""
    return _TESTS[matcher.type](matcher)


# Conversions ---------------------------------------------------------------------------------------------------------


def _text(value: object) -> str | None:
    """Split's SDKs match a value that is not text by its JSON."""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value)
    except TypeError:
        return None


def _whole(value: object) -> int | None:
    """Whole numbers, and texts of whole numbers; not true, false or 1.0."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    try:
        return int(value)
    except ValueError:
        return None


def _members(value: Any) -> set[Any] | None:
    try:
        return set(value)
    except TypeError:
        return None


def _boolean(value: object) -> bool | None:
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower().strip(_SPACE))
    return value if isinstance(value, bool) else None


def _version(value: object) -> Version | None:
    text = _text(value)
    return None if text is None else read_version(text)


# Tests ---------------------------------------------------------------------------------------------------------------


def _of_text(test: Callable[[str], bool]) -> ValueTest:
    def matches(value: Any) -> bool:
        text = value if value.__class__ is str else _text(value)
        return text is not None and test(text)

    return matches


def _of_number(matcher: Matcher, unit: int, test: Callable[[int], bool]) -> ValueTest:
    """A test of numbers. Dates are compared in whole units."""
    dated = matcher.type in DATE_MATCHERS

    def matches(value: Any) -> bool:
        number = _whole(value)
        return number is not None and test(number // unit if dated else number)

    return matches


def _of_set(test: Callable[[set[Any]], bool]) -> ValueTest:
    def matches(value: Any) -> bool:
        members = _members(value)
        return members is not None and test(members)

    return matches


def _of_version(test: Callable[[Version], bool]) -> ValueTest:
    def matches(value: Any) -> bool:
        version = _version(value)
        return version is not None and test(version)

    return matches


def _strings(matcher: Matcher) -> frozenset[str]:
    return frozenset(matcher.strings or ())


def _in_list(matcher: Matcher) -> ValueTest:
    return _of_text(_strings(matcher).__contains__)


def _starts_with(matcher: Matcher) -> ValueTest:
    beginnings = tuple(_strings(matcher))
    return _of_text(lambda text: text.startswith(beginnings))


def _ends_with(matcher: Matcher) -> ValueTest:
    endings = tuple(_strings(matcher))
    return _of_text(lambda text: text.endswith(endings))


def _contains(matcher: Matcher) -> ValueTest:
    parts = tuple(_strings(matcher))
    return _of_text(lambda text: any(part in text for part in parts))


def _expression(matcher: Matcher) -> ValueTest:
    return _of_text(expression(matcher.string or "").is_in)


def _equal_set(matcher: Matcher) -> ValueTest:
    return _of_set(_strings(matcher).__eq__)


def _any_of_set(matcher: Matcher) -> ValueTest:
    strings = _strings(matcher)
    return _of_set(lambda members: not strings.isdisjoint(members))


def _all_of_set(matcher: Matcher) -> ValueTest:
    return _of_set(_strings(matcher).issubset)


def _part_of_set(matcher: Matcher) -> ValueTest:
    whole = _strings(matcher)
    return _of_set(lambda members: bool(members) and whole.issuperset(members))


def _bound(matcher: Matcher, unit: int) -> int | float:
    return (matcher.number or 0) if matcher.date is None else matcher.date // unit


def _equal(matcher: Matcher) -> ValueTest:
    operand = _bound(matcher, _DAY)
    return _of_number(matcher, _DAY, lambda number: number == operand)


def _at_most(matcher: Matcher) -> ValueTest:
    most = _bound(matcher, _MINUTE)
    return _of_number(matcher, _MINUTE, lambda number: number <= most)


def _at_least(matcher: Matcher) -> ValueTest:
    least = _bound(matcher, _MINUTE)
    return _of_number(matcher, _MINUTE, lambda number: number >= least)


def _between(matcher: Matcher) -> ValueTest:
    assert matcher.between is not None  # noqa: S101 - validated when it was saved
    unit = _MINUTE if matcher.type in DATE_MATCHERS else None
    start, end = (one // unit if unit else one for one in (matcher.between.start, matcher.between.end))
    return _of_number(matcher, _MINUTE, lambda number: start <= number <= end)


def _is(matcher: Matcher) -> ValueTest:
    operand = matcher.boolean
    return lambda value: _boolean(value) is operand


def _operand_version(text: str | None) -> Version:
    version = read_version(text or "")
    assert version is not None  # noqa: S101 - validated when it was saved
    return version


def _same_version(matcher: Matcher) -> ValueTest:
    text = _operand_version(matcher.string).text
    return _of_version(lambda version: version.text == text)


def _version_at_least(matcher: Matcher) -> ValueTest:
    least = _operand_version(matcher.string)
    return _of_version(lambda version: version.compare(least) >= 0)


def _version_at_most(matcher: Matcher) -> ValueTest:
    most = _operand_version(matcher.string)
    return _of_version(lambda version: version.compare(most) <= 0)


def _between_versions(matcher: Matcher) -> ValueTest:
    assert matcher.between_versions is not None  # noqa: S101 - validated when it was saved
    start, end = (_operand_version(one) for one in (matcher.between_versions.start, matcher.between_versions.end))
    return _of_version(lambda version: start.compare(version) <= 0 <= end.compare(version))


def _version_in_list(matcher: Matcher) -> ValueTest:
    texts = frozenset(_operand_version(text).text for text in matcher.strings or ())
    return _of_version(lambda version: version.text in texts)


_TESTS: dict[str, Callable[[Matcher], ValueTest]] = {
    "IN_LIST_STRING": _in_list,
    "STARTS_WITH_STRING": _starts_with,
    "ENDS_WITH_STRING": _ends_with,
    "CONTAINS_STRING": _contains,
    "MATCHES_STRING": _expression,
    "EQUAL_SET": _equal_set,
    "ANY_OF_SET": _any_of_set,
    "ALL_OF_SET": _all_of_set,
    "PART_OF_SET": _part_of_set,
    "EQUAL_NUMBER": _equal,
    "LESS_THAN_OR_EQUAL_NUMBER": _at_most,
    "GREATER_THAN_OR_EQUAL_NUMBER": _at_least,
    "BETWEEN_NUMBER": _between,
    "ON_DATE": _equal,
    "ON_OR_BEFORE_DATE": _at_most,
    "ON_OR_AFTER_DATE": _at_least,
    "BETWEEN_DATE": _between,
    "BOOLEAN": _is,
    "EQUAL_TO_SEMVER": _same_version,
    "GREATER_THAN_OR_EQUAL_TO_SEMVER": _version_at_least,
    "LESS_THAN_OR_EQUAL_TO_SEMVER": _version_at_most,
    "BETWEEN_SEMVER": _between_versions,
    "IN_LIST_SEMVER": _version_in_list,
}
