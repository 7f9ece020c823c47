"""The rules for a valid definition: one pure function that lists every problem with its path in the definition."""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator

from flagpost.errors import Problem
from flagpost.flags.expressions import expression_problem
from flagpost.flags.matchers import DATE_MATCHERS, KEY_MATCHERS, MATCHERS, SEMVER_MATCHERS, MatcherKind
from flagpost.flags.model import Bucket, Definition, Matcher, Rule, Treatment
from flagpost.flags.naming_rules import treatment_name_problem
from flagpost.flags.semantic_versions import read_version

MAX_TREATMENTS = 20
MAX_INDIVIDUAL_TARGETS = 500  # of one treatment (Split: use a segment for more)
MAX_RULES = 200
MAX_MATCHERS = 50  # of one rule
MAX_VALUES = 5000  # of one matcher
MAX_CONFIGURATION = 10_000  # characters
MAX_PREREQUISITES = 20
LATEST_TIME = 8_640_000_000_000_000  # milliseconds since 1970: the last date of JavaScript

_SEMVER = re.compile(
    r"[0-9]{1,15}(\.[0-9]{1,15}){2}(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?"
)


def problems_of(definition: Definition) -> list[Problem]:
    """Every problem of a definition; an empty list where it is valid."""
    return [
        *_treatment_problems(definition),
        *_default_problems(definition),
        *_rule_problems(definition),
        *_bucket_problems(definition.default_rule, "defaultRule", _names(definition)),
        *_prerequisite_problems(definition),
    ]


def _names(definition: Definition) -> set[str]:
    return {treatment.name for treatment in definition.treatments}


def _treatment_problems(definition: Definition) -> Iterator[Problem]:
    if not definition.treatments:
        yield Problem("treatments", "A flag needs at least one treatment.")
    if len(definition.treatments) > MAX_TREATMENTS:
        yield Problem("treatments", f"A flag has at most {MAX_TREATMENTS} treatments.")
    seen: set[str] = set()
    targeted: dict[str, str] = {}
    for number, treatment in enumerate(definition.treatments):
        path = f"treatments[{number}]"
        if problem := treatment_name_problem(treatment.name):
            yield Problem(f"{path}.name", problem)
        if treatment.name in seen:
            yield Problem(f"{path}.name", f"There are two treatments named “{treatment.name}”.")
        seen.add(treatment.name)
        yield from _target_problems(treatment, path, targeted)


def _target_problems(treatment: Treatment, path: str, targeted: dict[str, str]) -> Iterator[Problem]:
    if len(treatment.configurations or "") > MAX_CONFIGURATION:
        yield Problem(f"{path}.configurations", f"A configuration has at most {MAX_CONFIGURATION} characters.")
    if len(treatment.keys) > MAX_INDIVIDUAL_TARGETS:
        yield Problem(f"{path}.keys", f"At most {MAX_INDIVIDUAL_TARGETS} keys; use a segment for more.")
    if any(not key.strip() or len(key) > 250 for key in treatment.keys):
        yield Problem(f"{path}.keys", "A key has 1 to 250 characters.")
    if any(not name.strip() for name in treatment.segments):
        yield Problem(f"{path}.segments", "A segment's name is missing.")
    for key, times in Counter(treatment.keys).items():
        other = targeted.setdefault(key, treatment.name)
        if times > 1:
            yield Problem(f"{path}.keys", f"The key “{key}” is listed more than once.")
        elif other != treatment.name:
            yield Problem(f"{path}.keys", f"The key “{key}” gets “{other}” already.")


def _default_problems(definition: Definition) -> Iterator[Problem]:
    names = _names(definition)
    if definition.default_treatment not in names:
        message = f"“{definition.default_treatment}” is not one of the treatments."
        yield Problem("defaultTreatment", message if definition.default_treatment else "Choose the default treatment.")
    if definition.baseline_treatment is not None and definition.baseline_treatment not in names:
        yield Problem("baselineTreatment", f"“{definition.baseline_treatment}” is not one of the treatments.")
    if not 0 <= definition.traffic_allocation <= 100:
        yield Problem("trafficAllocation", "Limit exposure is a percentage from 0 to 100.")


def _bucket_problems(buckets: tuple[Bucket, ...], path: str, names: set[str]) -> Iterator[Problem]:
    for number, bucket in enumerate(buckets):
        if bucket.treatment not in names:
            yield Problem(f"{path}[{number}].treatment", f"“{bucket.treatment}” is not one of the treatments.")
        if not 0 <= bucket.size <= 100:
            yield Problem(f"{path}[{number}].size", "A share is a percentage from 0 to 100.")
    if len({bucket.treatment for bucket in buckets}) < len(buckets):
        yield Problem(path, "Each treatment can be listed once.")
    total = sum(bucket.size for bucket in buckets)
    if total != 100:
        yield Problem(path, f"The shares must add up to 100 %; they add up to {total} %.")


def _prerequisite_problems(definition: Definition) -> Iterator[Problem]:
    if len(definition.prerequisites) > MAX_PREREQUISITES:
        yield Problem("prerequisites", f"A flag has at most {MAX_PREREQUISITES} prerequisites.")
    for number, one in enumerate(definition.prerequisites):
        if not one.treatments:
            yield Problem(
                f"prerequisites[{number}].treatment",
                "Name the treatments of the other flag that meet the prerequisite.",
            )


