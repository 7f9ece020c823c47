"""Issues move, are renamed, deleted, come back: connections follow, by events, by a webhook, or by looking again."""

import hashlib
import hmac
import json
import time
from typing import Any

import httpx2
import pytest

from tests.end_to_end.world import World, until

pytestmark = pytest.mark.slow

CREDENTIALS = "/api/v1/jira/integration/credentials"


def issue_of(world: World, name: str = "pay") -> dict[str, Any]:
    found: dict[str, Any] = world.call("GET", f"/api/v1/projects/Default/flags/{name}/issues")["issues"][0]
    return found


def on_its_own(world: World, key: str) -> None:
    until(lambda: issue_of(world)["key"] == key, f"the connection follows to {key}")


@pytest.fixture
def watched(connected: World) -> World:
    """A flag on PAY-1, and no look-up by the page itself: only events and the refresher may tell."""
    connected.new_flag("pay", "PAY-1")
    connected.settled()
    return connected


def test_a_moved_issue_is_followed_by_its_event(watched: World) -> None:
    new = watched.sandbox.move_issue("PAY-1", "WEB")
    on_its_own(watched, new)
    watched.expect_equal()


def test_a_renamed_project_takes_its_issues_along(watched: World) -> None:
    watched.sandbox.rename_project("PAY", "CASH")
    on_its_own(watched, "CASH-1")
    watched.expect_equal()


def test_a_deleted_issue_shows_as_deleted_and_nothing_is_sent_for_it(watched: World) -> None:
    watched.sandbox.delete_issue("PAY-1")
    until(lambda: issue_of(watched)["state"] == "deleted", "the issue shows as deleted")
    until(lambda: watched.in_jira("pay") is None, "Jira holds nothing for it")
    watched.sandbox._checked("DELETE", "/requests")
    watched.act("kill", "pay")
    watched.settled()
    assert [one for one in watched.sandbox.requests("featureflags") if one["method"] == "POST"] == []
    watched.disconnect("pay", "PAY-1")
    watched.expect_equal()


def test_an_issue_that_comes_back_is_shown_again(watched: World) -> None:
    watched.sandbox.delete_issue("PAY-1")
    until(lambda: issue_of(watched)["state"] == "deleted", "the issue shows as deleted")
    watched.sandbox.restore_issue("PAY-1")
    until(lambda: issue_of(watched)["state"] == "known", "the issue is back")
    assert watched.on_issue("pay")["issues"] == ["PAY-1"]


def test_a_deletion_that_is_told_late_and_again_changes_nothing_for_an_issue_that_is_back(watched: World) -> None:
    event = {"eventType": "avi:jira:deleted:issue", "issue": {"id": issue_of(watched)["id"], "key": "PAY-1"}}
    for _ in range(2):
        answer = watched.sandbox.call(watched.installation, endpoint="events", body=event)
        assert answer["status"] == 200
    until(lambda: issue_of(watched)["state"] == "known", "the issue is known")
    watched.expect_equal()
    assert watched.on_issue("pay")["issues"] == ["PAY-1"]


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"eventType": "avi:jira:updated:issue"},
        {"eventType": "avi:jira:updated:issue", "issue": "PAY-1"},
        {"eventType": "avi:jira:updated:issue", "issue": {"id": ["1"], "key": 7}},
        {"eventType": "avi:jira:deleted:issue", "issue": {"id": "x" * 5000}},
        {"eventType": "avi:jira:deleted:issue", "issue": {"id": "99999"}},
        {"payload": {"issue": None}},
        {"eventType": 5, "project": {"id": "7; drop table issues"}},
    ],
)
def test_events_of_strange_shapes_are_taken_and_change_nothing(watched: World, event: dict[str, Any]) -> None:
    assert watched.sandbox.call(watched.installation, endpoint="events", body=event)["status"] == 200
    assert issue_of(watched)["state"] == "known"


def test_events_are_acknowledged_while_jira_is_slow(watched: World) -> None:
    watched.sandbox.faults(latency_ms=3000)
    event = {"eventType": "avi:jira:updated:issue", "issue": {"id": issue_of(watched)["id"]}}
    started = time.monotonic()
    assert watched.sandbox.call(watched.installation, endpoint="events", body=event)["status"] == 200
    assert time.monotonic() - started < 3  # what it answers did not wait for Jira


