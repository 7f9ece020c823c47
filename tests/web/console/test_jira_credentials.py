"""The page for OAuth credentials: what each button does, and what somebody sees who makes a mistake."""

import pytest

from jira_sandbox.embedded import Sandbox
from tests.web.conftest import Console

pytestmark = pytest.mark.slow

HERE = "/admin/integrations/jira/credentials"
HOME = "/admin/integrations"


@pytest.fixture
def atlassian_url(sandbox: Sandbox) -> str:
    return sandbox.url


def set_up(console: Console) -> None:
    page = console.admin.get(f"{HOME}/jira").text
    environment = page.split(f'name="environment-{console.project}"')[1].split('option value="')[1].split('"')[0]
    form = {"projects": console.project, f"environment-{console.project}": environment}
    assert console.admin.post(f"{HOME}/jira", data=form).status_code == 200


def enter(console: Console, sandbox: Sandbox, secret: str = "sandbox-secret") -> tuple[int, str]:
    form = {"site": sandbox.url, "client_id": "sandbox-client", "client_secret": secret}
    answer = console.admin.post(HERE, data=form)
    return answer.status_code, answer.text


def test_without_projects_the_page_says_what_comes_first(console: Console) -> None:
    assert "Choose the integration's projects first" in console.admin.get(HERE).text


def test_a_mistake_keeps_what_was_typed_but_not_the_secret(console: Console, sandbox: Sandbox) -> None:
    set_up(console)
    status, page = enter(console, sandbox, "wrong-secret")
    assert (status, "does not accept this client ID and secret" in page) == (400, True)
    assert sandbox.url in page
    assert "sandbox-client" in page
    assert "wrong-secret" not in page


def test_credentials_a_webhook_and_what_is_shown_of_them(console: Console, sandbox: Sandbox) -> None:
    set_up(console)
    assert enter(console, sandbox)[0] == 303
    assert "with OAuth credentials" in console.admin.get(f"{HOME}?tab=configured").text
    assert "sandbox-secret" not in console.admin.get(HERE).text
    made = console.admin.post(f"{HERE}/issues", data={"act": "webhook"}).text
    secret = made.split('id="webhook-secret" value="')[1].split('"')[0]
    assert len(secret) > 30
    after = console.admin.get(HERE).text
    assert "Never called" in after
    assert secret not in after
    assert console.admin.post(f"{HERE}/issues", data={"act": "remove-webhook"}).status_code == 303
    assert "Set up a webhook" in console.admin.get(HERE).text


def test_an_api_token_that_does_not_work_is_not_kept(console: Console, sandbox: Sandbox) -> None:
    set_up(console)
    enter(console, sandbox)
    form = {"act": "token", "email": "ada@example.com", "token": "wrong"}
    answer = console.admin.post(f"{HERE}/issues", data=form)
    assert answer.status_code == 400
    assert "does not accept this email address" in answer.text
    assert "ada@example.com" in answer.text


def test_the_check_and_the_forgetting_are_buttons(console: Console, sandbox: Sandbox) -> None:
    set_up(console)
    enter(console, sandbox)
    assert "Jira takes flags from Flagpost" in console.admin.post(f"{HOME}/jira/act", data={"act": "check"}).text
    assert console.admin.post(f"{HOME}/jira/act", data={"act": "forget"}).status_code == 409
    assert console.admin.post(f"{HOME}/jira/act", data={"act": "address"}).status_code == 409


def test_viewers_may_not(console: Console) -> None:
    assert console.viewer.get(HERE).status_code == 403
    assert console.viewer.post(HERE, data={"site": "x", "client_id": "y", "client_secret": "z"}).status_code == 403
    assert console.viewer.post(f"{HERE}/issues", data={"act": "webhook"}).status_code == 403
