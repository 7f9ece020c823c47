"""The rules of rule-based segments as JSON, in the shape of Split's Admin API. The database stores this shape too.

A rule of a segment is read as a flag's rule with a single treatment. So it has the same matchers, limits, and paths of
problems.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from flagpost.errors import InvalidInput, Problem
from flagpost.flags.definition_json import dump, parse
from flagpost.flags.naming_rules import key_problem

MAX_EXCLUDED_KEYS = 500  # Split: use a segment for more
MAX_EXCLUDED_SEGMENTS = 50
_TYPES = ("standard_segment", "rule_based_segment", "large_segment")
_ALL_TRAFFIC = [{"treatment": "in", "size": 100}]

Json = dict[str, Any]


def parse_rules(body: object) -> Json:
    """Read `rules`, `excludedKeys` and `excludedSegments`, ignoring other keys.

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
    """The rules of a segment without members."""
    return {"rules": [], "excludedKeys": [], "excludedSegments": []}


def _read_rules(rules: object, problems: list[Problem]) -> list[Json]:
    flag: Json = {"treatments": [{"name": "in"}], "defaultTreatment": "in", "defaultRule": _ALL_TRAFFIC}
    if isinstance(rules, list):
        flag["rules"] = [{**one, "buckets": _ALL_TRAFFIC} if isinstance(one, Mapping) else one for one in rules]
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
            yield Problem(f"{path}[{number}].type", "A segment's rules cannot depend on a feature flag's treatment.")


def _excluded_keys(value: object, problems: list[Problem]) -> list[str]:
    keys = _read_list(value, "excludedKeys", MAX_EXCLUDED_KEYS, problems)
    for number, key in enumerate(keys):
        if problem := key_problem(key) if isinstance(key, str) else "A key is text.":
            problems.append(Problem(f"excludedKeys[{number}]", problem))
    return [key for key in dict.fromkeys(keys) if isinstance(key, str)]


def _excluded_segments(value: object, problems: list[Problem]) -> list[Json]:
    found = _read_list(value, "excludedSegments", MAX_EXCLUDED_SEGMENTS, problems)
    for number, one in enumerate(found):
        if not isinstance(one, Mapping) or not isinstance(one.get("name"), str) or one.get("type") not in _TYPES:
            message = f"This must be an object with a name and a type, one of {', '.join(_TYPES)}."
            problems.append(Problem(f"excludedSegments[{number}]", message))
    return [{"name": one["name"], "type": one["type"]} for one in found] if not problems else []


def _read_list(value: object, path: str, max_length: int, problems: list[Problem]) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        problems.append(Problem(path, "This must be a list."))
        return []
    if len(value) > max_length:
        problems.append(Problem(path, f"At most {max_length}; use a segment for more."))
    return value[:max_length]


def segments_named(body: Mapping[str, Any]) -> dict[str, str]:
    """The segments that a definition or a rule-based segment names, each with the path where it occurs first."""
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
