"""Finds the environment of a request, and renders encoded responses: compressed, or 304, where the caller allows it."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from flagpost.serving.environment import EncodedResponse, ServedEnvironment
from flagpost.serving.keys import SdkKey
from flagpost.web.state import serving


async def environment_of(request: Request, key: SdkKey) -> ServedEnvironment:
    """The environment that a key opens. It comes from memory, except for the first request."""
    environments = serving(request.scope).environments
    served = environments.find(key.environment_id)
    return served if served else await run_in_threadpool(environments.load, key.project_id, key.environment_id)


def render_encoded(request: Request, encoded: EncodedResponse) -> Response:
    """The response; 304 without a body where the caller has it already (HTTP: If-None-Match)."""
    headers = {"ETag": encoded.etag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding, Authorization"}
    if encoded.etag in known_etags(request):
        return Response(status_code=304, headers=headers)
    body = encoded.body
    if encoded.gzipped is not None and "gzip" in request.headers.get("accept-encoding", ""):
        body, headers["Content-Encoding"] = encoded.gzipped, "gzip"
    return Response(body, media_type="application/json", headers=headers)


def known_etags(request: Request) -> list[str]:
    """The ETags of the responses that the caller has."""
    header = request.headers.get("if-none-match", "")
    return [etag.strip().removeprefix("W/") for etag in header.split(",")] if header else []
