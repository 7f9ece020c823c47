"""Limits for the bodies that Jira and applications send: they are read into memory before the sender is known."""

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flagpost.errors import TooLarge
from flagpost.web.render import answer

MAX_BYTES = {
    "/forge/": 512 * 1024,  # Atlassian: a page's request carries at most 500 KB
    "/ofrep/": 512 * 1024,  # the attributes of one person
    "/sdk/": 8 * 1024 * 1024,  # SDKs send 30,000 impressions at once at most, of some 200 bytes each
    "/webhooks/": 5 * 1024 * 1024,  # an issue as a whole, with all of its fields
}


_WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS"})  # no handler reads the body of one


class BoundedBodies:
    """ASGI middleware that answers a too long body with 413, whether its length was declared or not."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; a path without a limit passes."""
        path = scope["path"] if scope["type"] == "http" and scope["method"] not in _WITHOUT_BODY else ""
        most = next((most for prefix, most in MAX_BYTES.items() if path.startswith(prefix)), None)
        if most is None:
            await self._app(scope, receive, send)
            return
        body = await _read(receive, most)
        if body is None:  # the caller is gone, and half a body would look like a wrong signature
            return
        if len(body) > most:
            await answer(Request(scope), TooLarge())(scope, receive, send)
        else:
            await self._app(scope, _given(body, receive), send)


async def _read(receive: Receive, most: int) -> bytes | None:
    """The body, or as much of it as shows that it is too long; None where the caller closed the connection early."""
    body, more = bytearray(), True
    while more and len(body) <= most:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return bytes(body)


def _given(body: bytes, receive: Receive) -> Receive:
    """A channel that gives the body that was read, and then what follows it."""
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def wrapped() -> Message:
        return next(messages, None) or await receive()

    return wrapped
