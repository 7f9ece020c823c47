"""What SDKs send: impressions and counts, which Flagpost counts, and more that it accepts and discards.

A request with impressions or counts is answered once they are on disk; `flagpost.serving.impression_buffer` says why.
A browser that leaves a page sends a *beacon*: text without headers, which contains its key (splitio-commons,
`listeners/browser.ts`). Flagpost has no use for SDKs' own metrics, the keys that they saw, and events.
"""

import asyncio
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from flagpost.errors import InvalidInput, TooLarge
from flagpost.serving.impression_buffer import ImpressionBuffer
from flagpost.serving.impressions import BULK, COUNTS, SummedImpressions, sum_counts, sum_impressions
from flagpost.serving.json_codec import JsonReader
from flagpost.serving.keys import SdkKey
from flagpost.web.body_limits import MAX_BYTES
from flagpost.web.sdk.authenticated_routes import authenticate, public_route, sdk_key_route
from flagpost.web.state import serving

_MAX_UNPACKED_BYTES = 4 * MAX_BYTES["/sdk/"]
_DISCARDED = ("/events/bulk", "/v1/metrics/config", "/v1/metrics/usage", "/v1/keys/ss", "/v1/keys/cs")
_DISCARDED_BEACONS = ("/events/beacon", "/v1/keys/cs/beacon", "/v1/metrics/usage/beacon")


class _Beacon(msgspec.Struct):
    """What a browser sends when it leaves a page. `sim` is the mode of its impressions."""

    entries: Any
    token: Any = None
    sim: Any = None


_BEACON = JsonReader(_Beacon)


@dataclass(frozen=True, slots=True)
class _Sent:
    """Impressions or counts from an authenticated application. `size` is that of their request, in bytes."""

    request: Request
    key: SdkKey
    mode: str
    size: int

    @property
    def now(self) -> int:
        """The time, in milliseconds."""
        return serving(self.request.scope).context.clock()

    @property
    def buffer(self) -> ImpressionBuffer:
        """The counter of this process."""
        return serving(self.request.scope).impressions

    async def submit(self, summed: SummedImpressions) -> Response:
        """Count them, and answer when they are on disk."""
        await asyncio.wrap_future(self.buffer.submit(self.key.environment_id, summed, self.size))
        return Response()


Handler = Callable[[_Sent, Any], Awaitable[Response]]


def routes() -> list[BaseRoute]:
    """Every POST of Split's SDKs."""
    return [
        sdk_key_route("/testImpressions/bulk", _from_request(BULK, _submit_impressions), method="POST"),
        sdk_key_route("/testImpressions/count", _from_request(COUNTS, _submit_counts), method="POST"),
        public_route("/testImpressions/beacon", _from_beacon(BULK, _submit_impressions), method="POST"),
        public_route("/testImpressions/count/beacon", _from_beacon(COUNTS, _submit_counts), method="POST"),
        *(sdk_key_route(path, _discard, method="POST") for path in _DISCARDED),
        *(public_route(path, _discard_beacon, method="POST") for path in _DISCARDED_BEACONS),
    ]


async def _submit_impressions(sent: _Sent, impressions: Any) -> Response:
    is_watched = partial(sent.buffer.is_watched, sent.key.environment_id)
    return await sent.submit(sum_impressions(impressions, sent.mode, sent.now, is_watched))


async def _submit_counts(sent: _Sent, counts: Any) -> Response:
    return await sent.submit(sum_counts(counts, sent.now))


async def _discard(_request: Request, _key: SdkKey) -> Response:
    return Response()


async def _discard_beacon(request: Request) -> Response:
    beacon, _ = await _read_beacon(request)
    await _authenticate_beacon(request, beacon)
    return Response()


def _from_request(reader: JsonReader[Any], handler: Handler) -> Callable[[Request, SdkKey], Awaitable[Response]]:
    async def endpoint(request: Request, key: SdkKey) -> Response:
        raw = await _read_body(request)
        mode = request.headers.get("SplitSDKImpressionsMode", "")
        return await handler(_Sent(request, key, mode, len(raw)), reader.read(raw))

    return endpoint


def _from_beacon(reader: JsonReader[Any], handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        beacon, size = await _read_beacon(request)
        key = await _authenticate_beacon(request, beacon)
        mode = beacon.sim if isinstance(beacon.sim, str) else ""
        return await handler(_Sent(request, key, mode, size), reader.convert(beacon.entries, "entries"))

    return endpoint


async def _read_beacon(request: Request) -> tuple[_Beacon, int]:
    raw = await _read_body(request)
    return _BEACON.read(raw), len(raw)


async def _authenticate_beacon(request: Request, beacon: _Beacon) -> SdkKey:
    return await authenticate(request, beacon.token if isinstance(beacon.token, str) else "")


async def _read_body(request: Request) -> bytes:
    """The body, unpacked. InvalidInput where it is not packed as it says, TooLarge where it is too large unpacked."""
    return _unpack(await request.body(), request.headers.get("content-encoding", "identity"))


def _unpack(raw: bytes, encoding: str) -> bytes:
    if encoding == "identity":
        return raw
    if encoding != "gzip":
        raise InvalidInput("The body can be plain or packed with gzip.")
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        unpacked = unpacker.decompress(raw, _MAX_UNPACKED_BYTES)
    except zlib.error:
        raise InvalidInput("The body is not gzip, as its Content-Encoding says.") from None
    if unpacker.unconsumed_tail:
        raise TooLarge
    if not unpacker.eof:
        raise InvalidInput("The packed body ends too early.")
    return unpacked
