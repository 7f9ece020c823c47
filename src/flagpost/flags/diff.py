"""The differences between two versions of a definition, or of another JSON object in the audit log, for users."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flagpost.flags.matchers import DATE_MATCHERS, MATCHERS

_LABELS = {
    "defaultTreatment": "Default treatment",
    "baselineTreatment": "Baseline treatment",
    "trafficAllocation": "Limit exposure",
    "defaultRule": "Default rule",
    "killed": "Killed",
    "trafficType": "Traffic type",
    "rolloutStatus": "Rollout status",
    "requiresTitleAndComments": "Title and comment required",
    "impressionsDisabled": "Impressions not reported",
    "flagSets": "Flag sets",
    "jiraType": "Environment type in Jira",
}


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: `before` is empty where something was added, `after` where it was removed."""

    label: str
    before: str
    after: str


def describe(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[Change]:
    """Every difference between two JSON objects, in the order of a flag's page. Empty where they are equal."""
    old, new = before or {}, after or {}
    changes: list[Change] = []
    for name in [*new, *(name for name in old if name not in new)]:
        was, now = old.get(name), new.get(name)
        if was != now:
            changes += _compare_field(name, was, now)
    return changes


def _compare_field(name: str, was: Any, now: Any) -> list[Change]:
    if name == "treatments":
        return _compare_treatments(was or [], now or [])
    if name == "rules":
        return _compare_rules(was or [], now or [])
    if name == "baselineTreatment" and was is None:
        return []
    change = Change(label_of(name), _describe_value(name, was), _describe_value(name, now))
    return [change] if change.before != change.after else []


def _compare_treatments(was: list[dict[str, Any]], now: list[dict[str, Any]]) -> list[Change]:
    old = {treatment["name"]: treatment for treatment in was}
    new = {treatment["name"]: treatment for treatment in now}
    changes = []
    if list(old) != list(new):
        changes.append(Change("Treatments", ", ".join(old), ", ".join(new)))
    for name in [*new, *(name for name in old if name not in new)]:
        earlier, later = old.get(name, {}), new.get(name, {})
        for field, label in (
            ("keys", "individual targets"),
            ("segments", "segments"),
            ("configurations", "configuration"),
            ("description", "description"),
        ):
            before, after = _describe_value(field, earlier.get(field)), _describe_value(field, later.get(field))
            if before != after:
                changes.append(Change(f"Treatment {name}: {label}", before, after))
    return changes


def _compare_rules(was: list[dict[str, Any]], now: list[dict[str, Any]]) -> list[Change]:
    changes = []
    for number in range(max(len(was), len(now))):
        before = describe_rule(was[number]) if number < len(was) else ""
        after = describe_rule(now[number]) if number < len(now) else ""
        if before != after:
            changes.append(Change(f"Rule {number + 1}", before, after))
    return changes


def label_of(name: str) -> str:
    """A field's name for users."""
    return _LABELS.get(name) or name[:1].upper() + name[1:].replace("_", " ")


def describe_rule(rule: Mapping[str, Any]) -> str:
    """A rule as one line: which keys match, and which treatments they get."""
    matchers = " and ".join(describe_matcher(matcher) for matcher in rule["condition"]["matchers"])
    return f"If {matchers}: {describe_shares(rule['buckets'])}"


def describe_matcher(matcher: Mapping[str, Any]) -> str:
    """A matcher as text, for example “country is one of DE, FR”."""
    kind = MATCHERS.get(matcher["type"])
    label = kind.label if kind else matcher["type"]
    subject = matcher.get("attribute") or "the key"
    negated = "not: " if matcher.get("negate") else ""
    field = kind.json_name if kind else "string"
    return f"{negated}{subject} {label} {_describe_operand(matcher, field)}"


def _describe_operand(matcher: Mapping[str, Any], field: str) -> str:
    value = matcher.get(field)
    if field == "depends" and value:
        return _describe_dependency(value)
    show = _date if matcher["type"] in DATE_MATCHERS else _plain
    if field == "betweenVersions" and value:
        return f"{value['from']} and {value['to']}"
    if field == "between" and value:
        return f"{show(value['from'])} and {show(value['to'])}"
    return ", ".join(value) if isinstance(value, list) else show(value)


def _describe_dependency(depends: Mapping[str, Any]) -> str:
    return f"{depends['splitName']}: {' or '.join(depends['treatment'])}"


def describe_shares(buckets: list[dict[str, Any]]) -> str:
    """A distribution as text, for example “on 10 %, off 90 %”, without shares of 0 %."""
    return ", ".join(f"{bucket['treatment']} {bucket['size']} %" for bucket in buckets if bucket["size"])


def _describe_value(name: str, value: Any) -> str:
    if value is None or value in ([], {}):
        return ""
    if name == "defaultRule":
        return describe_shares(value)
    if name == "prerequisites":
        return ", ".join(_describe_dependency(one) for one in value)
    if name == "flagSets":
        return ", ".join(one if isinstance(one, str) else one.get("name") or one["id"] for one in value)
    if name == "trafficAllocation":
        return f"{value} %"
    if isinstance(value, list):
        return ", ".join(_describe_value("", part) for part in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{label_of(key)}: {_describe_value(key, part)}" for key, part in value.items())
    return _plain(value)


def _plain(value: Any) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _date(value: Any) -> str:
    try:
        moment = datetime.fromtimestamp(int(value) / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return str(value)
    return f"{moment:%Y-%m-%d}" if moment.time().isoformat() == "00:00:00" else f"{moment:%Y-%m-%d %H:%M} UTC"
