"""Answers that are sent again as they are.

An SDK that has heard of everything asks for changes every half minute, with the very same bytes, and so do all the
others that have the same key: of all that applications ask, nearly everything. What they are told is *nothing new*, and
finding that out anew each time costs several times what sending it does. So a short answer is remembered by what was
asked, and sent again while it is true: while the key is believed, and the environment is the one that it was made from,
which is replaced by another with every change.
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
_TOLD_APART_BY = frozenset({b"authorization", b"x-api-key", b"accept-encoding", b"if-none-match", b"origin"})
_MOST_BYTES = 4096
_MOST_ANSWERS = 2000
_REQUEST_ID = b"x-request-id"

Asked = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _Answer:
    """What was sent, without the request's id; for whom, and from which environment."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    secret: str
    made_from: "weakref.ref[ServedEnvironment]"

    def is_true(self, parts: ServingParts) -> bool:
        """Whether the same would be answered now."""
        try:
            key = parts.sdk_keys.remembered(self.secret)
        except NotSignedIn:
            return False
        known = parts.environments.in_memory(key.environment_id) if key else None
        return known is not None and known is self.made_from()


def note_what_it_is_made_from(scope: Scope, served: ServedEnvironment) -> None:
    """Note, while a request is answered, what its answer depends on beside the key: else it is not remembered."""
    scope["state"]["answer_made_from"] = weakref.ref(served)


class ResponseCache:
    """ASGI middleware: answers what it remembers, and remembers what is answered further in."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._answers: dict[Asked, _Answer] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; anything but a question for changes passes."""
        if scope["type"] != "http" or scope["path"] != _ROUTE or scope["method"] != "GET" or _is_named(scope):
            await self._app(scope, receive, send)
            return
        begun = perf_counter()
        asked = (scope["query_string"], *(one for one in scope["headers"] if one[0] in _TOLD_APART_BY))
        known = self._answers.get(asked)
        if known and known.is_true(serving(scope)):
            await _send_again(known, send)
            count("GET", _ROUTE, str(known.status), perf_counter() - begun)
        else:
            await self._app(scope, receive, _kept(scope, send, lambda answer: self._remember(asked, answer)))

    def _remember(self, asked: Asked, answer: _Answer) -> None:
        if len(self._answers) >= _MOST_ANSWERS:
            self._answers.clear()
        self._answers[asked] = answer


def _is_named(scope: Scope) -> bool:
    """Whoever gives their requests ids looks for them in the log, where what is sent again does not stand."""
    return any(name == _REQUEST_ID for name, _ in scope["headers"])


async def _send_again(known: _Answer, send: Send) -> None:
    headers = [*known.headers, (_REQUEST_ID, new_id().encode())]
    await send({"type": "http.response.start", "status": known.status, "headers": headers})
    await send({"type": "http.response.body", "body": known.body})


def _kept(scope: Scope, send: Send, remember: Callable[[_Answer], None]) -> Send:
    """Sends, and has a short answer remembered once all of it is sent."""
    begun: list[Message] = []

    async def wrapped(message: Message) -> None:
        await send(message)
        if message["type"] == "http.response.start":
            begun.append(message)
            return
        noted, status = scope.get("state", {}), begun[0]["status"]
        short = not message.get("more_body") and len(message.get("body", b"")) <= _MOST_BYTES
        if short and status in (200, 304) and "answer_made_from" in noted:
            headers = [one for one in begun[0]["headers"] if one[0] != _REQUEST_ID]
            body, secret = message.get("body", b""), noted["sdk_secret"]
            remember(_Answer(status, headers, body, secret, noted["answer_made_from"]))

    return wrapped
