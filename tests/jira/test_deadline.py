"""A call ends when it has to, whatever the server does, and reads no more than an answer can be."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from flagpost.errors import JiraError
from flagpost.jira.client import Answer, JiraAddressRefused, JiraClient, JiraUnreachable
from flagpost.settings import Settings

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@contextmanager
def server(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that reads a request and then does as it is told."""

    def serve() -> None:
        while True:
            try:
                one, _ = listening.accept()
            except OSError:
                return
            with one, suppress(OSError):
                one.recv(65_536)
                answer(one)

    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join(10)


def trickle(one: socket.socket, text: bytes) -> None:
    for byte in text:
        one.sendall(bytes([byte]))
        time.sleep(0.05)


def ask(url: str, seconds: float = 0.5) -> Answer:
    client = JiraClient(
        Settings(allow_insecure_jira=True, jira_timeout=seconds, atlassian_api_url="http://127.0.0.1:9")
    )
    try:
        return client.get_public(url)
    finally:
        client.close()


def test_an_answer_is_read_whole() -> None:
    body = b'{"a": "' + b"x" * 100_000 + b'"}'
    with server(lambda one: one.sendall(HEAD + b"Connection: close\r\n\r\n" + body)) as url:
        assert ask(url).body == {"a": "x" * 100_000}


@pytest.mark.parametrize("head", [HEAD, HEAD + b"Content-Length: 1000\r\n\r\n"], ids=["headers", "body"])
def test_a_server_that_sends_a_byte_now_and_then_does_not_hold_a_call(head: bytes) -> None:
    def answer(one: socket.socket) -> None:
        one.sendall(head)
        trickle(one, b"x" * 400)  # for twenty seconds, were it let

    with server(answer) as url:
        began = time.monotonic()
        with pytest.raises(JiraUnreachable, match="in time"):
            ask(url)
        assert time.monotonic() - began < 10


def test_an_answer_without_an_end_is_not_read_into_memory() -> None:
    sent = 0

    def answer(one: socket.socket) -> None:
        nonlocal sent
        one.sendall(HEAD + b"\r\n")
        while sent < 200 * 1024**2:
            one.sendall(b" " * 65_536)
            sent += 65_536

    with server(answer) as url, pytest.raises(JiraUnreachable, match="larger than 8 MB"):
        ask(url, 60)
    assert sent < 100 * 1024**2


def test_an_answer_that_cannot_be_unpacked_is_no_answer() -> None:
    body = HEAD + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnone"
    with server(lambda one: one.sendall(body)) as url, pytest.raises(JiraUnreachable):
        ask(url)


@pytest.mark.parametrize(
    "url",
    ["https://.atlassian.net/a", "https://a..atlassian.net/", f"https://{'a' * 64}.atlassian.net/", "https://\x00/"],
)
def test_what_is_no_address_is_refused_as_any_other(url: str) -> None:
    with pytest.raises(JiraError) as refused:
        ask(url)
    assert isinstance(refused.value, JiraAddressRefused)
