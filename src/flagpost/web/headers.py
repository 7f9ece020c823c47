"""What every answer carries and every request must pass: security headers, one id a request, same-origin protection.

A request that changes something with a session cookie must come from one of Flagpost's own pages. Browsers say where a
request comes from in `Sec-Fetch-Site`, and older ones in `Origin`; neither can be set by a page's script. One that says
neither is refused, since no browser in use today sends such a form. Paths for programs do not look at cookies at all.
"""

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flagpost.observe import accepted_id, as_request
from flagpost.web.measured import measured

FOR_PROGRAMS = ("/internal/api/", "/api/", "/forge/", "/webhooks/", "/sdk/", "/ofrep/")
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_HSTS = "max-age=31536000"


class EveryRequest:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; anything that is not HTTP passes."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with as_request(accepted_id(Headers(scope=scope).get("x-request-id", ""))) as request_id:
            scope.setdefault("state", {})["request_id"] = request_id
            app = self._app if _is_from_here(scope) else _foreign
            with measured(scope, _with_headers(scope, send, request_id)) as counted:
                await app(scope, receive, counted)


def _is_from_here(scope: Scope) -> bool:
    if scope["method"] in _SAFE or scope["path"].startswith(FOR_PROGRAMS):
        return True
    headers = Headers(scope=scope)
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    return urlsplit(headers.get("origin", "")).netloc == headers.get("host", "?")


async def _foreign(scope: Scope, receive: Receive, send: Send) -> None:
    message = "This request did not come from one of Flagpost's own pages, so nothing was done."
    await PlainTextResponse(message, 403)(scope, receive, send)


def _with_headers(scope: Scope, send: Send, request_id: str) -> Send:
    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            headers["X-Request-Id"] = request_id
            if not scope["path"].startswith("/static/"):
                headers.setdefault("Cache-Control", "no-store")
            if scope["scheme"] == "https":
                headers.setdefault("Strict-Transport-Security", _HSTS)
        await send(message)

    return wrapped
