"""What Jira holds of a flag is compared as people see it, and not letter for letter."""

import copy
from typing import Any

import pytest

from flagpost.jira.comparison import difference

STATUS = {"enabled": True, "defaultValue": "off", "rollout": {"percentage": 10}}
SUMMARY = {"url": "https://flags.example.com/1", "status": STATUS, "lastUpdated": "2026-09-21T13:46:40.000+00:00"}
SENT: dict[str, Any] = {
    "schemaVersion": "1.0",
    "id": "1",
    "key": "pay",
    "displayName": "pay",
    "updateSequenceId": 1_790_000_000_000,
    "associations": [{"associationType": "issueIdOrKeys", "values": ["10001", "10002"]}],
    "summary": SUMMARY,
    "details": [{**SUMMARY, "environment": {"name": "Production", "type": "production"}}],
}
NAMES = {"10001": {"10001", "PAY-1"}, "10002": {"10002", "PAY-2"}, "PAY-1": {"10001", "PAY-1"}}


def held(**changed: Any) -> dict[str, Any]:
    return {**copy.deepcopy(SENT), **changed}


def status(**changed: Any) -> dict[str, Any]:
    return {**SUMMARY, "status": {**STATUS, **changed}}


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in held().items() if name not in names}


SAME = {
    "as it was sent": held(),
    "another way to write the time": held(summary={**SUMMARY, "lastUpdated": "2026-09-21T13:46:40Z"}),
    "numbers with a point": held(summary=status(rollout={"percentage": 10.0})),
    "every field of the rollout": held(summary=status(rollout={"percentage": 10, "text": None, "rules": None})),
    "issues by their keys": held(associations=[{"associationType": "issueKeys", "values": ["PAY-2", "PAY-1"]}]),
    "the older field for issues": {**without("associations"), "issueKeys": ["PAY-1", "PAY-2"]},
    "a key of an issue that was moved": {**without("associations"), "issueKeys": ["PAY-1", "WEB-7"]},
    "no issues, no details": without("associations", "details", "displayName", "updateSequenceId"),
    "the type in capitals": held(details=[{**SUMMARY, "environment": {"name": "Production", "type": "PRODUCTION"}}]),
    "more than Flagpost knows": held(lastUpdatedBy="somebody", properties={}),
}
OTHER = {
    "on another share": (
        held(summary=status(rollout={"percentage": 90})),
        "on, 90 %, default “off” instead of on, 10 %",
    ),
    "off": (held(summary=status(enabled=False)), "It is shown as off, 10 %"),
    "an issue too few": ({**without("associations"), "issueKeys": ["PAY-1"]}, "It lacks 10002."),
    "an issue too many": (
        held(associations=[{"associationType": "issueIdOrKeys", "values": ["10001", "10002", "10003"]}]),
        "It is also on 10003.",
    ),
    "another issue by its id": (
        held(associations=[{"associationType": "issueIdOrKeys", "values": ["10001", "10009"]}]),
        "It lacks 10002. It is also on 10009.",
    ),
    "an environment that was renamed": (
        held(details=[{**SUMMARY, "environment": {"name": "Staging", "type": "staging"}}]),
        "Its environments are Staging instead of Production.",
    ),
    "another state in the details": (
        held(details=[{**status(enabled=False), "environment": {"name": "Production", "type": "production"}}]),
        "In Production it is shown as off",
    ),
    "another address": (
        held(summary={**SUMMARY, "url": "https://old.example.com"}),
        "leads to https://old.example.com",
    ),
    "no flag": ([], "is not a flag"),
}


@pytest.mark.parametrize("body", SAME.values(), ids=SAME.keys())
def test_another_way_of_writing_the_same_is_no_difference(body: Any) -> None:
    assert difference(SENT, body, NAMES) is None


@pytest.mark.parametrize(("body", "words"), OTHER.values(), ids=OTHER.keys())
def test_what_people_see_otherwise_is_one(body: Any, words: str) -> None:
    found = difference(SENT, body, NAMES)
    assert found is not None
    assert found[0] == "other"
    assert words in found[1]


@pytest.mark.parametrize(("version", "kind"), [(1, "older"), (1_790_000_000_001, "newer")])
def test_another_version_is_one_even_where_all_else_is_the_same(version: int, kind: str) -> None:
    found = difference(SENT, held(updateSequenceId=version), NAMES)
    assert found is not None
    assert found[0] == kind
