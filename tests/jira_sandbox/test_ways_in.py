"""Each proof opens what it is for: an app's token, OAuth credentials, an API token; and a site may have moved."""

from email.utils import parsedate_to_datetime
from typing import Any

import httpx2
import pytest

from jira_sandbox.embedded import Sandbox
from tests.jira_sandbox.conftest import CREDENTIALS, GATEWAY, OAUTH_FLAGS, client, flag, send


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
    with client(sandbox) as api:
        given = api.post("/oauth/token", json=CREDENTIALS).json()
        assert given["expires_in"] == 0
        api.headers["Authorization"] = f"Bearer {given['access_token']}"
        assert send(api, flag()).status_code == 401


def test_an_api_token_without_scopes_works_at_the_site(anna: httpx2.Client) -> None:
    found = anna.get("/rest/api/3/issue/PAY-1").json()
    assert (found["key"], found["fields"]["project"]["key"]) == ("PAY-1", "PAY")
    assert found["fields"]["project"]["id"].isdigit()
    assert anna.get(f"{GATEWAY}/rest/api/3/issue/PAY-1").status_code == 401
    assert anna.post(f"{OAUTH_FLAGS}/bulk", json={"flags": [flag()]}).status_code == 401
    assert anna.get("/rest/api/3/issue/PAY-1", auth=None).status_code == 401


def test_an_api_token_with_scopes_works_at_the_gateway(anna: httpx2.Client, sandbox: Sandbox) -> None:
    sandbox.settings(api_tokens_scoped=True)
    assert anna.get(f"{GATEWAY}/rest/api/3/myself").status_code == 200
    assert anna.get("/rest/api/3/myself").status_code == 401
    assert send(anna, flag()).status_code == 403


def test_a_wrong_api_token_opens_nothing(sandbox: Sandbox) -> None:
    with client(sandbox, auth=("anna@example.com", "wrong")) as stranger:
        assert stranger.get("/rest/api/3/myself").status_code == 401


def test_permissions_can_be_asked_for_and_taken(anna: httpx2.Client, sandbox: Sandbox) -> None:
    asked = "/rest/api/3/mypermissions?permissions=BROWSE_PROJECTS"
    assert anna.get("/rest/api/3/mypermissions").status_code == 400
    browse = anna.get(asked).json()["permissions"]["BROWSE_PROJECTS"]
    assert (browse["name"], browse["type"], browse["havePermission"]) == ("Browse Projects", "PROJECT", True)
    sandbox.settings(browse_permitted=False)
    assert anna.get(asked).json()["permissions"]["BROWSE_PROJECTS"]["havePermission"] is False
    assert anna.get("/rest/api/3/issue/PAY-1").status_code == 404
    assert anna.get("/rest/api/3/project/search").json()["values"] == []


def test_issues_are_described_as_jira_describes_them(anna: httpx2.Client) -> None:
    one = anna.get("/rest/api/3/issue/PAY-1").json()
    assert one["fields"]["status"]["statusCategory"]["key"] == "indeterminate"
    assert one["fields"]["assignee"]["displayName"] == "Mina Okafor"
    assert one["fields"]["issuetype"]["name"] == "Story"
    asked = {"issueIdsOrKeys": ["WEB-1", one["id"], "NO-1"]}
    many = anna.post("/rest/api/3/issue/bulkfetch", json=asked).json()["issues"]
    assert many[0] == one
    assert [issue["key"] for issue in many] == ["PAY-1", "WEB-1"]


def test_projects_are_listed_page_by_page(anna: httpx2.Client) -> None:
    first = anna.get("/rest/api/3/project/search?maxResults=2").json()
    assert [one["key"] for one in first["values"]] == ["MOB", "PAY"]
    assert (first["startAt"], first["maxResults"], first["total"], first["isLast"]) == (0, 2, 3, False)
    last = anna.get("/rest/api/3/project/search?startAt=2&maxResults=2").json()
    assert ([one["key"] for one in last["values"]], last["isLast"]) == (["WEB"], True)


def test_a_project_keeps_its_id_and_no_other_ever_has_it(anna: httpx2.Client, sandbox: Sandbox) -> None:
    def ids() -> dict[str, str]:
        return {one["key"]: one["id"] for one in anna.get("/rest/api/3/project/search").json()["values"]}

    before = ids()
    sandbox.rename_project("PAY", "CASH")
    sandbox.delete_project("MOB")
    sandbox.add_issue("NEW-1")
    after = ids()
    assert after["CASH"] == before["PAY"]
    assert after["NEW"] not in before.values()


def test_a_renamed_site_answers_with_a_redirect_and_the_gateway_does_not(api: httpx2.Client, sandbox: Sandbox) -> None:
    sandbox.settings(moved_to="https://new.atlassian.net")
    for path in ("/_edge/tenant_info", "/browse/PAY-1", "/rest/api/3/mypermissions?permissions=BROWSE_PROJECTS"):
        answer = api.get(path)
        assert (answer.status_code, answer.headers["location"]) == (302, f"https://new.atlassian.net{path}")
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


def refusal(sandbox: Sandbox, method: str, path: str, body: Any) -> int:
    with client(sandbox) as anybody:
        return anybody.request(method, f"/sandbox{path}", json=body).status_code


def test_no_key_is_given_twice(sandbox: Sandbox) -> None:
    assert refusal(sandbox, "POST", "/projects/PAY/rename", {"key": "WEB"}) == 409
    sandbox.delete_issue("PAY-4")
    assert sandbox.move_issue("WEB-1", "PAY") == "PAY-5"
    sandbox.add_issue("PAY-4")
    assert refusal(sandbox, "POST", "/issues/PAY-4/restore", {}) == 409


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/settings", {"no_such": 1}),
        ("PUT", "/settings", {"oauth_refuses": ["bulk"]}),
        ("PUT", "/faults", {"no_such": 1}),
        ("POST", "/webhooks", {}),
        ("POST", "/projects/PAY/rename", {}),
        ("POST", "/issues/PAY-1/move", {}),
    ],
)
def test_what_the_sandbox_does_not_know_is_refused(sandbox: Sandbox, method: str, path: str, body: Any) -> None:
    assert refusal(sandbox, method, path, body) == 400
