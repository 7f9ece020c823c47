"""Flagpost does not push changes: SDKs that ask for a stream get the answer that there is none, and keep polling."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from flagpost.serving.keys import SdkKey
from flagpost.web.sdk.authenticated_routes import public_route, sdk_key_route


def routes() -> list[BaseRoute]:
    """Authentication for a stream (Split: v2/auth), and the health checks of the JavaScript SDK."""
    return [sdk_key_route("/v2/auth", _no_stream), public_route("/version", _version)]


async def _no_stream(_request: Request, _key: SdkKey) -> Response:
    return JSONResponse({"pushEnabled": False, "token": ""})


async def _version(_request: Request) -> Response:
    return JSONResponse({"status": "ok"})
