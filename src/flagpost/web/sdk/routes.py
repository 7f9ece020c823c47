"""Every route for applications. The one base address `/sdk` replaces all of Split's (sdk, events, auth, telemetry).

Browsers' SDKs call from other origins, with a key and without cookies; so every origin is allowed.
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
    """ASGI middleware: answers requests of applications, and passes all others on.

    The application below would try hundreds of routes first and pass five more layers, at several times the cost of
    the response.
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
        from_application = scope["type"] == "http" and scope["path"].startswith(OF_APPLICATIONS)
        await (self._routes if from_application else self._app)(scope, receive, send)


def mounts() -> list[Mount]:
    """Every route, below the two base addresses."""
    of_sdks = [*split_changes.routes(), *streaming.routes(), *impressions.routes()]
    return [Mount("/sdk", routes=of_sdks), Mount("/ofrep", routes=ofrep.routes())]
