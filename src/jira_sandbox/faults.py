"""What stands between the caller and the site: a log, rate limits, and faults that were switched on.

This wraps the whole application from outside, because only there the connection itself can be cut.
"""

import asyncio
import json
import time
from collections import defaultdict
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jira_sandbox.state import World

_ATLASSIAN = ("/ex/", "/jira/featureflags/", "/rest/api/", "/oauth/")
_LONGEST_LOGGED_BODY = 20_000


class Bucket:
    """A token bucket: so many requests a second, and as many at once."""

    def __init__(self) -> None:
        self._left: float | None = None
        self._at = 0.0

    def take(self, rate: float, now: float) -> bool:
        """Whether one more request is within the limit."""
        left = rate if self._left is None else min(rate, self._left + (now - self._at) * rate)
        self._at = now
        self._left = left - 1 if left >= 1 else left
        return left >= 1


class Gate:
    """ASGI middleware around the sandbox."""

    def __init__(self, app: ASGIApp, world: World) -> None:
        self._app = app
        self._world = world
        self._buckets: defaultdict[tuple[str, str], Bucket] = defaultdict(Bucket)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; the sandbox's own pages and control calls pass as they are."""
        if scope["type"] != "http" or not scope["path"].startswith(_ATLASSIAN):
            await self._app(scope, receive, send)
            return
        started = time.monotonic()
        entry: dict[str, Any] = {
            "method": scope["method"],
            "path": scope["path"],
            "at": self._world.clock(),
            "status": 0,
        }
        body = await _body(receive)
        if body is None:
            return  # the caller died while it was still sending: that never reaches Jira's code
        entry["body"] = body
        self._world.requests.append(entry)
        await self._spoil_or_pass(scope, _replayed(body), _noting(send, entry), send)
        entry["ms"] = round((time.monotonic() - started) * 1000, 1)
        entry["body"] = _logged(body, self._world.settings.keep_bodies)

    async def _spoil_or_pass(self, scope: Scope, receive: Receive, noting: Send, raw_send: Send) -> None:
        faults = self._world.faults
        touched = scope["path"].startswith(faults.prefix)
        if touched and faults.latency_ms:
            await asyncio.sleep(faults.latency_ms / 1000)
        spoilt = self._limit(scope) or (touched and self._busy())
        if touched and self._counted("drop_connections"):
            await _cut(raw_send)
        elif spoilt:
            await spoilt(scope, receive, noting)
        elif touched and self._counted("lose_answers"):
            await self._app(scope, receive, _nowhere)
            await _cut(raw_send)
        else:
            await self._app(scope, receive, noting)

    def _limit(self, scope: Scope) -> Response | None:
        settings = self._world.settings
        method = scope["method"]
        rate = {"POST": settings.post_per_second, "DELETE": settings.delete_per_second}.get(
            method, settings.get_per_second
        )
        kind = scope["path"].rsplit("/", 2)[-2 if "/flag/" in scope["path"] or "/issue/" in scope["path"] else -1]
        if not settings.enforce_limits or self._buckets[method, kind].take(rate, time.monotonic()):
            return None
        self._world.breach("rate limit", method=method, path=scope["path"])
        return too_many(1, "jira-burst-based")

    def _busy(self) -> Response | None:
        faults = self._world.faults
        with self._world.lock:
            for name in ("rate_limited", "unavailable"):
                fault = getattr(faults, name)
                if fault and fault.get("count", 1) > 0:
                    fault["count"] = fault.get("count", 1) - 1
                    wait = int(fault.get("retry_after", 1))
                    if name == "rate_limited":
                        return too_many(wait, str(fault.get("reason", "jira-burst-based")))
                    return Response(status_code=503, headers={"Retry-After": str(wait)})
        return None

    def _counted(self, name: str) -> bool:
        with self._world.lock:
            left = int(getattr(self._world.faults, name))
            if left > 0:
                setattr(self._world.faults, name, left - 1)
            return left > 0


def too_many(wait: int, reason: str) -> Response:
    """Jira's answer to too many requests."""
    reset = time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime(time.time() + wait))
    headers = {"Retry-After": str(wait), "RateLimit-Reason": reason, "X-RateLimit-Remaining": "0"}
    return JSONResponse([{"message": "Rate limit exceeded"}], 429, {**headers, "X-RateLimit-Reset": reset})


async def _body(receive: Receive) -> bytes | None:
    """The whole body; None where the connection ended in the middle of it."""
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _replayed(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _noting(send: Send, entry: dict[str, Any]) -> Send:
    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            entry["status"] = message["status"]
        await send(message)

    return wrapped


async def _nowhere(_message: Message) -> None:
    """The answer that gets lost."""


async def _cut(send: Send) -> None:
    """End the connection without a word. uvicorn's `send` belongs to the cycle that has the transport."""
    cycle = getattr(send, "__self__", None)
    if cycle is not None:
        cycle.transport.abort()
        while not cycle.disconnected:
            await asyncio.sleep(0)


def _logged(body: bytes, whole: bool) -> Any:
    if not body or (len(body) > _LONGEST_LOGGED_BODY and not whole):
        return f"({len(body)} bytes)" if body else None
    try:
        parsed = json.loads(body)
    except ValueError:
        return body.decode(errors="replace")
    if isinstance(parsed, dict) and "client_secret" in parsed:
        parsed["client_secret"] = "(hidden)"  # noqa: S105 - it takes the place of one
    return parsed
