"""The security headers of every answer, one id a request, and same-origin protection.

A request that changes something with a session cookie must come from one of Flagpost's own pages. Browsers send its
origin in `Sec-Fetch-Site`, and older ones in `Origin`; a page's script can set neither. A request without both is
refused, since every browser in use today sends one of them with a form. Paths for programs ignore cookies.
"""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flagpost.errors import NotAllowed
from flagpost.telemetry.logging import accepted_id, as_request
from flagpost.web.metrics_middleware import OF_APPLICATIONS, measured
from flagpost.web.render import answer

FOR_PROGRAMS = ("/internal/api/", "/api/", "/forge/", "/webhooks/", "/sdk/", "/ofrep/")
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS = (
    (b"content-security-policy", _CSP.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
_FOR_APPLICATIONS = ((b"x-content-type-options", b"nosniff"),)  # their answers are not shown in a browser
_NO_STORE = (b"cache-control", b"no-store")
_HSTS = (b"strict-transport-security", b"max-age=31536000")


class EveryRequest:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; other protocols than HTTP pass."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with as_request(accepted_id(Headers(scope=scope).get("x-request-id", ""))) as request_id:
            scope.setdefault("state", {})["request_id"] = request_id
            app = self._app if _is_same_site(scope) else _refuse_cross_site
            with measured(scope, _with_headers(scope, send, request_id)) as counted:
                await app(scope, receive, counted)


def _is_same_site(scope: Scope) -> bool:
    if scope["method"] in _SAFE or scope["path"].startswith(FOR_PROGRAMS):
        return True
    headers = Headers(scope=scope)
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    return urlsplit(headers.get("origin", "")).netloc == headers.get("host", "?")


async def _refuse_cross_site(scope: Scope, receive: Receive, send: Send) -> None:
    error = NotAllowed("This request did not come from one of Flagpost's own pages, so nothing was changed.")
    await answer(Request(scope), error)(scope, receive, send)


def _with_headers(scope: Scope, send: Send, request_id: str) -> Send:
    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            said = message.get("headers", ())
            names = {name for name, _ in said}
            own = (one for one in _own_headers(scope, request_id) if one[0] not in names)
            message["headers"] = [*said, *own]
        await send(message)

    return wrapped


def _own_headers(scope: Scope, request_id: str) -> list[tuple[bytes, bytes]]:
    """The headers that an answer gets unless it has set them itself; names in lower case, as ASGI requires."""
    own = [*(_FOR_APPLICATIONS if scope["path"].startswith(OF_APPLICATIONS) else _HEADERS)]
    own.append((b"x-request-id", request_id.encode()))
    if not scope["path"].startswith("/static/"):
        own.append(_NO_STORE)
    if scope["scheme"] == "https":
        own.append(_HSTS)
    return own
