"""What Jira accepts: the rules of Atlassian's Feature Flags API 0.1 (`SubmitFeatureFlagRequest`), by hand.

A request that is malformed as a whole is refused (400); a malformed flag in a good request is reported on its own.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

MAX_FLAGS, MAX_TEXT, MAX_URL, MAX_ASSOCIATIONS, MAX_PROPERTIES = 100, 255, 2000, 500, 5
_ISSUE_KEY = re.compile(r"\w{1,255}-\d{1,255}")
_ISSUE_REF = re.compile(r"\w{1,255}-\d{1,255}|\d{1,255}")
_ENVIRONMENT_TYPES = {"development", "testing", "staging", "production"}
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")


def request_problems(body: Any) -> list[str]:
    """What is wrong with a request as a whole; empty where its flags can be looked at one by one."""
    if not isinstance(body, dict):
        return ["The request body must be an object"]
    return [*_properties(body.get("properties", {})), *_envelope(body)]


def _envelope(body: dict[str, Any]) -> Iterator[str]:
    flags = body.get("flags")
    if not isinstance(flags, list):
        yield "flags: must be an array"
    elif not 1 <= len(flags) <= MAX_FLAGS:
        yield f"flags: must have 1 to {MAX_FLAGS} elements"
    elif not all(isinstance(flag, dict) and _is_text(flag.get("id"), MAX_TEXT) for flag in flags):
        yield "flags: every element must be an object with an id of 1 to 255 characters"
    elif len({flag["id"] for flag in flags}) < len(flags):
        yield "flags: an id stands there more than once"
    metadata = body.get("providerMetadata", {})
    if not (isinstance(metadata, dict) and isinstance(metadata.get("product", ""), str)):
        yield "providerMetadata: must be an object whose product is a string"


def _properties(properties: Any) -> Iterator[str]:
    if not isinstance(properties, dict):
        yield "properties: must be an object"
        return
    if len(properties) > MAX_PROPERTIES:
        yield f"properties: at most {MAX_PROPERTIES}"
    for name, value in properties.items():
        if ":" in name or name.startswith("_") or len(name) > MAX_TEXT:
            yield f"properties.{name}: a name has no colon and does not start with an underscore"
        if not isinstance(value, str) or len(value) > MAX_TEXT:
            yield f"properties.{name}: must be a string of at most {MAX_TEXT} characters"


def issue_refs(flag: dict[str, Any]) -> list[str]:
    """The issues that a well-formed flag names, by key or id."""
    associations = flag.get("associations") or []
    return [*(flag.get("issueKeys") or []), *(ref for one in associations for ref in one["values"])]


def flag_problems(flag: dict[str, Any]) -> list[str]:
    """What is wrong with one flag."""
    return [*_identity(flag), *_associations(flag), *_state(flag)]


def _identity(flag: dict[str, Any]) -> Iterator[str]:
    if flag.get("schemaVersion", "1.0") != "1.0":
        yield 'schemaVersion: must be "1.0"'
    if not _is_text(flag.get("key"), MAX_TEXT):
        yield f"key: must be a string of 1 to {MAX_TEXT} characters"
    if not _is_whole(flag.get("updateSequenceId")) or not -(2**63) <= flag["updateSequenceId"] < 2**63:
        yield "updateSequenceId: must be a 64-bit whole number"
    if "displayName" in flag and not (isinstance(flag["displayName"], str) and len(flag["displayName"]) <= MAX_TEXT):
        yield f"displayName: must be a string of at most {MAX_TEXT} characters"


def _associations(flag: dict[str, Any]) -> Iterator[str]:
    keys, associations = flag.get("issueKeys"), flag.get("associations")
    if "issueKeys" in flag and "associations" in flag:
        yield "issueKeys and associations are mutually exclusive"
        return
    if "issueKeys" in flag and not _are_refs(keys, _ISSUE_KEY, 100):
        yield "issueKeys: must be 1 to 100 issue keys"
    if "associations" not in flag:
        return
    if not isinstance(associations, list):
        yield "associations: must be an array"
        return
    total = 0
    for number, one in enumerate(associations):
        if not isinstance(one, dict) or one.get("associationType") not in ("issueKeys", "issueIdOrKeys"):
            yield f"associations[{number}].associationType: must be issueKeys or issueIdOrKeys"
            continue
        pattern = _ISSUE_KEY if one["associationType"] == "issueKeys" else _ISSUE_REF
        if not _are_refs(one.get("values"), pattern, MAX_ASSOCIATIONS):
            yield f"associations[{number}].values: must be 1 to {MAX_ASSOCIATIONS} issue keys or ids"
        else:
            total += len(one["values"])
    if total > MAX_ASSOCIATIONS:
        yield f"associations: at most {MAX_ASSOCIATIONS} values in all"


def _state(flag: dict[str, Any]) -> Iterator[str]:
    yield from _summary(flag.get("summary"), "summary", url_required=False)
    details = flag.get("details")
    if not isinstance(details, list) or not details:
        yield "details: must have at least one element"
        return
    for number, one in enumerate(details):
        path = f"details[{number}]"
        yield from _summary(one, path, url_required=True)
        if isinstance(one, dict):
            yield from _environment(one.get("environment"), f"{path}.environment")


def _summary(summary: Any, path: str, *, url_required: bool) -> Iterator[str]:
    if not isinstance(summary, dict):
        yield f"{path}: must be an object"
        return
    url = summary.get("url")
    if ("url" in summary or url_required) and not _is_url(url):
        yield f"{path}.url: must be an address of at most {MAX_URL} characters"
    if not _is_moment(summary.get("lastUpdated")):
        yield f"{path}.lastUpdated: must be a date and time as in RFC 3339"
    yield from _status(summary.get("status"), f"{path}.status")


def _environment(environment: Any, path: str) -> Iterator[str]:
    if not isinstance(environment, dict) or not _is_text(environment.get("name"), MAX_TEXT):
        yield f"{path}.name: must be a string of 1 to {MAX_TEXT} characters"
    elif "type" in environment and environment["type"] not in _ENVIRONMENT_TYPES:
        yield f"{path}.type: must be one of {', '.join(sorted(_ENVIRONMENT_TYPES))}"


def _status(status: Any, path: str) -> Iterator[str]:
    if not isinstance(status, dict) or not isinstance(status.get("enabled"), bool):
        yield f"{path}.enabled: must be true or false"
        return
    default = status.get("defaultValue", "")
    if not (isinstance(default, str) and len(default) <= MAX_TEXT):
        yield f"{path}.defaultValue: must be a string of at most {MAX_TEXT} characters"
    if "rollout" in status:
        yield from _rollout_problems(status["rollout"], f"{path}.rollout")


def _rollout_problems(rollout: Any, path: str) -> Iterator[str]:
    if not isinstance(rollout, dict):
        yield f"{path}: must be an object"
        return
    percentage, text, rules = rollout.get("percentage", 0), rollout.get("text", ""), rollout.get("rules", 0)
    number = isinstance(percentage, int | float) and not isinstance(percentage, bool)
    if not (number and 0 <= percentage <= 100):
        yield f"{path}.percentage: must be a number from 0 to 100"
    if not (isinstance(text, str) and len(text) <= MAX_TEXT):
        yield f"{path}.text: must be a string of at most {MAX_TEXT} characters"
    if not (_is_whole(rules) and rules >= 0):
        yield f"{path}.rules: must be a whole number of at least 0"


def _is_text(value: Any, most: int) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= most


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _are_refs(values: Any, pattern: re.Pattern[str], most: int) -> bool:
    if not isinstance(values, list) or not 1 <= len(values) <= most:
        return False
    return all(isinstance(value, str) and pattern.fullmatch(value) for value in values)


def _is_url(value: Any) -> bool:
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_URL or any(part.isspace() for part in value):
        return False
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return bool(parts.scheme and parts.netloc)


def _is_moment(value: Any) -> bool:
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value.upper().replace("Z", "+00:00"))
    except ValueError:
        return False
    return True
