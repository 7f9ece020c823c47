"""What is sent to Jira holds to Atlassian's own schema, for whatever flag it is made from."""

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagpost.flags.model import Definition
from flagpost.flags.rollout import flag_state
from flagpost.jira.payload import JiraFlagState, bulk_request, flag_payload
from jira_sandbox.validation import flag_problems, request_problems
from tests.conftest import SHARED
from tests.flags.definitions import definitions

SCHEMA = SHARED / "contracts" / "jira" / "featureflags-request.schema.json"
needs_schema = pytest.mark.skipif(not SCHEMA.is_file(), reason="Atlassian's schema is not here: no shared folder")


@st.composite
def told(draw: st.DrawFn) -> JiraFlagState:
    definition = draw(st.none() | definitions())
    return JiraFlagState(
        id=str(draw(st.uuids())),
        name=draw(st.text(min_size=1, max_size=300)),
        environment_name=draw(st.text(min_size=1, max_size=300)),
        environment_type=draw(st.sampled_from(["development", "testing", "staging", "production"])),
        state=flag_state(definition, killed=draw(st.booleans()), archived=draw(st.booleans())),
        url="https://flags.example.com/projects/p/flags/f?environment=e",
        last_updated=draw(st.integers(0, 4_000_000_000_000)),
        version=draw(st.integers(0, 2**53)),
        issues=tuple(draw(st.lists(st.integers(1, 10**9).map(str), min_size=1, max_size=600, unique=True))),
    )


def test_a_flag_as_jira_gets_it() -> None:
    found = flag_payload(
        JiraFlagState(
            "f1", "pay", "Production", "production", flag_state(None, killed=False), "https://x/y", 0, 7, ("1", "PAY-2")
        )
    )
    status = {"enabled": False, "rollout": {"text": "Not initiated"}}
    summary = {"url": "https://x/y", "status": status, "lastUpdated": "1970-01-01T00:00:00.000+00:00"}
    assert found == {
        "schemaVersion": "1.0",
        "id": "f1",
        "key": "pay",
        "displayName": "pay",
        "updateSequenceId": 7,
        "associations": [{"associationType": "issueIdOrKeys", "values": ["1", "PAY-2"]}],
        "summary": summary,
        "details": [{**summary, "environment": {"name": "Production", "type": "production"}}],
    }


@needs_schema
@given(st.lists(told(), min_size=1, max_size=3, unique_by=lambda flag: flag.id))
def test_every_request_holds_to_atlassians_schema(flags: list[JiraFlagState]) -> None:
    body = bulk_request([flag_payload(flag) for flag in flags], {"account": "a1"})
    schema = json.loads(SCHEMA.read_text())
    jsonschema.validate(body, schema, format_checker=jsonschema.FormatChecker())
    assert request_problems(body) == []
    assert [flag_problems(flag) for flag in body["flags"]] == [[] for _ in flags]


def broken(draw: st.DrawFn, value: Any) -> Any:
    """A value with one part of it replaced by another kind of thing, or left out."""
    junk: Any = draw(st.sampled_from([None, 5, -1, True, "", "x" * 3000, [], {}, "not a date"]))
    if isinstance(value, dict) and value and draw(st.booleans()):
        name = draw(st.sampled_from(sorted(value)))
        if draw(st.booleans()):
            return {key: inner for key, inner in value.items() if key != name}
        return {**value, name: broken(draw, value[name])}
    if isinstance(value, list) and value and draw(st.booleans()):
        return [broken(draw, value[0]), *value[1:]]
    return junk


@st.composite
def broken_requests(draw: st.DrawFn) -> Any:
    return broken(draw, bulk_request([flag_payload(draw(told()))], {"account": "a1"}))


@needs_schema
@given(broken_requests())
def test_the_sandbox_refuses_what_atlassians_schema_refuses(body: Any) -> None:
    """By hand, because Jira answers a bad flag in a good request on its own; the same verdict all the same."""
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
    good = validator.is_valid(body)
    accepted = not request_problems(body) and not [p for flag in body["flags"] for p in flag_problems(flag)]
    if good != accepted:
        assert not accepted, body  # the sandbox is stricter: dates, and ids that stand there twice


@given(definitions())
def test_the_percentage_is_a_whole_number_from_0_to_100(definition: Definition) -> None:
    rollout = flag_state(definition, killed=False).rollout
    assert rollout.percentage is None or 0 <= rollout.percentage <= 100