def _rule_problems(definition: Definition) -> Iterator[Problem]:
    if len(definition.rules) > MAX_RULES:
        yield Problem("rules", f"A flag has at most {MAX_RULES} rules.")
    names = _names(definition)
    for number, rule in enumerate(definition.rules):
        path = f"rules[{number}]"
        yield from _matchers_problems(rule, f"{path}.condition.matchers")
        yield from _bucket_problems(rule.buckets, f"{path}.buckets", names)


def _matchers_problems(rule: Rule, path: str) -> Iterator[Problem]:
    if not rule.matchers:
        yield Problem(path, "A rule needs at least one matcher.")
    if len(rule.matchers) > MAX_MATCHERS:
        yield Problem(path, f"A rule has at most {MAX_MATCHERS} matchers.")
    for number, matcher in enumerate(rule.matchers):
        yield from _matcher_problems(matcher, f"{path}[{number}]")


def _matcher_problems(matcher: Matcher, path: str) -> Iterator[Problem]:
    kind = MATCHERS.get(matcher.type)
    if kind is None:
        yield Problem(f"{path}.type", f"“{matcher.type}” is not a matcher.")
        return
    if kind.needs_attribute and not matcher.attribute:
        yield Problem(f"{path}.attribute", "This matcher needs an attribute.")
    if len(matcher.attribute or "") > 250:
        yield Problem(f"{path}.attribute", "An attribute's name has at most 250 characters.")
    if matcher.attribute and matcher.type in KEY_MATCHERS:
        yield Problem(f"{path}.attribute", "This matcher tests the key: leave the attribute empty.")
    value, field = getattr(matcher, kind.field), kind.json_name
    if value in (None, (), ""):
        yield Problem(f"{path}.{field}", "This matcher needs a value.")
        return
    if message := _VALUE_CHECKS.get(kind.field, _no_problem)(matcher):
        yield Problem(f"{path}.{field}", message)
    yield from _foreign_value_problems(matcher, kind, path)


_JSON_NAMES = {kind.field: kind.json_name for kind in MATCHERS.values()}


def _foreign_value_problems(matcher: Matcher, kind: MatcherKind, path: str) -> Iterator[Problem]:
    for field, shown in _JSON_NAMES.items():
        if field != kind.field and getattr(matcher, field) is not None:
            message = f"{matcher.type} takes its value from “{kind.json_name}”, not from “{shown}”."
            yield Problem(f"{path}.{shown}", message)


def _no_problem(_matcher: Matcher) -> str | None:
    return None


def _string_problem(matcher: Matcher) -> str | None:
    text = matcher.string or ""
    if len(text) > 2000:
        return "This has at most 2,000 characters."
    if matcher.type == "MATCHES_STRING":
        return expression_problem(text)
    if matcher.type in SEMVER_MATCHERS and not _is_version(text):
        return "A version looks like 1.4.0 or 2.0.0-rc.1."
    return None


def _strings_problem(matcher: Matcher) -> str | None:
    texts = matcher.strings or ()
    if len(texts) > MAX_VALUES:
        return f"At most {MAX_VALUES} values; use a segment for more."
    if any(not text or len(text) > 2000 for text in texts):
        return "A value has 1 to 2,000 characters."
    if matcher.type in SEMVER_MATCHERS and not all(_is_version(text) for text in texts):
        return "A version looks like 1.4.0 or 2.0.0-rc.1."
    return None


def _is_version(text: str) -> bool:
    return bool(_SEMVER.fullmatch(text)) and read_version(text) is not None


def _between_versions_problem(matcher: Matcher) -> str | None:
    assert matcher.between_versions is not None  # noqa: S101 - the caller checked
    start, end = matcher.between_versions.start, matcher.between_versions.end
    if not (_is_version(start) and _is_version(end)):
        return "A version looks like 1.4.0 or 2.0.0-rc.1."
    first, last = read_version(start), read_version(end)
    in_order = first is not None and last is not None and first.compare(last) <= 0
    return None if in_order else "The first version must not be after the second."


def _date_problem(matcher: Matcher) -> str | None:
    return None if abs(matcher.date or 0) <= LATEST_TIME else "Applications cannot read this date."


def _number_problem(matcher: Matcher) -> str | None:
    return None if math.isfinite(matcher.number or 0) else "This must be a finite number."


def _between_problem(matcher: Matcher) -> str | None:
    assert matcher.between is not None  # noqa: S101 - the caller checked
    start, end = matcher.between.start, matcher.between.end
    if not (math.isfinite(start) and math.isfinite(end)):
        return "Both ends must be finite."
    if matcher.type in DATE_MATCHERS and max(abs(start), abs(end)) > LATEST_TIME:
        return "Applications cannot read this date."
    return None if start <= end else "The first end must not be after the second."


def _depends_problem(matcher: Matcher) -> str | None:
    return (
        None if matcher.depends and matcher.depends.treatments else "Name the treatments of the other flag that match."
    )


_VALUE_CHECKS: dict[str, Callable[[Matcher], str | None]] = {
    "string": _string_problem,
    "strings": _strings_problem,
    "number": _number_problem,
    "date": _date_problem,
    "between": _between_problem,
    "between_versions": _between_versions_problem,
    "depends": _depends_problem,
}
