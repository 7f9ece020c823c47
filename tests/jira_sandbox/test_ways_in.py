"""Each proof opens what it is for: an app's token, OAuth credentials, an API token; and a site may have moved."""

from email.utils import parsedate_to_datetime

import httpx2
import pytest

from jira_sandbox.embedded import Sandbox
from tests.jira_sandbox.conftest import GATEWAY, OAUTH_FLAGS, client, flag, send


def test_oauth_credentials_open_the_feature_flags_api_alone(api: httpx2.Client) -> None:
    assert send(api, flag()).status_code == 202
    assert api.post(f"{GATEWAY}/rest/featureflags/0.1/bulk", json={"flags": [flag()]}).status_code == 401
    assert api.get(f"{GATEWAY}/rest/api/3/issue/PAY-1").status_code == 401


def test_without_the_permission_nothing_is_taken(api: httpx2.Client, sandbox: Sandbox) -> None:
    sandbox.settings(oauth_flags_permitted=False)
    assert send(api, flag()).status_code == 403


@pytest.mark.parametrize("status", [403, 404])
def test_single_operations_can_be_refused(api: httpx2.Client, sandbox: Sandbox, status: int) -> None:
    sandbox.settings(oauth_refuses=["get", "delete"], oauth_refusal_status=status)
    assert send(api, flag()).status_code == 202
    assert api.get(f"{OAUTH_FLAGS}/flag/f1").status_code == status
    assert api.delete(f"{OAUTH_FLAGS}/flag/f1").status_code == status
    assert api.delete(f"{OAUTH_FLAGS}/bulkByProperties?account=a").status_code == 202
    assert list(sandbox.flags()) == ["f1"]


def test_tokens_end_when_they_say(sandbox: Sandbox) -> None:
    sandbox.settings(oauth_token_seconds=0)
    asked = {"audience": "api.atlassian.com", "client_id": "sandbox-client", "client_secret": "sandbox-secret"}
    with client(sandbox) as api:
        given = api.post("/oauth/token", json=asked).json()
        assert given["expires_in"] == 0
        api.headers["Authorization"] = f"Bearer {given['access_token']}"
        assert send(api, flag()).status_code == 401


def test_an_api_token_without_scopes_works_at_the_site(anna: httpx2.Client) -> None:
    found = anna.get("/rest/api/3/issue/PAY-1").json()
    assert (found["key"], found["fields"]["project"]["key"]) == ("PAY-1", "PAY")
    assert found["fields"]["project"]["id"].isdigit()
    assert anna.get(f"{GATEWAY}/rest/api/3/issue/PAY-1").status_code == 401
    assert anna.post(f"{OAUTH_FLAGS}/bulk", json={"flags": [flag()]}).status_code == 401


def test_an_api_token_with_scopes_works_at_the_gateway(anna: httpx2.Client, sandbox: Sandbox) -> None:
    sandbox.settings(api_tokens_scoped=True)
    assert anna.get(f"{GATEWAY}/rest/api/3/myself").status_code == 200
    assert anna.get("/rest/api/3/myself").status_code == 401


def test_a_wrong_api_token_opens_nothing(sandbox: Sandbox) -> None:
    with client(sandbox, auth=("anna@example.com", "wrong")) as stranger:
        assert stranger.get("/rest/api/3/myself").status_code == 401


def test_permissions_can_be_asked_for_and_taken(anna: httpx2.Client, sandbox: Sandbox) -> None:
    asked = "/rest/api/3/mypermissions?permissions=BROWSE_PROJECTS"
    assert anna.get("/rest/api/3/mypermissions").status_code == 400
    assert anna.get(asked).json()["permissions"]["BROWSE_PROJECTS"]["havePermission"] is True
    sandbox.settings(browse_permitted=False)
    assert anna.get(asked).json()["permissions"]["BROWSE_PROJECTS"]["havePermission"] is False
    assert anna.get("/rest/api/3/issue/PAY-1").status_code == 404


def test_a_renamed_site_answers_with_a_redirect_and_the_gateway_does_not(api: httpx2.Client, sandbox: Sandbox) -> None:
    sandbox.settings(moved_to="https://new.atlassian.net")
    answer = api.get("/_edge/tenant_info")
    assert (answer.status_code, answer.headers["location"]) == (302, "https://new.atlassian.net/_edge/tenant_info")
    assert send(api, flag()).status_code == 202


def test_the_clock_of_the_site_can_be_wrong(api: httpx2.Client, sandbox: Sandbox) -> None:
    right = parsedate_to_datetime(api.get("/_edge/tenant_info").headers["date"])
    sandbox.settings(clock_skew_seconds=3600)
    wrong = parsedate_to_datetime(api.get("/_edge/tenant_info").headers["date"])
    assert 3590 < (wrong - right).total_seconds() < 3620


def test_moved_renamed_deleted_and_restored_issues_are_found_as_jira_finds_them(
    anna: httpx2.Client, sandbox: Sandbox
) -> None:
    def key(ref: str) -> str | None:
        answer = anna.get(f"/rest/api/3/issue/{ref}")
        return answer.json()["key"] if answer.is_success else None

    moved = sandbox.move_issue("PAY-1", "WEB")
    assert key("PAY-1") == key("pay-1") == moved
    sandbox.rename_project("WEB", "SITE")
    renamed = moved.replace("WEB", "SITE")
    assert key("PAY-1") == key(moved) == renamed
    sandbox.delete_issue(renamed)
    assert key("PAY-1") is None
    sandbox.restore_issue(renamed)
    assert key("PAY-1") == renamed
    sandbox.delete_project("SITE")
    assert key(renamed) is None
