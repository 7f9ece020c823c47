"""*Check this integration*, `flagpost doctor` and the dry run: they say in plain words what is wrong and what to do."""

import json
import os
import re
import subprocess
import sys
from typing import Any

import pytest

from tests.end_to_end.test_connections import RULE
from tests.end_to_end.world import World, environment, until

pytestmark = pytest.mark.slow

INTEGRATION = "/api/v1/jira/integration"


def check(world: World) -> dict[str, str]:
    """What the check says, each with its verdict."""
    found = world.call("POST", f"{INTEGRATION}/check")
    assert found["ok"] == all(one["verdict"] != "bad" for one in found["findings"])
    assert all(one["to_do"] for one in found["findings"] if one["verdict"] != "good")
    return {one["text"]: one["verdict"] for one in found["findings"]}


def verdict(world: World, words: str) -> str:
    found = [verdict for text, verdict in check(world).items() if words in text]
    assert len(found) == 1, (words, check(world))
    return found[0]


def command(world: World, database_url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    values = {
        **os.environ,
        **environment(world.sandbox, database_url),
        "FLAGPOST_BASE_URL": world.url,
        "COLUMNS": "200",
    }
    return subprocess.run(
        [sys.executable, "-m", "flagpost", *arguments], env=values, capture_output=True, text=True, check=False
    )


def test_all_is_well_right_after_connecting(connected: World) -> None:
    connected.new_flag("pay", "PAY-1")
    connected.settled()
    assert "bad" not in check(connected).values()
    assert verdict(connected, "Releases is not shown") == "advice"
    assert connected.sandbox.breaches() == []
    assert [flag["key"] for flag in connected.sandbox.flags().values()] == ["pay"]  # trying left nothing behind


def test_without_a_site_it_says_what_to_do(world: World) -> None:
    assert check(world) == {"The Jira integration is not set up.": "good"}
    world.set_up()
    assert verdict(world, "No Jira site is connected") == "bad"


def test_a_revoked_token_and_a_project_it_may_not_see(connected: World) -> None:
    connected.call("DELETE", f"{INTEGRATION}/token", expect=204)
    assert verdict(connected, "token was revoked") == "bad"


def test_a_clock_that_differs(connected: World) -> None:
    connected.sandbox.settings(clock_skew_seconds=-90)
    said = next(text for text in check(connected) if "clock" in text)
    assert re.search(r"(89|90|91) seconds ahead of", said)
    connected.sandbox.settings(clock_skew_seconds=3600)
    assert verdict(connected, "behind Jira's") == "bad"


def test_a_site_that_has_moved_is_reported_and_followed_once_confirmed(connected: World) -> None:
    connected.call("POST", f"{INTEGRATION}/address", expect=409)
    connected.sandbox.settings(moved_to="https://elsewhere.example.com")
    assert verdict(connected, "leads to https://elsewhere.example.com") == "bad"
    state = connected.integration()
    assert (state["state"], state["moved_to"].startswith("https://elsewhere")) == ("needs_attention", True)
    refused = connected.call("POST", f"{INTEGRATION}/address", expect=400)
    assert "not a Jira Cloud site" in refused["error"]["message"]
    connected.new_flag("pay", "PAY-1")
    connected.settled()  # the gateway knows the site by its id: flags still arrive
    connected.sandbox.settings(moved_to=connected.sandbox.url.replace("127.0.0.1", "localhost"))
    check(connected)
    connected.sandbox.settings(moved_to="")
    state = connected.call("POST", f"{INTEGRATION}/address")
    assert (state["site"], state["moved_to"], state["state"]) == (
        connected.sandbox.url.replace("127.0.0.1", "localhost"),
        None,
        "connected",
    )


def test_a_missing_permission_in_jira(connected: World) -> None:
    connected.sandbox.settings(browse_permitted=False)
    assert verdict(connected, "browse no project") == "bad"
    connected.sandbox.faults(forbidden=True)
    assert verdict(connected, "takes no flags (403)") == "bad"


def test_a_token_that_ran_out(world: World) -> None:
    world.sandbox.settings(system_token_seconds=2)
    world.connect_jira()
    until(lambda: any("no token that works" in text for text in check(world)), "the token has run out")
    assert "The app in Jira sends a new one every hour" in world.integration()["reason"]


def test_a_site_that_cannot_be_reached(connected: World) -> None:
    connected.sandbox.faults(drop_connections=50)
    assert "bad" in check(connected).values()


def test_doctor_says_the_same_at_the_command_line(connected: World, sqlite_url: str) -> None:
    connected.new_flag("pay", "PAY-1")
    connected.settled()
    first = command(connected, sqlite_url, "doctor")
    assert "ok   Jira takes flags from Flagpost." in first.stdout
    assert "BAD  No user can sign in yet." in first.stdout
    connected.sandbox.faults(forbidden=True)
    assert "BAD  Jira takes no flags (403)." in command(connected, sqlite_url, "doctor").stdout


def preview(world: World, name: str) -> Any:
    return world.call("GET", f"/api/v1/projects/Default/flags/{name}/jira-preview")


def test_the_dry_run_shows_exactly_what_is_sent(connected: World, sqlite_url: str) -> None:
    world = connected
    world.new_flag("pay", "PAY-1", share=30)
    world.define("pay", rules=[RULE])
    world.settled()
    found = preview(world, "pay")
    sent = [one for one in world.sandbox.requests("featureflags/0.1/bulk") if one["method"] == "POST"][-1]
    assert (found["method"], found["url"]) == ("POST", world.sandbox.url + sent["path"])
    assert found["body"] == sent["body"]
    asked = len(world.sandbox.requests("featureflags"))
    shown = command(world, sqlite_url, "jira-preview", "pay").stdout
    assert json.loads(shown[shown.index("{") :]) == found["body"]
    assert len(world.sandbox.requests("featureflags")) == asked


def test_the_dry_run_says_why_nothing_or_a_delete_would_be_sent(connected: World) -> None:
    connected.new_flag("apart")
    assert preview(connected, "apart")["method"] is None
    assert "connected with no issue" in preview(connected, "apart")["why"]
    connected.new_flag("pay", "PAY-1")
    connected.settled()
    connected.sandbox.faults(unavailable={"count": 20, "retry_after": 20}, prefix="/ex/")
    connected.disconnect("pay", "PAY-1")
    assert preview(connected, "pay")["method"] == "DELETE"
    connected.call("GET", "/api/v1/projects/Default/flags/nothing/jira-preview", expect=404)


@pytest.mark.parametrize("path", ["check", "address", "forget"])
def test_only_those_who_manage_integrations_may(connected: World, path: str) -> None:
    key = {"name": "viewer", "apiKeyType": "admin", "roles": ["API_FEATURE_FLAG_VIEWER"]}
    secret = connected.call("POST", "/internal/api/v2/apiKeys", json=key)["key"]
    answer = connected.http.post(f"{INTEGRATION}/{path}", headers={"Authorization": f"Bearer {secret}"})
    assert answer.status_code == 403
