"""Setting the integration up, on both sides, and what is answered to those who get it wrong."""

import base64
import json
from typing import Any

import pytest

from flagpost.jira.manifest import forge_manifest
from tests.end_to_end.world import APP_ID, World, until

pytestmark = pytest.mark.slow


def test_the_state_says_how_far_the_set_up_is(world_on_both: World) -> None:
    world = world_on_both
    assert world.integration()["state"] == "not_set_up"
    token = world.set_up()
    assert world.integration()["state"] == "waiting_for_jira"
    world.install()
    assert world.integration()["state"] == "waiting_for_jira"
    status, said = world.sandbox.configure(world.installation, token)
    assert (status, said["status"]) == (200, "connected")
    assert said["projects"] == [{"project": "Default", "environment": "Production"}]
    state = world.integration()
    assert (state["state"], state["site"]) == ("connected", world.sandbox.url)


@pytest.mark.parametrize(
    ("projects", "path"),
    [
        ([], "projects"),
        ([{"project": "Nowhere", "environment": "Production"}], "projects[0]"),
        ([{"project": "Default", "environment": "Nowhere"}], "projects[0]"),
        (
            [{"project": "Default", "environment": "Production"}, {"project": "Default", "environment": "Staging"}],
            "projects[1]",
        ),
        ([{"project": "Default"}], "projects[0].environment"),
    ],
)
def test_wrong_choices_are_named_and_change_nothing(world: World, projects: Any, path: str) -> None:
    answer = world.call("POST", "/api/v1/jira/integration", json={"projects": projects}, expect=400)
    assert path in [problem["path"] for problem in answer["error"]["problems"]]
    assert world.integration()["state"] == "not_set_up"


@pytest.mark.parametrize(
    "site", ["https://jira.example.com", "jira.internal:8443", "https://jira.example.com/secure/Dashboard.jspa"]
)
def test_jira_server_is_refused_with_the_reason(world: World, site: str) -> None:
    body = {"projects": [{"project": "Default", "environment": "Production"}], "site": site}
    answer = world.call("POST", "/api/v1/jira/integration", json=body, expect=400)
    assert "Jira Server and Data Center" in answer["error"]["message"]
    assert world.integration()["state"] == "not_set_up"


def test_the_integration_can_be_bound_to_a_site(world: World) -> None:
    body = {"projects": [{"project": "Default", "environment": "Production"}], "site": "https://other.atlassian.net"}
    token = world.call("POST", "/api/v1/jira/integration", json=body, expect=201)["token"]
    world.install()
    status, said = world.sandbox.configure(world.installation, token)
    assert status == 409
    assert "was set up for https://other.atlassian.net" in said["error"]["message"]


def test_a_wrong_token_is_answered_clearly(world: World) -> None:
    token = world.set_up()
    world.install()
    for wrong, said in (
        ("", "Paste the token"),
        ("fp_jira_nonsense", "does not know this token"),
        (token[:-1], "does not know this token"),
        ("bootstrap-key-for-tests-only-0001", "of another kind"),
        ("x" * 1999, "does not know this token"),
    ):
        status, answer = world.sandbox.configure(world.installation, wrong)
        assert status == 400
        assert said in answer["error"]["message"]
    assert world.integration()["state"] == "waiting_for_jira"
    assert world.sandbox.configure(world.installation, f"  {token}\n")[0] == 200


def test_a_revoked_token_is_refused_and_a_new_one_works(world: World) -> None:
    token = world.set_up()
    world.install()
    world.call("DELETE", "/api/v1/jira/integration/token", expect=204)
    status, said = world.sandbox.configure(world.installation, token)
    assert status == 400
    assert "revoked" in said["error"]["message"]
    new = world.call("POST", "/api/v1/jira/integration/token", expect=201)["token"]
    assert world.sandbox.configure(world.installation, new)[0] == 200
    assert world.sandbox.configure(world.installation, token)[0] == 400


def test_the_token_has_just_the_rights_the_integration_needs(world: World) -> None:
    token = world.set_up()
    headers = {"Authorization": f"Bearer {token}"}
    home = world.workspace()
    assert world.http.get(f"/internal/api/v2/splits/ws/{home}", headers=headers).status_code == 200
    refused = [
        world.http.post(f"/internal/api/v2/splits/ws/{home}/trafficTypes/user", headers=headers, json={"name": "x"}),
        world.http.post("/internal/api/v2/workspaces", headers=headers, json={"name": "x"}),
        world.http.post(
            "/internal/api/v2/apiKeys",
            headers=headers,
            json={"name": "x", "apiKeyType": "admin", "roles": ["API_ALL_GRANTED"]},
        ),
        world.http.delete("/api/v1/jira/integration", headers=headers),
        world.http.post("/api/v1/jira/integration/token", headers=headers),
    ]
    assert [answer.status_code for answer in refused] == [403] * len(refused)


