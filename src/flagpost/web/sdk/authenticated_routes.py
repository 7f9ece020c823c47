"""Routes for applications, each open to requests with an SDK key of a kind that the route names.

They are raw Starlette routes, because FastAPI's own work on a request is many times what answering from memory costs.
Each route declares who may call it, and that is checked before its handler runs.
"""

from collections.abc import Awaitable, Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from flagpost.errors import FlagpostError, NotAllowed, NotSignedIn
from flagpost.serving.keys import CLIENT_SIDE, SERVER_SIDE, SdkKey
from flagpost.web.guard import anyone, sdk_key
from flagpost.web.render import answer
from flagpost.web.state import serving

Endpoint = Callable[[Request], Awaitable[Response]]
Handler = Callable[[Request, SdkKey], Awaitable[Response]]

ANY_KIND = frozenset({SERVER_SIDE, CLIENT_SIDE})
SERVER_ONLY = frozenset({SERVER_SIDE})


def sdk_key_route(path: str, handler: Handler, *, method: str = "GET", kinds: frozenset[str] = ANY_KIND) -> Route:
    """A route that needs an SDK key. NotSignedIn (401) without a working one, NotAllowed (403) for another kind."""

    async def endpoint(request: Request) -> Response:
        key = await _authenticate_by_header(request)
        if key.kind not in kinds:
            raise NotAllowed("A client-side SDK key may not read this. Use a server-side key, on a server.")
        return await handler(request, key)

    route = Route(path, _RenderingErrors(endpoint), methods=[method])
    route.guard = sdk_key  # type: ignore[attr-defined]  # what `tests/web/test_guard` checks
    return route


def public_route(path: str, endpoint: Endpoint, *, method: str = "GET") -> Route:
    """A route that needs no key, or whose body contains it."""
    route = Route(path, _RenderingErrors(endpoint), methods=[method])
    route.guard = anyone  # type: ignore[attr-defined]
    return route


class _RenderingErrors:
    """An endpoint that renders its own errors: outside the CORS middleware, a browser's SDK could not read them.

    An object and not a function: Starlette calls an object as it is, without two further layers of error handling.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive, send)
        try:
            response = await self._endpoint(request)
        except FlagpostError as error:
            response = answer(request, error)
        await response(scope, receive, send)


async def _authenticate_by_header(request: Request) -> SdkKey:
    """By `Authorization: Bearer`, which Split's SDKs send, or by `X-API-Key`, which OFREP also allows."""
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    secret = secret.strip() if scheme.lower() == "bearer" else request.headers.get("x-api-key", "")
    request.scope["state"]["sdk_secret"] = secret
    return await authenticate(request, secret)


async def authenticate(request: Request, secret: str) -> SdkKey:
    """The key with this secret, from memory where possible. NotSignedIn where there is none that works."""
    if not secret:
        raise NotSignedIn("Send an SDK key: Authorization: Bearer …")
    keys = serving(request.scope).sdk_keys
    cached = keys.cached(secret)
    return cached if cached else await run_in_threadpool(keys.look_up, secret)
