"""HTTP exchanges with one deadline for the whole of each, and a largest size for its response.

*Problem*: the HTTP library counts its time-out anew with every read, so a server that sends a byte now and then holds
a thread for ever, in the middle of the headers too; a name server that does not answer holds it as well. And the
library reads a body of any size into memory. *Solution*: the exchanges run as asyncio tasks, in an event loop in a
thread of its own, because such a task can be cancelled at any moment, wherever it waits: for a name, a connection, TLS,
a proxy, the headers or the body. The calling thread waits for the task. The body is read in pieces, up to a limit.
"""

import asyncio
import threading
from collections.abc import Mapping
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import Any

import httpx2


class ResponseTooLarge(Exception):
    """The response is larger than the caller accepts."""


class Closed(Exception):
    """The exchange was ended, or not begun, because the client was closed."""


@dataclass(frozen=True, slots=True)
class RawResponse:
    """What a server answered. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class BoundedHttp:
    """Sends HTTP requests from any thread, and keeps connections open between them. Follows no redirects."""

    def __init__(self, most_bytes: int, headers: Mapping[str, str]) -> None:
        self._most_bytes = most_bytes
        self._headers = dict(headers)
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: httpx2.AsyncClient | None = None
        self._closed = False

    def request(self, method: str, url: str, *, seconds: float, **options: Any) -> RawResponse:
        """Send one request, and read the whole response. `options` are those of `httpx2.AsyncClient.stream`.

        Raises TimeoutError where that takes longer than `seconds` in all, ResponseTooLarge, Closed, and what the HTTP
        library raises for an address it cannot use (InvalidURL, UnicodeError) or a request that failed (RequestError).
        """
        exchange = self._exchange(method, url, seconds, options)
        with self._lock:
            if self._closed:
                exchange.close()
                raise Closed
            future = asyncio.run_coroutine_threadsafe(exchange, self._running_loop())
        try:
            return future.result()
        except CancelledError:
            raise Closed from None

    async def _exchange(self, method: str, url: str, seconds: float, options: Mapping[str, Any]) -> RawResponse:
        assert self._client is not None  # noqa: S101 - made before the loop runs
        async with asyncio.timeout(seconds), self._client.stream(method, url, **options) as response:
            body = bytearray()
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > self._most_bytes:
                    raise ResponseTooLarge
        headers = {name.lower(): value for name, value in response.headers.items()}
        return RawResponse(response.status_code, headers, bytes(body))

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        """The event loop; started with the first request, because many processes never send one."""
        if self._loop is None:
            limits = httpx2.Limits(max_connections=50, max_keepalive_connections=50, keepalive_expiry=60)
            self._client = httpx2.AsyncClient(headers=self._headers, limits=limits, timeout=None)
            self._loop = asyncio.new_event_loop()
            threading.Thread(target=_run, args=(self._loop,), name="jira-http", daemon=True).start()
        return self._loop

    def close(self) -> None:
        """End every exchange that is under way, and close every connection. No request can be sent afterwards."""
        with self._lock:
            self._closed = True
            loop, self._loop = self._loop, None
        if loop is not None:
            asyncio.run_coroutine_threadsafe(self._shut_down(), loop).result()
            loop.call_soon_threadsafe(loop.stop)

    async def _shut_down(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()


def _run(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        loop.close()
