"""What SDKs send: impressions and counts, which are counted, and much that is taken and thrown away.

An answer to impressions or counts is given once they are on disk; `flagpost.serving.impression_buffer` says why.
Browsers that leave a page send the same as a *beacon*: text without headers, which brings its key in itself
(splitio-commons, `listeners/browser.ts`). What SDKs measure of themselves, which keys they saw, and
events have no use here.
"""

import asyncio
import json
import zlib
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from flagpost.errors import InvalidInput, TooLarge
from flagpost.serving.impressions import Impressions, read_bulk, read_counts
from flagpost.serving.keys import SdkKey
from flagpost.web.body_limits import MOST_BYTES
from flagpost.web.sdk.authenticated_routes import for_anyone, for_applications, holder_of
from flagpost.web.state import serving

Keep = Callable[[Request, SdkKey, Any, str, int], Awaitable[Response]]

_MOST_UNPACKED = 4 * MOST_BYTES["/sdk/"]
_UNUSED = ("/events/bulk", "/v1/metrics/config", "/v1/metrics/usage", "/v1/keys/ss", "/v1/keys/cs")
_UNUSED_BEACONS = ("/events/beacon", "/v1/keys/cs/beacon", "/v1/metrics/usage/beacon")


def routes() -> list[BaseRoute]:
    """Every POST of Split's SDKs."""
    counted = {"/testImpressions/bulk": _keep_bulk, "/testImpressions/count": _keep_counts}
    beacons = {"/testImpressions/beacon": _keep_bulk, "/testImpressions/count/beacon": _keep_counts}
    return [
        *(for_applications(path, _from_request(keep), method="POST") for path, keep in counted.items()),
        *(for_anyone(path, _from_beacon(keep), method="POST") for path, keep in beacons.items()),
        *(for_applications(path, _taken, method="POST") for path in _UNUSED),
        *(for_anyone(path, _from_beacon(_thrown_away), method="POST") for path in _UNUSED_BEACONS),
    ]


async def _taken(_request: Request, _key: SdkKey) -> Response:
    return Response()


async def _thrown_away(_request: Request, _key: SdkKey, _entries: Any, _mode: str, _size: int) -> Response:
    return Response()


def _from_request(keep: Keep) -> Callable[[Request, SdkKey], Awaitable[Response]]:
    async def handler(request: Request, key: SdkKey) -> Response:
        entries, size = await _read(request)
        return await keep(request, key, entries, request.headers.get("SplitSDKImpressionsMode", ""), size)

    return handler


def _from_beacon(keep: Keep) -> Callable[[Request], Awaitable[Response]]:
    async def handler(request: Request) -> Response:
        body, size = await _read(request)
        if not isinstance(body, dict) or "entries" not in body:
            raise InvalidInput('Send {"entries": …, "token": an SDK key, "sdk": version}.')
        token, mode = body.get("token"), body.get("sim")
        key = await holder_of(request, token if isinstance(token, str) else "")
        return await keep(request, key, body["entries"], mode if isinstance(mode, str) else "", size)

    return handler


async def _keep_bulk(request: Request, key: SdkKey, entries: Any, mode: str, size: int) -> Response:
    traffic = serving(request.scope).traffic
    watched = partial(traffic.is_watched, key.environment_id)
    return await _kept(request, key, read_bulk(entries, mode, _now(request), watched), size)


async def _keep_counts(request: Request, key: SdkKey, entries: Any, _mode: str, size: int) -> Response:
    return await _kept(request, key, read_counts(entries, _now(request)), size)


def _now(request: Request) -> int:
    return serving(request.scope).context.clock()


async def _kept(request: Request, key: SdkKey, heard: Impressions, size: int) -> Response:
    traffic = serving(request.scope).traffic
    await asyncio.wrap_future(traffic.hear(key.environment_id, heard, size))
    return Response()


async def _read(request: Request) -> tuple[Any, int]:
    """The JSON of a body, and its length. InvalidInput where it is none, TooLarge where unpacking makes it so."""
    raw = _unpacked(await request.body(), request.headers.get("content-encoding", "identity"))
    try:
        return json.loads(raw), len(raw)
    except (ValueError, RecursionError):
        raise InvalidInput("The body is not JSON.") from None


def _unpacked(raw: bytes, encoding: str) -> bytes:
    if encoding == "identity":
        return raw
    if encoding != "gzip":
        raise InvalidInput("The body can be plain or packed with gzip.")
    unpacking = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        found = unpacking.decompress(raw, _MOST_UNPACKED)
    except zlib.error:
        raise InvalidInput("The body is not gzip, as its Content-Encoding says.") from None
    if unpacking.unconsumed_tail:
        raise TooLarge
    if not unpacking.eof:
        raise InvalidInput("The packed body ends too early.")
    return found
