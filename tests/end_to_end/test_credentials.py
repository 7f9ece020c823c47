"""Jira without an app: OAuth credentials let flags in, an API token looks issues up, and refusals are survived."""

from typing import Any

import pytest

from tests.end_to_end.world import World, free_port, until

pytestmark = pytest.mark.slow

CREDENTIALS = "/api/v1/jira/integration/credentials"
OAUTH_PATH = "/jira/featureflags/"


def refused(world: World, status: int = 400, **changed: str) -> Any:
    """What comes of entering credentials that cannot work."""
    return world.call("PUT", CREDENTIALS, json=world.credentials(**changed), expect=status)["error"]


def issues_of(world: World, name: str) -> dict[str, dict[str, Any]]:
    found = world.call("GET", f"/api/v1/projects/Default/flags/{name}/issues")["issues"]
    return {issue["key"]: issue for issue in found}


def test_flags_show_on_their_issues_without_an_app(world_on_both: World) -> None:
    world = world_on_both
    world.new_flag("early", "PAY-2")
    world.connect_with_credentials()
    world.new_flag("pay", "PAY-1", share=30)
    shown = world.on_issue("pay")
    assert (shown["provider"], shown["issues"]) == ("oauth:sandbox-client", ["PAY-1"])
    assert world.in_jira("early")
    world.act("kill", "pay")
    world.expect_equal()
    world.disconnect("pay", "PAY-1")
    world.expect_equal()
    assert world.in_jira("pay") is None
    assert (world.integration()["state"], world.integration()["way"]) == ("connected", "oauth")


def test_the_site_is_asked_who_it_is_before_anything_is_stored(world: World) -> None:
    world.set_up()
    assert "is not a Jira Cloud site" in refused(world, site="https://jira.example.com")["message"]
    for strange in (
        "https://[x",
        "https://.atlassian.net",
        "a..atlassian.net",
        f"{'a' * 64}.atlassian.net",
        "a%2f.atlassian.net",
    ):
        assert "is not an address" in refused(world, site=strange)["message"], strange
    nobody = f"http://127.0.0.1:{free_port()}"
    assert "Is it spelt right?" in refused(world, site=nobody)["message"]
    not_jira = refused(world, site=world.url)
    assert (not_jira["problems"][0]["path"], "not a Jira Cloud site" in not_jira["message"]) == ("site", True)
    assert world.integration()["credentials"] is None


def test_a_wrong_secret_a_missing_permission_and_empty_fields_are_told_apart(world: World) -> None:
    world.set_up()
    wrong = refused(world, client_secret="wrong")
    assert (wrong["problems"][0]["path"], "does not accept" in wrong["message"]) == ("client_secret", True)
    empty = refused(world, client_secret=" ", client_id="")
    assert [one["path"] for one in empty["problems"]] == ["client_id", "client_secret"]
    world.sandbox.settings(oauth_flags_permitted=False)
    unticked = refused(world)
    assert (unticked["problems"][0]["path"], "Feature flags" in unticked["message"]) == ("client_id", True)
    world.sandbox.settings(oauth_flags_permitted=True)
    world.sandbox.settings(moved_to="https://renamed.atlassian.net")
    assert "has moved to https://renamed.atlassian.net" in refused(world)["message"]
    assert world.integration()["credentials"] is None
    assert world.sandbox.flags() == {}


def test_the_site_can_be_connected_one_way_at_a_time(connected: World) -> None:
    assert "through the app" in refused(connected, 409)["message"]
    connected.sandbox.uninstall(connected.installation)
    connected.call("PUT", CREDENTIALS, json=connected.credentials())
    token = connected.call("POST", "/api/v1/jira/integration/token", expect=201)["token"]
    connected.install()
    status, said = connected.sandbox.configure(connected.installation, token)
    assert (status, "OAuth credentials" in said["error"]["message"]) == (409, True)


def test_a_new_client_id_takes_back_what_was_sent_with_the_old_one(world: World) -> None:
    """Jira keeps flags apart by the credentials they came with: else each would be on its issues twice."""
    world.connect_with_credentials()
    world.new_flag("pay", "PAY-1")
    world.settled()
    new = {"client_id": "client-2", "client_secret": "secret-2"}
    world.sandbox.settings(oauth_client_id=new["client_id"], oauth_client_secret=new["client_secret"])
    world.call("PUT", CREDENTIALS, json=world.credentials(**new))
    until(lambda: [one["provider"] for one in world.sandbox.flags().values()] == ["oauth:client-2"], "one flag is left")
    taken_back = world.integration()["removals"][0]
    assert (taken_back["name"], taken_back["outcome"]) == ("Sent with the client ID sandbox-client", "unproven")
    world.expect_equal()


