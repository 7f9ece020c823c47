"""Webhooks: signed, repeated until they are taken, and what they say."""

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from jira_sandbox.embedded import Sandbox


class Listener:
    """What a webhook calls: keeps every call, and answers with the statuses it was given, then with 200."""

    def __init__(self) -> None:
        self.calls: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = []

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
        threading.Thread(target=server.serve_forever, daemon=True).start()
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


def test_events_can_get_lost(sandbox: Sandbox, listener: tuple[Listener, str]) -> None:
    _, url = listener
    sandbox.add_webhook(url)
    sandbox.settings(events_off=True)
    sandbox.change_issue("PAY-1", summary="New")
    assert sandbox.webhook_deliveries() == []
