"""One end for a whole call, and one size for its answer.

*Problem*: the HTTP client counts its time-out anew with every read, so that a server that sends a byte now and then
holds a thread for ever, in the headers of its answer too; and it reads whatever comes into memory. *Solution*: beneath
it, every wait on the network ends when the call has to (httpcore: `network_backend`), and the body is read piece by
piece, up to a limit.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from ssl import SSLContext
from typing import Any

import httpcore2
import httpx2

_ends: ContextVar[float] = ContextVar("_ends")


class AnswerTooLarge(Exception):
    """The answer is larger than whoever asked will read."""


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Whatever waits on the network within the block, on this thread, raises a time-out once these seconds are over."""
    token = _ends.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _ends.reset(token)


def heed_deadlines(client: httpx2.Client) -> httpx2.Client:
    """Have every connection of this client, through a proxy too, end its waits with `deadline`.

    httpx2 has no public way to give its pools a network of their own; tests/jira/test_deadline.py sees that this works.
    """
    for transport in (client._transport, *client._mounts.values()):
        if isinstance(transport, httpx2.HTTPTransport):
            transport._pool._network_backend = _Network(transport._pool._network_backend)
    return client


def read_body(response: httpx2.Response, most_bytes: int) -> bytes:
    """The body of a streamed response; AnswerTooLarge as soon as it is longer."""
    body = bytearray()
    for piece in response.iter_bytes():
        body += piece
        if len(body) > most_bytes:
            raise AnswerTooLarge
    return bytes(body)


def _left(timeout: float | None) -> float | None:
    """How long this wait may take. Raises the HTTP client's time-out where there is no time left."""
    ends = _ends.get(None)
    if ends is None:
        return timeout
    left = ends - time.monotonic()
    if left <= 0:
        raise httpcore2.ReadTimeout("The time for this call is over.")
    return left if timeout is None else min(left, timeout)


class _Network(httpcore2.NetworkBackend):
    """The network as it is, but for when waits end."""

    def __init__(self, network: httpcore2.NetworkBackend) -> None:
        self._network = network

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *arguments: Any, **options: Any
    ) -> httpcore2.NetworkStream:
        return _Stream(self._network.connect_tcp(host, port, _left(timeout), *arguments, **options))

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, *arguments: Any, **options: Any
    ) -> httpcore2.NetworkStream:
        return _Stream(self._network.connect_unix_socket(path, _left(timeout), *arguments, **options))

    def sleep(self, seconds: float) -> None:
        self._network.sleep(_left(seconds) or 0)


class _Stream(httpcore2.NetworkStream):
    """A connection as it is, but for when waits end."""

    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, _left(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