# Without an app ---------------------------------------------------------------------------------------------------


@pytest.fixture
def hooked(world: World) -> World:
    """Connected with credentials, and with a webhook in Jira."""
    world.connect_with_credentials()
    world.new_flag("pay", "PAY-1")
    world.settled()
    made = world.call("POST", f"{CREDENTIALS}/webhook", expect=201)
    world.sandbox.add_webhook(made["url"], made["secret"])
    return world


def test_a_webhook_tells_what_an_issue_is_where_nobody_may_look(hooked: World) -> None:
    hooked.sandbox.change_issue("PAY-1", summary="Told by the webhook", status="Done")
    until(lambda: issue_of(hooked)["summary"] == "Told by the webhook", "the summary arrived")
    assert (issue_of(hooked)["status"], issue_of(hooked)["state"]) == ("Done", "known")
    assert hooked.integration()["credentials"]["webhook_seen_at"]
    new = hooked.sandbox.move_issue("PAY-1", "WEB")
    on_its_own(hooked, new)
    hooked.sandbox.rename_project("WEB", "SITE")
    on_its_own(hooked, new.replace("WEB", "SITE"))
    hooked.sandbox.delete_issue(new.replace("WEB", "SITE"))
    until(lambda: hooked.in_jira("pay") is None, "the flag left Jira with its issue")
    assert issue_of(hooked)["state"] == "deleted"


def test_a_webhook_makes_flagpost_look_where_it_may(hooked: World) -> None:
    hooked.sandbox.settings(api_tokens={"ada@example.com": "api-token"})
    hooked.call("PUT", f"{CREDENTIALS}/api-token", json={"email": "ada@example.com", "token": "api-token"})
    hooked.sandbox.change_issue("PAY-1", summary="Looked up")
    until(lambda: issue_of(hooked)["summary"] == "Looked up", "the summary was looked up")
    hooked.sandbox.delete_issue("PAY-1")
    until(lambda: hooked.in_jira("pay") is None, "the flag left Jira with its issue")


def test_a_delivery_that_is_repeated_changes_nothing_twice(hooked: World) -> None:
    hooked.sandbox.change_issue("PAY-1", summary="First")
    until(lambda: issue_of(hooked)["summary"] == "First", "the first arrived")
    first = hooked.sandbox.webhook_deliveries()[0]["id"]
    hooked.sandbox.change_issue("PAY-1", summary="Second")
    until(lambda: issue_of(hooked)["summary"] == "Second", "the second arrived")
    hooked.sandbox.repeat_delivery(first)
    time.sleep(0.5)
    assert issue_of(hooked)["summary"] == "Second"


def post_hook(world: World, body: bytes, signature: str | None, where: str = "") -> int:
    address = where or world.call("GET", "/api/v1/jira/integration")["credentials"]["webhook"]
    headers: Any = {"X-Hub-Signature": signature.encode("latin-1")} if signature is not None else {}
    return httpx2.post(address, content=body, headers=headers, trust_env=False).status_code


def test_calls_that_the_secret_did_not_sign_are_refused_and_shown(world: World) -> None:
    world.connect_with_credentials()
    made = world.call("POST", f"{CREDENTIALS}/webhook", expect=201)
    body = json.dumps({"webhookEvent": "jira:issue_deleted", "issue": {"id": "10001", "key": "PAY-1"}}).encode()

    def signed(text: bytes, secret: str = made["secret"], how: str = "sha256") -> str:
        return f"{how}=" + hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()

    world.new_flag("pay", "PAY-1")
    for wrong in (None, "", "sha256=", signed(body, "other"), signed(body + b" "), signed(body, how="sha1"), "é" * 70):
        assert post_hook(world, body, wrong) == 401
    assert world.integration()["credentials"]["webhook_refused_at"]
    assert post_hook(world, body, signed(body), f"{world.url}/webhooks/jira/unknown") == 401
    assert issue_of(world)["state"] != "deleted"
    assert post_hook(world, b"[1]", signed(b"[1]")) == 400
    assert post_hook(world, b"{", signed(b"{")) == 400
    assert post_hook(world, body, signed(body)) == 200
    assert issue_of(world)["state"] == "deleted"
    world.call("DELETE", f"{CREDENTIALS}/webhook")
    assert post_hook(world, body, signed(body), made["url"]) == 401
