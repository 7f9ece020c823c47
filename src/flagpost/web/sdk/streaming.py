"""Flagpost is asked, it does not push: SDKs that look for a stream are told that there is none, and go on asking."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from flagpost.serving.keys import SdkKey
from flagpost.web.sdk.authenticated_routes import for_anyone, for_applications


def routes() -> list[BaseRoute]:
    """Authentication for a stream (Split: v2/auth), and the health checks of the JavaScript SDK."""
    return [for_applications("/v2/auth", _no_stream), for_anyone("/version", _version)]


async def _no_stream(_request: Request, _key: SdkKey) -> Response:
    return JSONResponse({"pushEnabled": False, "token": ""})


async def _version(_request: Request) -> Response:
    return JSONResponse({"status": "ok"})
