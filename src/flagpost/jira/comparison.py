"""What Jira holds of a flag, compared with what was sent. Pure.

Jira's answer (Atlassian: FeatureFlagData) has the shape of the request, but Atlassian does not say that every value
comes back unchanged. So only what people see is compared, and only what the answer contains: numbers by their value;
the one field of `rollout` that counts (Atlassian: percentage, then text, then rules); the types of environments without
regard to case; and issues by all of their names, because an issue that was sent by its id may come back by its key,
which changes with a move.
"""

from collections.abc import Collection, Mapping
from typing import Any

OLDER, NEWER, OTHER = "older", "newer", "other"
Names = Mapping[str, Collection[str]]
"""Everything that an issue is called, by each of its names: its numeric id and its key."""


def difference(sent: Mapping[str, Any], held: object, names: Names) -> tuple[str, str] | None:
    """How what Jira holds differs from what was sent: the kind, and a message. None where it does not differ.

    `sent`: the payload, `held`: Jira's response to reading the flag, `names`: what the flag's issues are called.
    """
    if not isinstance(held, dict):
        return OTHER, "Jira's answer is not a flag."
    found = [
        *_texts(sent, held),
        *_status("It", sent["summary"].get("status"), _part(held, "summary").get("status")),
        *_address(sent, held),
        *_details(sent, held),
        *_issues(sent, held, names),
    ]
    version, expected = held.get("updateSequenceId"), sent["updateSequenceId"]
    if isinstance(version, int) and version != expected:
        kind = OLDER if version < expected else NEWER
        return kind, " ".join([f"Jira holds the {kind} version {version} instead of {expected}.", *found])
    return (OTHER, " ".join(found)) if found else None


def _part(of: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = of.get(name)
    return found if isinstance(found, dict) else {}


def _texts(sent: Mapping[str, Any], held: Mapping[str, Any]) -> list[str]:
    names = {"key": "Its key", "displayName": "Its name"}
    return [
        f"{name} is “{held[field]}” instead of “{sent[field]}”."
        for field, name in names.items()
        if field in held and held[field] != sent[field]
    ]


def _address(sent: Mapping[str, Any], held: Mapping[str, Any]) -> list[str]:
    url = _part(held, "summary").get("url")
    return (
        [f"It leads to {url} instead of {sent['summary']['url']}."] if url not in (None, sent["summary"]["url"]) else []
    )


def _status(what: str, sent: Any, held: Any) -> list[str]:
    if not isinstance(held, dict) or _visible(sent) == _visible(held):
        return []
    return [f"{what} is shown as {_describe(held)} instead of {_describe(sent)}."]


def _visible(status: Mapping[str, Any]) -> tuple[Any, ...]:
    return bool(status.get("enabled")), status.get("defaultValue") or None, _rollout(status)


def _rollout(status: Mapping[str, Any]) -> tuple[str, Any] | None:
    rollout = _part(status, "rollout")
    given = ((field, rollout.get(field)) for field in ("percentage", "text", "rules"))
    return next(((field, value) for field, value in given if value not in (None, "")), None)


def _describe(status: Mapping[str, Any]) -> str:
    parts = ["on" if status.get("enabled") else "off"]
    if rollout := _rollout(status):
        field, value = rollout
        parts.append({"percentage": f"{value} %", "text": f"“{value}”", "rules": f"{value} rules"}[field])
    if status.get("defaultValue"):
        parts.append(f"default “{status['defaultValue']}”")
    return ", ".join(parts)


def _details(sent: Mapping[str, Any], held: Mapping[str, Any]) -> list[str]:
    there = held.get("details")
    if not isinstance(there, list):
        return []
    expected = {_environment(one): one for one in sent["details"]}
    found = {_environment(one): one for one in there if isinstance(one, dict)}
    if set(expected) != set(found):
        shown, right = (", ".join(sorted(name for name, _ in which)) or "none" for which in (found, expected))
        return [f"Its environments are {shown} instead of {right}."]
    both = ((name, expected[name, kind], one) for (name, kind), one in found.items())
    return [
        words for name, one, other in both for words in _status(f"In {name} it", one["status"], other.get("status"))
    ]


def _environment(detail: Mapping[str, Any]) -> tuple[str, str]:
    place = _part(detail, "environment")
    return str(place.get("name")), str(place.get("type") or "").lower()


def _issues(sent: Mapping[str, Any], held: Mapping[str, Any], names: Names) -> list[str]:
    """An unknown key may be the new key of an issue that was moved: it counts as the issue that is missing."""
    there = _refs(held)
    if there is None:
        return []
    called = {name: frozenset(names.get(name, ())) | {name} for name in _refs(sent) or ()}
    missing = [name for name, every in called.items() if not every & there]
    known = frozenset().union(*called.values())
    strange = sorted(there - known)
    moved = min(len(missing), sum(not one.isdigit() for one in strange))
    if len(missing) == moved and len(strange) == moved:
        return []
    lost = f" It lacks {', '.join(missing[:10])}." if missing else ""
    more = f" It is also on {', '.join(strange[:10])}." if strange else ""
    return [f"It is on other issues.{lost}{more}"]


def _refs(flag: Mapping[str, Any]) -> set[str] | None:
    """The issues that a flag names, however it does; None where it does not say."""
    if "associations" not in flag and "issueKeys" not in flag:
        return None
    found = {str(key) for key in flag.get("issueKeys") or ()}
    for association in flag.get("associations") or ():
        found |= {str(value) for value in association.get("values") or ()}
    return found
