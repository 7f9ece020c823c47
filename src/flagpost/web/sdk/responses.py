"""Finding what an application is served, and sending it: packed where it may be, and not at all where it has it."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from flagpost.serving.environment import EncodedResponse, ServedEnvironment
from flagpost.serving.keys import SdkKey
from flagpost.web.state import serving


async def served_to(request: Request, key: SdkKey) -> ServedEnvironment:
    """The environment that a key opens, from memory but for the first time."""
    environments = serving(request.scope).environments
    known = environments.in_memory(key.environment_id)
    return known if known else await run_in_threadpool(environments.load, key.project_id, key.environment_id)


def sent(request: Request, answer: EncodedResponse) -> Response:
    """The answer; 304 where the caller says by its tag that it has it (HTTP: If-None-Match)."""
    headers = {"ETag": answer.etag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding, Authorization"}
    if answer.etag in tags_of(request):
        return Response(status_code=304, headers=headers)
    body = answer.body
    if answer.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        body, headers["Content-Encoding"] = answer.packed, "gzip"
    return Response(body, media_type="application/json", headers=headers)


def tags_of(request: Request) -> list[str]:
    """The tags of what the caller has."""
    told = request.headers.get("if-none-match", "")
    return [one.strip().removeprefix("W/") for one in told.split(",")] if told else []
