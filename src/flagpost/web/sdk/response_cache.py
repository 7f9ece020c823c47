"""Responses that are sent again as they are.

An SDK that is up to date polls for changes every half minute with the same bytes, and so does every other SDK with the
same key: nearly all requests of applications are of this kind. Their answer is *nothing new*, and to find that out for
each request costs several times what sending it does. So a short response is cached by what was requested, and sent
again while it is valid: while the key is accepted, and the environment is the object that the response was built from.
Every change replaces that object.
"""

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flagpost.errors import NotSignedIn
from flagpost.serving.environment import ServedEnvironment
from flagpost.telemetry.logging import new_id
from flagpost.web.metrics_middleware import count
from flagpost.web.state import ServingParts, serving

_ROUTE = "/sdk/splitChanges"
_KEY_HEADERS = frozenset({b"authorization", b"x-api-key", b"accept-encoding", b"if-none-match", b"origin"})
_MAX_BYTES = 4096
_MAX_RESPONSES = 2000
_REQUEST_ID = b"x-request-id"

CacheKey = tuple[Any, ...]
"""The query, and the headers that change a response."""


@dataclass(frozen=True, slots=True)
class _CachedResponse:
    """What was sent, without the request's id; the SDK key, and the environment that it was built from."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    secret: str
    environment: "weakref.ref[ServedEnvironment]"

    def is_valid(self, parts: ServingParts) -> bool:
        """Whether the request would get this response now."""
        try:
            key = parts.sdk_keys.cached(self.secret)
        except NotSignedIn:
            return False
        served = parts.environments.find(key.environment_id) if key else None
        return served is not None and served is self.environment()


def allow_caching(scope: Scope, served: ServedEnvironment) -> None:
    """Say, while a request is answered, that the response depends on this environment and the key only."""
    scope["state"]["response_built_from"] = weakref.ref(served)


class ResponseCache:
    """ASGI middleware: sends cached responses, and caches responses of the application below."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._responses: dict[CacheKey, _CachedResponse] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; only polls for changes are cached."""
        is_poll = scope["type"] == "http" and scope["path"] == _ROUTE and scope["method"] == "GET"
        if not is_poll or _has_request_id(scope):
            await self._app(scope, receive, send)
            return
        begun = perf_counter()
        key = (scope["query_string"], *(one for one in scope["headers"] if one[0] in _KEY_HEADERS))
        cached = self._responses.get(key)
        if cached and cached.is_valid(serving(scope)):
            await _send(cached, send)
            count("GET", _ROUTE, str(cached.status), perf_counter() - begun)
        else:
            await self._app(scope, receive, _capture(scope, send, lambda response: self._store(key, response)))

    def _store(self, key: CacheKey, response: _CachedResponse) -> None:
        if len(self._responses) >= _MAX_RESPONSES:
            self._responses.clear()
        self._responses[key] = response


def _has_request_id(scope: Scope) -> bool:
    """A caller that sends ids looks for them in the log, and cached responses are not logged."""
    return any(name == _REQUEST_ID for name, _ in scope["headers"])


async def _send(cached: _CachedResponse, send: Send) -> None:
    headers = [*cached.headers, (_REQUEST_ID, new_id().encode())]
    await send({"type": "http.response.start", "status": cached.status, "headers": headers})
    await send({"type": "http.response.body", "body": cached.body})


def _capture(scope: Scope, send: Send, store: Callable[[_CachedResponse], None]) -> Send:
    """Sends a response, and stores it afterwards if it is short and may be cached."""
    started: list[Message] = []

    async def sending(message: Message) -> None:
        await send(message)
        if message["type"] == "http.response.start":
            started.append(message)
            return
        state, status, body = scope.get("state", {}), started[0]["status"], message.get("body", b"")
        is_short = not message.get("more_body") and len(body) <= _MAX_BYTES
        if is_short and status in (200, 304) and "response_built_from" in state:
            headers = [one for one in started[0]["headers"] if one[0] != _REQUEST_ID]
            store(_CachedResponse(status, headers, body, state["sdk_secret"], state["response_built_from"]))

    return sending
