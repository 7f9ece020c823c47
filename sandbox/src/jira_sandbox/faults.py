"""What stands between the caller and the site: a log, rate limits, and faults that were switched on.

This wraps the whole application from outside, because only there the connection itself can be cut.
"""

import asyncio
import json
import time
import uuid
from email.utils import formatdate
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jira_sandbox.limits import Call, Limits, too_many
from jira_sandbox.state import World

_ATLASSIAN = ("/ex/", "/jira/featureflags/", "/oauth/", "/rest/", "/_edge/")
_OF_THE_SITE = ("/rest/", "/_edge/", "/browse/")
_LONGEST_LOGGED_BODY = 20_000


class Gate:
    """ASGI middleware around the sandbox."""

    def __init__(self, app: ASGIApp, world: World) -> None:
        self._app = app
        self._world = world
        self._limits = Limits(world)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; the sandbox's own pages and control calls pass as they are."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"].startswith(_ATLASSIAN):
            await self._as_jira(scope, receive, send)
        else:
            await (self._moved(scope) or self._app)(scope, receive, send)

    async def _as_jira(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.monotonic()
        entry: dict[str, Any] = {
            "method": scope["method"],
            "path": scope["path"],
            "at": self._world.clock(),
            "status": 0,
            "trace": uuid.uuid4().hex,
            "traceparent": Headers(scope=scope).get("traceparent"),
        }
        body = await _body(receive)
        if body is None:
            return  # the caller died while it was still sending: that never reaches Jira's code
        entry["body"] = body
        self._world.requests.append(entry)
        call = self._call(scope, body)
        await self._spoil_or_pass(scope, _replayed(body), self._answering(send, entry, call), send, call)
        entry["ms"] = round((time.monotonic() - started) * 1000, 1)
        entry["body"] = _logged(body, self._world.settings.keep_bodies)

    def _call(self, scope: Scope, body: bytes) -> Call:
        proof = Headers(scope=scope).get("authorization", "")
        caller = self._world.provider_of(proof) or proof
        return Call(scope["method"], scope["path"], caller, proof.lower().startswith("basic "), body)

    async def _spoil_or_pass(self, scope: Scope, receive: Receive, answering: Send, raw_send: Send, call: Call) -> None:
        faults = self._world.faults
        touched = scope["path"].startswith(faults.prefix)
        if touched and faults.latency_ms:
            await asyncio.sleep(faults.latency_ms / 1000)
        spoilt = self._moved(scope) or self._limit(call) or (touched and (self._busy() or self._breaks(call)))
        if touched and self._counted("drop_connections"):
            await _cut(raw_send)
        elif spoilt:
            await spoilt(scope, receive, answering)
        elif touched and self._counted("lose_answers"):
            await self._app(scope, receive, _nowhere)
            await _cut(raw_send)
        else:
            await self._app(scope, receive, answering)

    def _moved(self, scope: Scope) -> Response | None:
        """A site that was renamed answers 302 at its old address; the gateway knows it by its cloud id."""
        where = self._world.settings.moved_to
        if not where or not scope["path"].startswith(_OF_THE_SITE):
            return None
        query = "?" + scope["query_string"].decode("latin-1") if scope["query_string"] else ""
        return RedirectResponse(where + scope["path"] + query, 302)

    def _limit(self, call: Call) -> Response | None:
        counted = self._world.settings.enforce_limits and call.caller
        return self._limits.refuse(call) if counted else None

    def _answering(self, send: Send, entry: dict[str, Any], call: Call) -> Send:
        """Note the status, and add what every answer of Jira's says: its id, the time, and how near its limits are."""

        async def wrapped(message: Message) -> None:
            if message["type"] == "http.response.start":
                entry["status"] = message["status"]
                headers = MutableHeaders(scope=message)
                headers["Atl-Traceid"] = entry["trace"]
                headers["Date"] = formatdate(self._world.clock() + self._world.settings.clock_skew_seconds, usegmt=True)
                if self._world.settings.enforce_limits and call.caller:
                    headers.update(self._limits.headers(call))
                    self._limits.heed(call, message["status"], dict(headers))
            await send(message)

        return wrapped

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

    def _breaks(self, call: Call) -> Response | None:
        """A request about a flag that Jira breaks down over, alone or among others."""
        named = call.path.encode() + call.raw
        return Response(status_code=500) if any(id.encode() in named for id in self._world.faults.break_over) else None

    def _counted(self, name: str) -> bool:
        with self._world.lock:
            left = int(getattr(self._world.faults, name))
            if left > 0:
                setattr(self._world.faults, name, left - 1)
            return left > 0


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
