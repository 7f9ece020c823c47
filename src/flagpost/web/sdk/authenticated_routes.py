"""Routes for applications, each open to those who hold an SDK key of a kind that it names.

They are raw Starlette routes, because the framework's own work on a request is many times what answering from memory
costs. Who may call one is said where it is declared, and is checked before its handler is called.
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


def for_applications(path: str, handler: Handler, *, method: str = "GET", kinds: frozenset[str] = ANY_KIND) -> Route:
    """A route for holders of an SDK key. NotSignedIn (401) without a working one, NotAllowed (403) of another kind."""

    async def endpoint(request: Request) -> Response:
        key = await _holder(request)
        if key.kind not in kinds:
            raise NotAllowed("A client-side SDK key may not read this. Use a server-side key, on a server.")
        return await handler(request, key)

    route = Route(path, _Answering(endpoint), methods=[method])
    route.guard = sdk_key  # type: ignore[attr-defined]  # what `tests/web/test_guard` looks at
    return route


def for_anyone(path: str, endpoint: Endpoint, *, method: str = "GET") -> Route:
    """A route that needs no proof, or whose body brings it."""
    route = Route(path, _Answering(endpoint), methods=[method])
    route.guard = anyone  # type: ignore[attr-defined]
    return route


class _Answering:
    """An endpoint with its errors answered here: further out, the answer would lack what lets a browser's SDK read it.

    An object and no function, so that Starlette calls it as it is, without its own two layers of handling errors.
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


async def _holder(request: Request) -> SdkKey:
    """Bearer, as Split's SDKs send it; or `X-API-Key`, which OFREP allows too."""
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    secret = secret.strip() if scheme.lower() == "bearer" else request.headers.get("x-api-key", "")
    request.scope["state"]["sdk_secret"] = secret
    return await holder_of(request, secret)


async def holder_of(request: Request, secret: str) -> SdkKey:
    """The key with this secret, from memory where it can be."""
    if not secret:
        raise NotSignedIn("Send an SDK key: Authorization: Bearer …")
    keys = serving(request.scope).sdk_keys
    remembered = keys.remembered(secret)
    return remembered if remembered else await run_in_threadpool(keys.look_up, secret)
