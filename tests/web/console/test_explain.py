"""Trying a flag on its page."""

import html
import re

import pytest

from flagpost.actions.access import system
from flagpost.actions.accounts.bootstrap import ensure_account
from flagpost.actions.flags import definitions, flags
from flagpost.actions.flags.definitions import Draft
from flagpost.flags.definition_json import parse
from tests.web.conftest import Console

pytestmark = pytest.mark.slow

BODY = {
    "treatments": [{"name": "on", "configurations": '{"colour": "blue"}'}, {"name": "off"}],
    "defaultTreatment": "off",
    "rules": [
        {
            "condition": {"matchers": [{"type": "IN_LIST_STRING", "attribute": "plan", "strings": ["pro"]}]},
            "buckets": [{"treatment": "on", "size": 100}],
        }
    ],
    "defaultRule": [{"treatment": "on", "size": 50}, {"treatment": "off", "size": 50}],
}


@pytest.fixture
def flag(console: Console) -> str:
    """The address of a flag that is set up in Production."""
    ctx = console.ctx
    actor = system(ensure_account(ctx))
    made = flags.create_flag(ctx, actor, console.project, name="pay", traffic_type="user")
    definitions.create_definition(ctx, actor, console.project, "pay", "Production", Draft(parse(BODY)))
    return f"/projects/{console.project}/flags/{made.id}/try"


def said(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def test_a_key_and_its_attributes_get_a_treatment_and_the_reason(console: Console, flag: str) -> None:
    answer = console.viewer.post(flag, data={"key": "ada", "attributes": '{"plan": "pro"}'})
    text = said(answer.text)
    assert "“ada” gets on" in text
    assert "Rule 1: plan in list [pro]." in text
    assert '{"colour": "blue"}' in text
    shared = said(console.viewer.post(flag, data={"key": "ada", "attributes": ""}).text)
    assert re.search(r"the default rule, which gives this treatment to 50 %; bucket \d+ of 100", shared)


def test_a_change_of_a_moment_ago_is_in_it(console: Console, flag: str) -> None:
    assert "gets" in said(console.admin.post(flag, data={"key": "ada"}).text)
    console.admin.post(flag.removesuffix("/try") + "/kill", data={"environment": "Production", "confirm": "KILL"})
    assert "The flag is killed" in said(console.admin.post(flag, data={"key": "ada"}).text)
    elsewhere = said(console.admin.post(f"{flag}?environment=Staging", data={"key": "ada"}).text)
    assert "“ada” gets control The flag is not set up in this environment" in elsewhere


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ({"key": ""}, "A key has 1 to 250 characters."),
        ({"key": "x" * 251}, "A key has 1 to 250 characters."),
        ({"key": "ada", "attributes": "{plan"}, "The attributes are not JSON"),
        ({"key": "ada", "attributes": "[1]"}, "Attributes are a JSON object"),
    ],
)
def test_what_cannot_be_evaluated_is_said_beside_what_was_typed(
    console: Console, flag: str, typed: dict[str, str], problem: str
) -> None:
    answer = console.viewer.post(flag, data=typed)
    assert answer.status_code == 400
    assert problem in said(answer.text)
    assert html.escape(typed.get("attributes", "")) in answer.text