def test_flags_of_a_client_id_that_may_not_delete_are_said_to_be_left(world: World) -> None:
    world.connect_with_credentials()
    world.new_flag("pay", "PAY-1")
    world.settled()
    new = {"client_id": "client-2", "client_secret": "secret-2"}
    settings = {"oauth_client_id": new["client_id"], "oauth_client_secret": new["client_secret"]}
    world.sandbox.settings(**settings, oauth_refuses=["delete_by_properties"])
    world.call("PUT", CREDENTIALS, json=world.credentials(**new))
    left = world.integration()["removals"][0]
    assert (left["outcome"], "until the client ID is deleted in Jira" in left["words"]) == ("left", True)


def test_without_an_integration_there_is_nothing_to_connect(world: World) -> None:
    refused(world, 404)


def test_keys_are_taken_as_typed_and_what_jira_does_not_know_shows(world: World) -> None:
    world.connect_with_credentials()
    world.new_flag("pay", "PAY-1", "NOPE-7")
    world.settled()
    until(lambda: issues_of(world, "pay")["NOPE-7"]["state"] == "missing", "Jira's word on NOPE-7 shows")
    assert issues_of(world, "pay")["PAY-1"]["state"] == "unchecked"
    world.new_flag("lost", "NOPE-8")
    until(lambda: world.integration()["refused"] == 1, "the refusal shows")
    assert "NOPE-8" in world.integration()["refused_flags"][0]["words"]
    world.sandbox.add_issue("NOPE-7")
    world.call("POST", "/api/v1/jira/integration/resend", expect=202)
    world.settled()
    assert world.on_issue("pay")["issues"] == ["NOPE-7", "PAY-1"]


def test_a_flag_whose_new_issues_are_unknown_leaves_the_old_one(world: World) -> None:
    world.connect_with_credentials()
    world.new_flag("pay", "PAY-1")
    assert world.on_issue("pay")["issues"] == ["PAY-1"]
    world.connect("pay", "NOPE-9")
    world.disconnect("pay", "PAY-1")
    until(lambda: world.in_jira("pay") is None, "Jira shows it on PAY-1 no more")


@pytest.mark.parametrize("scoped", [False, True])
def test_an_api_token_looks_issues_up_on_the_site_or_at_the_gateway(world: World, scoped: bool) -> None:
    world.connect_with_credentials()
    world.new_flag("pay", "PAY-1")
    world.sandbox.settings(api_tokens={"ada@example.com": "api-token"}, api_tokens_scoped=scoped)
    wrong = {"email": "ada@example.com", "token": "wrong"}
    problem = world.call("PUT", f"{CREDENTIALS}/api-token", json=wrong, expect=400)["error"]["problems"][0]
    assert problem["path"] == "token"
    given = world.call("PUT", f"{CREDENTIALS}/api-token", json={**wrong, "token": "api-token"})
    assert given["api_email"] == "ada@example.com"
    until(lambda: issues_of(world, "pay")["PAY-1"]["state"] == "known", "PAY-1 was looked up")
    assert issues_of(world, "pay")["PAY-1"]["summary"]
    world.call("POST", "/api/v1/projects/Default/flags/pay/issues", json={"issues": ["NOPE-1"]}, expect=400)
    assert world.call("DELETE", f"{CREDENTIALS}/api-token")["api_email"] is None


def test_an_api_token_that_is_refused_later_is_used_no_further_and_says_so(world: World) -> None:
    world.connect_with_credentials()
    world.sandbox.settings(api_tokens={"ada@example.com": "api-token"})
    world.call("PUT", f"{CREDENTIALS}/api-token", json={"email": "ada@example.com", "token": "api-token"})
    world.sandbox.settings(api_tokens={})
    world.new_flag("pay", "PAY-1")
    assert "401" in world.integration()["credentials"]["api_refused"]
    asked = len(world.sandbox.requests("/rest/api/3/"))
    world.connect("pay", "PAY-2")
    world.settled()
    assert len(world.sandbox.requests("/rest/api/3/")) == asked


