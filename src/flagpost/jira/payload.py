"""The payload of a flag, as Atlassian's Feature Flags API 0.1 takes it (`POST …/bulk`). Pure.

Lengths are Atlassian's. A text that is too long is cut, because otherwise Jira would refuse the whole flag. An address
is never cut, because a part of an address is useless; Flagpost's own addresses are far below the limit.
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
    """One flag in its present state, with everything that its payload needs.

    `issues` are numeric ids where they are known, because those survive moves, and keys otherwise. `version` is
    Atlassian's `updateSequenceId`. Times are milliseconds since 1970.
    """

    id: str
    name: str
    environment_name: str
    environment_type: str
    state: FlagState
    url: str
    last_updated: int
    version: int
    issues: tuple[str, ...]


def flag_payload(flag: JiraFlagState) -> dict[str, Any]:
    """The flag as one object of the `flags` of a request."""
    status = _status(flag.state)
    when = _moment(flag.last_updated)
    environment = {"name": flag.environment_name[:_MAX_TEXT], "type": flag.environment_type}
    summary = {"url": flag.url, "status": status, "lastUpdated": when}
    return {
        "schemaVersion": "1.0",
        "id": flag.id,
        "key": flag.name[:_MAX_TEXT],
        "displayName": flag.name[:_MAX_TEXT],
        "updateSequenceId": flag.version,
        "associations": _associations(flag.issues),
        "summary": summary,
        "details": [{**summary, "environment": environment}],
    }


def tombstone_payload(
    flag_id: str, name: str, version: int, issues: Sequence[str], url: str, now: int
) -> dict[str, Any]:
    """A flag that should disappear, and that Jira refuses to delete: shown as off and disconnected.

    `issues` are those that it was last sent with, because Jira would not store it with unknown issues, or with none.
    """
    when = _moment(now)
    status = {"enabled": False, "rollout": {"text": "Disconnected in Flagpost"}}
    summary = {"url": url, "status": status, "lastUpdated": when}
    return {
        "schemaVersion": "1.0",
        "id": flag_id,
        "key": name[:_MAX_TEXT],
        "displayName": name[:_MAX_TEXT],
        "updateSequenceId": version,
        "associations": _associations(issues),
        "summary": summary,
        "details": [{**summary, "environment": {"name": "Disconnected in Flagpost"}}],
    }


def bulk_request(flags: Sequence[Mapping[str, Any]], properties: Mapping[str, str]) -> dict[str, Any]:
    """The body of a request for up to 100 flags. They can be deleted again by the `properties` that they share."""
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
