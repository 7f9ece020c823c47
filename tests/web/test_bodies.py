"""What Jira sends is read whole before it is believed, and not at all where the caller left in the middle of it."""

import asyncio
from threading import Thread
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from flagpost.web.body_limits import MAX_BYTES, BoundedBodies


class Behind:
    """The application behind: what it was given."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.bodies.append((await receive())["body"])


def call(behind: Behind, path: str, *messages: Message) -> list[Message]:
    """What was answered to a request that comes in these pieces."""
    waiting, sent = list(messages), []

    async def receive() -> Message:
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "path": path, "method": "POST", "headers": [(b"accept", b"application/json")]}
    in_a_thread = Thread(target=lambda: asyncio.run(BoundedBodies(behind)(scope, receive, send)))
    in_a_thread.start()  # where a browser was driven before, this one has a loop that still runs
    in_a_thread.join()
    return sent


def piece(body: bytes, more: bool) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


@pytest.mark.parametrize("path", ["/forge/events", "/webhooks/jira/1"])
def test_a_call_that_is_cut_off_is_not_taken_for_a_whole_one(path: str) -> None:
    behind = Behind()
    assert call(behind, path, piece(b'{"webhook', True), {"type": "http.disconnect"}) == []
    assert behind.bodies == []


def test_a_call_in_pieces_is_put_together() -> None:
    behind = Behind()
    call(behind, "/forge/events", piece(b"one", True), piece(b" two", False), {"type": "http.disconnect"})
    assert behind.bodies == [b"one two"]


def test_a_call_that_is_too_long_is_refused_before_it_is_read_whole() -> None:
    behind = Behind()
    sent = call(behind, "/forge/events", piece(b"x" * 100_000, True))
    assert (sent[0]["status"], behind.bodies) == (413, [])
    assert MAX_BYTES["/forge/"] < 600_000