def test_a_refused_delete_is_tried_once_and_says_so_on_the_issue(world: World) -> None:
    world.connect_with_credentials()
    world.sandbox.settings(oauth_refuses=["get", "delete", "delete_by_properties"])
    world.new_flag("pay", "PAY-1")
    world.new_flag("ship", "PAY-2")
    world.settled()
    world.disconnect("pay", "PAY-1")
    world.disconnect("ship", "PAY-2")
    world.settled()
    for name in ("pay", "ship"):
        status = world.on_issue(name)["summary"]["status"]
        assert status == {"enabled": False, "rollout": {"text": "Disconnected in Flagpost"}}
    deletes = [one for one in world.sandbox.requests(OAUTH_PATH) if one["method"] == "DELETE"]
    assert len(deletes) == 1
    state = world.integration()
    assert "does not let OAuth credentials delete" in state["credentials"]["delete_refused"]
    assert (state["behind"], state["refused"], state["state"]) == (0, 2, "connected")
    world.connect("pay", "PAY-1")
    assert world.on_issue("pay")["summary"]["status"]["enabled"] is True
    assert world.integration()["refused"] == 1
    world.sandbox.settings(oauth_refuses=[])
    world.call("POST", "/api/v1/jira/integration/resend", expect=202)
    world.expect_equal()
    assert world.integration()["credentials"]["delete_refused"] is None


@pytest.mark.parametrize("status", [401, 403, 405])
def test_a_refused_delete_holds_up_nothing_else(world: World, status: int) -> None:
    """Atlassian does not say with what an operation that credentials do not cover is answered."""
    world.connect_with_credentials()
    world.sandbox.settings(oauth_refuses=["get", "delete", "delete_by_properties"], oauth_refusal_status=status)
    world.new_flag("pay", "PAY-1")
    world.new_flag("ship", "PAY-2")
    world.settled()
    world.disconnect("pay", "PAY-1")
    world.settled()
    world.act("kill", "ship")
    assert world.on_issue("ship")["summary"]["status"]["enabled"] is False
    assert world.integration()["state"] == "connected"
    preview = world.call("GET", "/api/v1/projects/Default/flags/pay/jira-preview")
    assert (preview["method"], preview["body"]["flags"][0]["id"]) == ("POST", world.known_in_jira("pay")["id"])


def test_removing_the_integration_where_nothing_may_be_deleted_ends_and_says_what_is_left(world: World) -> None:
    world.connect_with_credentials()
    world.sandbox.settings(oauth_refuses=["get", "delete", "delete_by_properties"])
    world.new_flag("pay", "PAY-1")
    world.settled()
    world.call("DELETE", "/api/v1/jira/integration", expect=204)
    until(lambda: world.integration()["state"] == "not_set_up", "the site was left")
    removal = world.integration()["removals"][0]
    assert (removal["outcome"], removal["flags"]) == ("left", 1)
    assert "1 flag stays on its issues" in removal["words"]
    assert world.known_in_jira("pay")["summary"]["status"]["enabled"] is False
    assert world.integration()["credentials"] is None


def test_tokens_are_fetched_once_and_again_before_they_end(world: World) -> None:
    world.connect_with_credentials()
    for number in range(6):
        world.new_flag(f"flag{number}", "PAY-1")
    world.settled()
    assert len(world.sandbox.requests("/oauth/token")) == 1
    world.sandbox.settings(oauth_token_seconds=1)
    world.call("PUT", CREDENTIALS, json=world.credentials())  # the token in hand goes on
    assert len(world.sandbox.requests("/oauth/token")) == 1


def test_credentials_that_were_deleted_in_jira_stop_delivery_until_newer_ones_are_entered(world: World) -> None:
    world.connect_with_credentials()
    world.new_flag("pay", "PAY-1")
    world.settled()
    world.sandbox.settings(oauth_client_secret="another")
    world.sandbox.faults(unauthorized=True)
    world.act("kill", "pay")
    until(lambda: world.integration()["state"] == "needs_attention", "the refusal shows")
    assert "OAuth" in world.integration()["reason"]
    world.sandbox.no_faults()
    world.call("PUT", CREDENTIALS, json=world.credentials(client_secret="another"))
    world.expect_equal()


def test_who_only_sees_flags_sees_no_credentials(world: World) -> None:
    world.connect_with_credentials()
    key = {"name": "viewer", "apiKeyType": "admin", "roles": ["API_FEATURE_FLAG_VIEWER"]}
    secret = world.call("POST", "/internal/api/v2/apiKeys", json=key)["key"]
    seen = world.call("GET", "/api/v1/jira/integration", headers={"Authorization": f"Bearer {secret}"})
    assert (seen["credentials"], seen["way"]) == (None, "oauth")
    assert "sandbox-secret" not in str(world.integration())
