"""Rule-based segments: who is in one, as JSON in the shape of Split's Admin API; the same shape is stored.

A rule of a segment is a flag's rule with a single answer, so it is read as one: the same matchers, the same limits, the
same paths in what is wrong.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from flagpost.errors import InvalidInput, Problem
from flagpost.flags.definition_json import dump, parse
from flagpost.flags.naming_rules import key_problem

MAX_EXCLUDED_KEYS = 500  # Split: use a segment beyond that
MAX_EXCLUDED_SEGMENTS = 50
_TYPES = ("standard_segment", "rule_based_segment", "large_segment")
_EVERYBODY = [{"treatment": "in", "size": 100}]

Json = dict[str, Any]


def parse_rules(body: object) -> Json:
    """Read `rules`, `excludedKeys` and `excludedSegments`; other keys are left alone.

    Raises InvalidInput with every problem.
    """
    source = body if isinstance(body, Mapping) else {}
    problems: list[Problem] = []
    rules = _read_rules(source.get("rules"), problems)
    keys = _excluded_keys(source.get("excludedKeys"), problems)
    others = _excluded_segments(source.get("excludedSegments"), problems)
    if problems:
        raise InvalidInput(problems)
    return {"rules": rules, "excludedKeys": keys, "excludedSegments": others}


def no_rules() -> Json:
    """A segment that nobody is in yet."""
    return {"rules": [], "excludedKeys": [], "excludedSegments": []}


def _read_rules(rules: object, problems: list[Problem]) -> list[Json]:
    flag: Json = {"treatments": [{"name": "in"}], "defaultTreatment": "in", "defaultRule": _EVERYBODY}
    if isinstance(rules, list):
        flag["rules"] = [{**one, "buckets": _EVERYBODY} if isinstance(one, Mapping) else one for one in rules]
    else:
        flag["rules"] = rules
    try:
        read = dump(parse(flag))["rules"]
    except InvalidInput as error:
        problems += error.problems
        return []
    for number, rule in enumerate(read):
        problems += _dependency_problems(rule, f"rules[{number}].condition.matchers")
    return [{"condition": rule["condition"]} for rule in read]


def _dependency_problems(rule: Json, path: str) -> Iterator[Problem]:
    for number, matcher in enumerate(rule["condition"]["matchers"]):
        if matcher["type"] == "IN_SPLIT":
            yield Problem(f"{path}[{number}].type", "A segment's rules cannot ask for a feature flag's treatment.")


def _excluded_keys(value: object, problems: list[Problem]) -> list[str]:
    keys = _listed(value, "excludedKeys", MAX_EXCLUDED_KEYS, problems)
    for number, key in enumerate(keys):
        if problem := key_problem(key) if isinstance(key, str) else "A key is text.":
            problems.append(Problem(f"excludedKeys[{number}]", problem))
    return [key for key in dict.fromkeys(keys) if isinstance(key, str)]


def _excluded_segments(value: object, problems: list[Problem]) -> list[Json]:
    found = _listed(value, "excludedSegments", MAX_EXCLUDED_SEGMENTS, problems)
    for number, one in enumerate(found):
        if not isinstance(one, Mapping) or not isinstance(one.get("name"), str) or one.get("type") not in _TYPES:
            message = f"This must be an object with a name and a type, one of {', '.join(_TYPES)}."
            problems.append(Problem(f"excludedSegments[{number}]", message))
    return [{"name": one["name"], "type": one["type"]} for one in found] if not problems else []


def _listed(value: object, path: str, most: int, problems: list[Problem]) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        problems.append(Problem(path, "This must be a list."))
        return []
    if len(value) > most:
        problems.append(Problem(path, f"At most {most}; use a segment for more."))
    return value[:most]


def segments_named(body: Mapping[str, Any]) -> dict[str, str]:
    """The segments that a flag's definition or a rule-based segment names, each with the path where it first stands."""
    found: dict[str, str] = {}
    for number, treatment in enumerate(body.get("treatments", ())):
        for place, name in enumerate(treatment["segments"]):
            found.setdefault(name, f"treatments[{number}].segments[{place}]")
    for number, rule in enumerate(body.get("rules", ())):
        for place, matcher in enumerate(rule["condition"]["matchers"]):
            if matcher["type"] == "IN_SEGMENT":
                found.setdefault(matcher["string"], f"rules[{number}].condition.matchers[{place}].string")
    for number, excluded in enumerate(body.get("excludedSegments", ())):
        found.setdefault(excluded["name"], f"excludedSegments[{number}].name")
    return found
