"""Every route for applications. One base address, `/sdk`, stands for all of an SDK's (sdk, events, auth, telemetry).

Browsers' SDKs call from other origins, with a key and no cookie; so any origin may.
"""

from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.routing import Mount, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from flagpost.web import ofrep
from flagpost.web.metrics_middleware import OF_APPLICATIONS
from flagpost.web.render import HANDLERS
from flagpost.web.sdk import impressions, split_changes, streaming


class Applications:
    """ASGI middleware: what applications ask is answered here, and everything else passes.

    Further in, hundreds of routes would be tried first, and five more layers passed, at several times the cost of
    the answer.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        from_any_origin = CORSMiddleware(
            Router(mounts()),
            allow_origins=["*"],
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
            expose_headers=["ETag"],
            max_age=86_400,
        )
        self._routes = ExceptionMiddleware(from_any_origin, handlers=HANDLERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        asked_here = scope["type"] == "http" and scope["path"].startswith(OF_APPLICATIONS)
        await (self._routes if asked_here else self._app)(scope, receive, send)


def mounts() -> list[Mount]:
    """Every route, below the two addresses."""
    of_sdks = [*split_changes.routes(), *streaming.routes(), *impressions.routes()]
    return [Mount("/sdk", routes=of_sdks), Mount("/ofrep", routes=ofrep.routes())]
