"""Webhooks: signed, repeated until they are taken, and what they say."""

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from jira_sandbox.embedded import Sandbox


class Listener:
    """What a webhook calls: keeps every call, and answers with the statuses it was given, then with 200."""

    def __init__(self) -> None:
        self.calls: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = []

    def has_calls(self, count: int) -> bool:
        return len(self.calls) == count

    def wait_for(self, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + 20
        while not holds():
            assert time.monotonic() < end, self.calls
            time.sleep(0.01)

    def said(self, number: int) -> Any:
        return json.loads(self.calls[number][1])


@pytest.fixture
def listener() -> Iterator[tuple[Listener, str]]:
    found = Listener()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.calls.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(found.statuses.pop(0) if found.statuses else 200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield found, f"http://127.0.0.1:{server.server_port}/hook"
        server.shutdown()


def test_a_change_is_told_and_signed(sandbox: Sandbox, listener: tuple[Listener, str]) -> None:
    heard, url = listener
    sandbox.add_webhook(url, "secret")
    sandbox.change_issue("PAY-1", summary="New")
    heard.wait_for(lambda: len(heard.calls) == 1)
    headers, body = heard.calls[0]
    assert headers["x-hub-signature"] == "sha256=" + hmac.new(b"secret", body, hashlib.sha256).hexdigest()
    said = heard.said(0)
    assert said["webhookEvent"] == "jira:issue_updated"
    assert (said["issue"]["key"], said["issue"]["fields"]["summary"]) == ("PAY-1", "New")


def test_a_call_that_is_not_taken_is_repeated_with_the_same_identifier(
    sandbox: Sandbox, listener: tuple[Listener, str]
) -> None:
    heard, url = listener
    sandbox.settings(event_retry_seconds=0.01)
    heard.statuses = [500, 302]
    sandbox.add_webhook(url)
    sandbox.delete_issue("PAY-1")
    heard.wait_for(lambda: len(heard.calls) == 3)
    assert len({headers["x-atlassian-webhook-identifier"] for headers, _ in heard.calls}) == 1
    assert [headers.get("x-atlassian-webhook-retry") for headers, _ in heard.calls] == [None, "1", "2"]
    heard.wait_for(lambda: sandbox.webhook_deliveries()[0]["status"] == 200)
    assert sandbox.repeat_delivery(sandbox.webhook_deliveries()[0]["id"]) == 200


def test_projects_are_told_of_too_and_their_issues_are_not(sandbox: Sandbox, listener: tuple[Listener, str]) -> None:
    heard, url = listener
    sandbox.add_webhook(url)
    sandbox.rename_project("PAY", "CASH")
    heard.wait_for(lambda: len(heard.calls) == 1)
    assert (heard.said(0)["webhookEvent"], heard.said(0)["project"]["key"]) == ("project_updated", "CASH")
    sandbox.delete_project("CASH")
    heard.wait_for(lambda: len(heard.calls) == 2)
    assert (heard.said(1)["webhookEvent"], heard.said(1)["project"]["name"]) == ("project_deleted", "Payments")


def test_a_move_says_from_where_to_where(sandbox: Sandbox, listener: tuple[Listener, str]) -> None:
    heard, url = listener
    sandbox.add_webhook(url)
    new = sandbox.move_issue("PAY-1", "WEB")
    heard.wait_for(lambda: len(heard.calls) == 1)
    said = heard.said(0)
    assert (said["webhookEvent"], said["issue"]["key"]) == ("jira:issue_updated", new)
    changes = {item["field"]: (item["fromString"], item["toString"]) for item in said["changelog"]["items"]}
    assert changes == {"project": ("Payments", "Web shop"), "Key": ("PAY-1", new)}


def test_only_what_was_asked_for_is_told_and_nothing_once_removed(
    sandbox: Sandbox, listener: tuple[Listener, str]
) -> None:
    heard, url = listener
    webhook = sandbox.add_webhook(url, events=["jira:issue_created"])
    sandbox.delete_issue("PAY-1")
    sandbox.restore_issue("PAY-1")
    heard.wait_for(lambda: len(heard.calls) == 1)
    assert [one["event"] for one in sandbox.webhook_deliveries()] == ["jira:issue_created"]
    assert sandbox.get("/webhooks") == [{"id": webhook, "url": url, "events": ["jira:issue_created"]}]
    sandbox.remove_webhook(webhook)
    sandbox.add_issue("PAY-77")
    assert len(sandbox.webhook_deliveries()) == 1


def app_that_hears(url: str, *events: str) -> dict[str, Any]:
    return {
        "app": {"id": "ari:cloud:ecosystem::app/8db33309-2a52-4d0e-9c0f-5a4e1a1d2f5a"},
        "remotes": [{"key": "own", "baseUrl": url}],
        "modules": {
            "endpoint": [{"key": "hear", "remote": "own", "route": {"path": "/events"}}],
            "trigger": [{"key": "all", "endpoint": "hear", "events": list(events)}],
        },
    }


def test_apps_hear_of_projects_and_of_issues_that_come_back(sandbox: Sandbox, listener: tuple[Listener, str]) -> None:
    heard, url = listener
    known = ("created:issue", "deleted:issue", "updated:project", "deleted:project")
    sandbox.install(app_that_hears(url, *(f"avi:jira:{one}" for one in known)))
    changes: tuple[Callable[[], object], ...] = (
        partial(sandbox.delete_issue, "PAY-1"),
        partial(sandbox.restore_issue, "PAY-1"),
        partial(sandbox.rename_project, "PAY", "CASH"),
        partial(sandbox.delete_project, "CASH"),
    )
    for number, change in enumerate(changes, start=1):
        change()
        heard.wait_for(partial(heard.has_calls, number))
    told = [heard.said(number)["eventType"].removeprefix("avi:jira:") for number in range(4)]
    assert told == ["deleted:issue", "created:issue", "updated:project", "deleted:project"]
    assert heard.said(2)["project"]["key"] == "CASH"
    assert heard.said(2)["project"]["id"] == heard.said(3)["project"]["id"]


def test_events_can_get_lost(sandbox: Sandbox, listener: tuple[Listener, str]) -> None:
    heard, url = listener
    sandbox.add_webhook(url)
    sandbox.settings(events_off=True)
    sandbox.install(app_that_hears(url, "avi:forge:installed:app", "avi:jira:updated:issue"))
    sandbox.change_issue("PAY-1", summary="New")
    sandbox.settings(events_off=False)
    sandbox.change_issue("PAY-1", summary="Newer")
    heard.wait_for(lambda: len(heard.calls) == 2)  # the webhook and the app, once each
    assert len(sandbox.webhook_deliveries()) == 1
