"""What a flag looks like to Jira: Atlassian's Feature Flags API 0.1, `POST …/bulk`. Pure.

Lengths are Atlassian's. A text that is too long is cut, because a flag that Jira refuses helps nobody; an address is
never cut, because half an address is worse than none: Flagpost's own are far below the limit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flagpost.flags.rollout import FlagState, Rollout

MAX_FLAGS = 100  # of one request
MAX_ASSOCIATIONS = 500  # of one flag
_MAX_TEXT = 255


@dataclass(frozen=True, slots=True)
class JiraFlagState:
    """One flag as it stands now, with everything that its payload is made of.

    `issues` are numeric ids where they are known, since those survive moves, and keys otherwise. `sequence` is
    Atlassian's `updateSequenceId`. Times are milliseconds since 1970.
    """

    id: str
    name: str
    environment_name: str
    environment_type: str
    state: FlagState
    url: str
    last_updated: int
    sequence: int
    issues: tuple[str, ...]


def flag_payload(flag: JiraFlagState) -> dict[str, Any]:
    """The flag as one object of the request's `flags`."""
    status = _status(flag.state)
    when = _moment(flag.last_updated)
    environment = {"name": flag.environment_name[:_MAX_TEXT], "type": flag.environment_type}
    summary = {"url": flag.url, "status": status, "lastUpdated": when}
    return {
        "schemaVersion": "1.0",
        "id": flag.id,
        "key": flag.name[:_MAX_TEXT],
        "displayName": flag.name[:_MAX_TEXT],
        "updateSequenceId": flag.sequence,
        "associations": _associations(flag.issues),
        "summary": summary,
        "details": [{**summary, "environment": environment}],
    }


def farewell_payload(
    flag_id: str, name: str, sequence: int, issues: Sequence[str], url: str, now: int
) -> dict[str, Any]:
    """A flag that should be gone and cannot be deleted: shown as off, and why, on the issues it was sent with last.

    An association with no issue, or with unknown ones only, would not be stored (Atlassian), so it keeps these.
    """
    when = _moment(now)
    status = {"enabled": False, "rollout": {"text": "Disconnected in Flagpost"}}
    summary = {"url": url, "status": status, "lastUpdated": when}
    return {
        "schemaVersion": "1.0",
        "id": flag_id,
        "key": name[:_MAX_TEXT],
        "displayName": name[:_MAX_TEXT],
        "updateSequenceId": sequence,
        "associations": _associations(issues),
        "summary": summary,
        "details": [{**summary, "environment": {"name": "Disconnected in Flagpost"}}],
    }


def bulk_request(flags: Sequence[Mapping[str, Any]], properties: Mapping[str, str]) -> dict[str, Any]:
    """The request body for up to 100 flags that share `properties`, by which they can be deleted again."""
    return {"properties": dict(properties), "flags": list(flags), "providerMetadata": {"product": "Flagpost"}}


def _associations(issues: Sequence[str]) -> list[dict[str, Any]]:
    return [{"associationType": "issueIdOrKeys", "values": list(issues[:MAX_ASSOCIATIONS])}]


def _moment(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")


def _status(state: FlagState) -> dict[str, Any]:
    status: dict[str, Any] = {"enabled": state.enabled, "rollout": _rollout(state.rollout)}
    if state.default_value is not None:
        status["defaultValue"] = state.default_value[:_MAX_TEXT]
    return status


def _rollout(rollout: Rollout) -> dict[str, Any]:
    if rollout.percentage is not None:
        return {"percentage": rollout.percentage}
    if rollout.rules is not None:
        return {"rules": rollout.rules}
    return {"text": (rollout.text or "")[:_MAX_TEXT]}
