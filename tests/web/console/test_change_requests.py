"""Changes that somebody else approves, in the console: asked for, discussed, scheduled, approved."""

import html
import re

import pytest
from starlette.testclient import TestClient

from flagpost.actions.accounts import users
from tests.web.conftest import PASSWORD, Console
from tests.web.console.test_pages import fields, initiate, new_flag
from tests.web.console.test_segments import act, new_segment

pytestmark = pytest.mark.slow


@pytest.fixture
def bob(console: Console) -> TestClient:
    """The browser of an editor."""
    invitation = users.invite_user(console.ctx, console.ada, email="bob@example.com", name="Bob", role="editor")
    browser = TestClient(console.app, headers={"sec-fetch-site": "same-origin"}, follow_redirects=False)
    form = {"name": "Bob", "password": PASSWORD}
    assert browser.post("/invite/" + invitation.url.rpartition("/")[2], data=form).status_code == 303
    return browser


@pytest.fixture
def flag(console: Console) -> str:
    """The address of a flag that is set up in production, which requires approvals."""
    url = new_flag(console)
    require_approvals(console, initiate(console, url))
    return url


def require_approvals(console: Console, environment: str, **more: str) -> None:
    form = {"project": console.project, "environment": environment, "name": "Production", "production": "yes"}
    form |= {"approvals": "yes", "act": "update", **more}
    assert console.admin.post("/admin/environments", data=form).status_code == 303
    assert "checked> Changes need approval" in console.admin.get("/admin/environments").text


def place(console: Console, flag: str) -> str:
    found = re.search(r'<option value="([^"]+)"[^>]*>Production', console.admin.get(flag).text)
    assert found
    return found[1]


def send(console: Console, flag: str, button: str, **more: str) -> tuple[int, str]:
    """Review a change and send it; the status, and where it leads or what it says."""
    environment = place(console, flag)
    review = console.admin.post(f"{flag}/definition", data=fields(environment, "1", ["30", "70"])).text
    body = re.search(r'name="body" value="([^"]+)"', review)
    assert body
    form = {"environment": environment, "base": "1", "body": html.unescape(body[1]), "button": button, "title": "Go"}
    answer = console.admin.post(f"{flag}/definition/save", data={**form, **more})
    return answer.status_code, answer.headers.get("location", answer.text)


def test_a_direct_save_is_refused_and_the_review_offers_to_ask(console: Console, flag: str) -> None:
    status, said = send(console, flag, "save")
    assert (status, "Approvals are required" in said, "Ask for approval" in said) == (403, True, True)


def test_a_change_is_asked_for_discussed_and_approved_by_somebody_else(
    console: Console, bob: TestClient, flag: str
) -> None:
    status, url = send(console, flag, "ask", approvers="bob@example.com")
    assert status == 303
    page = console.admin.get(url).text
    assert "Default rule" in page
    assert "bob@example.com" in page
    assert 'value="APPROVED"' not in page
    assert "waits for approval in Production" in console.viewer.get(flag).text
    assert "new_checkout" in console.viewer.get(f"/projects/{console.project}/change-requests").text
    refused = console.admin.post(url, data={"act": "APPROVED"})
    assert (refused.status_code, "Another user has to decide" in refused.text) == (403, True)
    assert bob.post(url, data={"act": "comment", "comment": "Why 30?"}).status_code == 303
    assert console.viewer.post(url, data={"act": "APPROVED"}).status_code == 403
    assert bob.post(url, data={"act": "APPROVED", "comment": "Fine"}).status_code == 303
    decided = console.viewer.get(url).text
    for text in ("Why 30?", "Fine", "Published"):
        assert text in decided
    assert "Ada, approved by Bob" in console.viewer.get(f"{flag}/definition").text
    assert "waits for approval in Production" not in console.viewer.get(flag).text
    assert "new_checkout" in console.viewer.get(f"/projects/{console.project}/change-requests?state=decided").text


def test_a_change_is_scheduled_and_withdrawn(console: Console, bob: TestClient, flag: str) -> None:
    status, said = send(console, flag, "ask", scheduled_for="2020-01-01T10:00")
    assert (status, "in the future" in said) == (400, True)
    _, url = send(console, flag, "ask", scheduled_for="2099-01-01T10:00")
    assert "for later" in console.admin.get(url).text
    assert bob.post(url, data={"act": "APPROVED"}).status_code == 303
    page = bob.get(url).text
    assert "waits for its time" in page
    assert 'value="APPROVED"' not in page
    assert console.admin.post(url, data={"act": "WITHDRAWN"}).status_code == 303
    assert "Withdrawn" in bob.get(url).text


def test_a_kill_is_asked_for_unless_kills_pass(console: Console, bob: TestClient, flag: str) -> None:
    environment = place(console, flag)
    form = {"environment": environment, "confirm": "KILL"}
    asked = console.admin.post(f"{flag}/kill", data=form).headers["location"]
    assert "Kill new_checkout" in bob.get(asked).text
    assert bob.post(asked, data={"act": "REJECTED", "comment": "No"}).status_code == 303
    require_approvals(console, environment, kills="yes")
    assert console.admin.post(f"{flag}/kill", data=form).headers["location"].startswith(flag)
    assert "Killed" in console.viewer.get(flag).text


def test_keys_and_rules_of_segments_are_asked_for(console: Console, bob: TestClient, flag: str) -> None:
    staff, payers = new_segment(console, "staff"), new_segment(console, "payers", "rule_based")
    for url in (staff, payers):
        assert act(console, url, act="add") == 303
    environment = place(console, flag)
    form = {"environment": environment, "act": "add-keys", "keys": "ada\nbob"}
    asked = console.admin.post(staff, data=form).headers["location"]
    assert "Put in 2 keys" in bob.get(asked).text
    assert bob.post(asked, data={"act": "APPROVED"}).status_code == 303
    assert "2 of at most" in console.viewer.get(staff).text
    rules = {"environment": environment, "treatments[0].name": "in", "excludedKeys": "eve", "button": "save"}
    asked = console.admin.post(f"{payers}/rules", data=rules).headers["location"]
    assert "eve" in bob.get(asked).text
    assert bob.post(asked, data={"act": "APPROVED"}).status_code == 303
    assert ">eve</textarea>" in console.viewer.get(payers).text


def test_a_request_is_found_in_its_own_project_only(console: Console, flag: str) -> None:
    _, url = send(console, flag, "ask")
    console.admin.post("/admin/projects", data={"name": "Other"})
    other = re.search(r'/projects/([^/"]+)/flags">Other', console.admin.get(flag).text)
    assert other
    assert console.admin.get(url.replace(console.project, other[1])).status_code == 404
