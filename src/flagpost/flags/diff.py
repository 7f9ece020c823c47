"""What a change changed, in words for people: of a definition, or of another small object in the audit log."""

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
    """Every difference between two JSON objects, in the order people read a flag's page. Empty where they are equal."""
    old, new = before or {}, after or {}
    changes: list[Change] = []
    for name in [*new, *(name for name in old if name not in new)]:
        was, now = old.get(name), new.get(name)
        if was != now:
            changes += _of_field(name, was, now)
    return changes


def _of_field(name: str, was: Any, now: Any) -> list[Change]:
    if name == "treatments":
        return _of_treatments(was or [], now or [])
    if name == "rules":
        return _of_rules(was or [], now or [])
    if name == "baselineTreatment" and was is None:
        return []
    change = Change(label_of(name), _in_words(name, was), _in_words(name, now))
    return [change] if change.before != change.after else []


def _of_treatments(was: list[dict[str, Any]], now: list[dict[str, Any]]) -> list[Change]:
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
            before, after = _in_words(field, earlier.get(field)), _in_words(field, later.get(field))
            if before != after:
                changes.append(Change(f"Treatment {name}: {label}", before, after))
    return changes


def _of_rules(was: list[dict[str, Any]], now: list[dict[str, Any]]) -> list[Change]:
    changes = []
    for number in range(max(len(was), len(now))):
        before = rule_in_words(was[number]) if number < len(was) else ""
        after = rule_in_words(now[number]) if number < len(now) else ""
        if before != after:
            changes.append(Change(f"Rule {number + 1}", before, after))
    return changes


def label_of(name: str) -> str:
    """How people read a field's name."""
    return _LABELS.get(name) or name[:1].upper() + name[1:].replace("_", " ")


def rule_in_words(rule: Mapping[str, Any]) -> str:
    """A rule as one line: who it is for, and what they get."""
    matchers = " and ".join(matcher_in_words(matcher) for matcher in rule["condition"]["matchers"])
    return f"If {matchers}: {shares_in_words(rule['buckets'])}"


def matcher_in_words(matcher: Mapping[str, Any]) -> str:
    """A matcher as people say it, for example “country is one of DE, FR”."""
    kind = MATCHERS.get(matcher["type"])
    label = kind.label if kind else matcher["type"]
    subject = matcher.get("attribute") or "the key"
    negated = "not: " if matcher.get("negate") else ""
    field = kind.json_name if kind else "string"
    return f"{negated}{subject} {label} {_value_in_words(matcher, field)}"


def _value_in_words(matcher: Mapping[str, Any], field: str) -> str:
    value = matcher.get(field)
    if field == "depends" and value:
        return _depends_in_words(value)
    show = _date if matcher["type"] in DATE_MATCHERS else _plain
    if field == "betweenVersions" and value:
        return f"{value['from']} and {value['to']}"
    if field == "between" and value:
        return f"{show(value['from'])} and {show(value['to'])}"
    return ", ".join(value) if isinstance(value, list) else show(value)


def _depends_in_words(depends: Mapping[str, Any]) -> str:
    return f"{depends['splitName']}: {' or '.join(depends['treatment'])}"


def shares_in_words(buckets: list[dict[str, Any]]) -> str:
    """A distribution as people say it, for example “on 10 %, off 90 %”; shares of nothing are left out."""
    return ", ".join(f"{bucket['treatment']} {bucket['size']} %" for bucket in buckets if bucket["size"])


def _in_words(name: str, value: Any) -> str:
    if value is None or value in ([], {}):
        return ""
    if name == "defaultRule":
        return shares_in_words(value)
    if name == "prerequisites":
        return ", ".join(_depends_in_words(one) for one in value)
    if name == "flagSets":
        return ", ".join(one if isinstance(one, str) else one.get("name") or one["id"] for one in value)
    if name == "trafficAllocation":
        return f"{value} %"
    if isinstance(value, list):
        return ", ".join(_in_words("", part) for part in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{label_of(key)}: {_in_words(key, part)}" for key, part in value.items())
    return _plain(value)


def _plain(value: Any) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _date(value: Any) -> str:
    try:
        moment = datetime.fromtimestamp(int(value) / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return str(value)
    return f"{moment:%Y-%m-%d}" if moment.time().isoformat() == "00:00:00" else f"{moment:%Y-%m-%d %H:%M} UTC"