def test_setting_up_twice_is_a_conflict(world: World) -> None:
    world.set_up()
    body = {"projects": [{"project": "Default", "environment": "Production"}]}
    world.call("POST", "/api/v1/jira/integration", json=body, expect=409)


def test_a_restricted_project_is_invisible_to_jira_until_it_is_granted(connected: World) -> None:
    connected.new_flag("secret", "PAY-1")
    connected.expect_equal()
    home = connected.workspace()
    body = {
        "resource": {"type": "workspace", "id": home},
        "operations": {"view": True},
        "resourcePermissions": {"view": []},
    }
    connected.call("PUT", "/internal/api/v2/restrictions", json=body)
    connected.settled()
    assert connected.sandbox.flags() == {}
    state = connected.integration()
    assert state["state"] == "needs_attention"
    assert "may not see Default" in state["reason"]
    assert state["projects"][0]["visible"] is False
    granted = connected.call("POST", "/api/v1/jira/integration/projects/Default/grant")
    assert granted["projects"][0]["visible"] is True
    connected.expect_equal()
    assert connected.in_jira("secret")


def test_two_live_installations_on_a_site_do_not_take_it_from_each_other(connected: World) -> None:
    """One from each of Forge's environments: each calls every hour, and the newer one keeps the site."""
    connected.new_flag("pay", "PAY-1")
    connected.settled()
    ours = connected.sandbox.call(connected.installation, endpoint="token", body={})
    payload = ours["token"].split(".")[1]
    app = json.loads(base64.urlsafe_b64decode(payload + "=="))["app"]
    other = {**app, "installationId": "another", "installation": {**app["installation"], "id": "another"}}
    before = len(connected.sandbox.requests("/bulk"))
    for claims in ({"app": other}, {}, {"app": other}, {}):
        assert connected.sandbox.call(connected.installation, endpoint="token", body={}, claims=claims)["status"] == 200
        connected.settled()
    assert len(connected.sandbox.requests("/bulk")) - before <= 1


def test_one_jira_site_an_account_and_one_account_a_site(connected: World) -> None:
    token = connected.call("POST", "/api/v1/jira/integration/token", expect=201)["token"]
    other = {"cloudId": "99999999-2222-4333-8444-555555555555"}
    said = connected.sandbox.call(
        connected.installation,
        endpoint="configure",
        body={"token": token},
        claims={"context": {**other, "moduleKey": "configure-integration", "siteUrl": "https://other.atlassian.net"}},
    )
    assert said["status"] == 409
    assert "one Jira site" in said["body"]["error"]["message"]
    assert connected.integration()["site"] == connected.sandbox.url


def test_removing_the_integration_has_jira_forget_every_flag(connected: World) -> None:
    connected.new_flag("pay", "PAY-1")
    connected.new_flag("more", "PAY-2")
    connected.settled()
    connected.call("DELETE", "/api/v1/jira/integration", expect=204)
    until(lambda: connected.integration()["state"] == "not_set_up", "Jira has forgotten everything")
    assert connected.sandbox.flags() == {}
    token = connected.set_up()
    assert connected.sandbox.configure(connected.installation, token)[0] == 200
    connected.expect_equal()
    assert connected.in_jira("pay")


def test_uninstalling_and_installing_again_sends_everything(connected: World) -> None:
    connected.new_flag("pay", "PAY-1")
    connected.settled()
    connected.sandbox.uninstall(connected.installation)
    assert connected.sandbox.flags() == {}
    assert connected.integration()["state"] == "waiting_for_jira"
    connected.act("kill", "pay")
    connected.installation = connected.sandbox.install(forge_manifest(connected.url, APP_ID))
    until(connected.sandbox.flags, "the flags are there again")
    connected.expect_equal()
    assert connected.integration()["state"] == "connected"


def test_the_configure_page_says_how_the_site_stands(world: World) -> None:
    world.install()
    asked = world.sandbox.call(world.installation, endpoint="configure", method="GET")
    addresses = {"flagpost": world.url, "site": world.sandbox.url}
    assert asked["body"] == {"status": "not_connected", "projects": [], **addresses}


def test_no_page_and_no_log_shows_the_token(connected: World, capfd: pytest.CaptureFixture[str]) -> None:
    token = connected.call("POST", "/api/v1/jira/integration/token", expect=201)["token"]
    assert connected.sandbox.configure(connected.installation, token)[0] == 200
    assert token not in str(connected.integration())
    said = capfd.readouterr()
    assert token not in said.out + said.err
