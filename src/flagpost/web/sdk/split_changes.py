"""What Split's SDKs download, and then poll for changes of: flags, segments, and the segments of one key.

Source: Split's SDK protocol as its official SDKs implement it (specifications 1.1 to 1.3).
"""

from functools import lru_cache

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from flagpost.actions.context import Context
from flagpost.actions.segments.changes import list_key_changes
from flagpost.errors import InvalidInput
from flagpost.flags.split_wire_format import Spec
from flagpost.flags.targeting import SegmentKind
from flagpost.serving.environment import EncodedResponse, ServedKeySegment, encode_response
from flagpost.serving.json_codec import encode
from flagpost.serving.keys import SdkKey
from flagpost.store.segments.keys import KeyChanges
from flagpost.web.sdk.authenticated_routes import SERVER_ONLY, sdk_key_route
from flagpost.web.sdk.response_cache import allow_caching
from flagpost.web.sdk.responses import environment_of, render_encoded
from flagpost.web.state import serving

_MAX_CHARACTERS = 250  # of a key; the Admin API has the same limit


def routes() -> list[BaseRoute]:
    """Client-side keys may ask about one key at a time; the keys of a segment are for servers only."""
    return [
        sdk_key_route("/splitChanges", _split_changes),
        sdk_key_route("/segmentChanges/{name:path}", _segment_changes, kinds=SERVER_ONLY),
        sdk_key_route("/memberships/{key:path}", _memberships),
        sdk_key_route("/mySegments/{key:path}", _my_segments),
    ]


async def _split_changes(request: Request, key: SdkKey) -> Response:
    served = await environment_of(request, key)
    query = _parse_query(request.scope["query_string"])
    allow_caching(request.scope, served)
    cached = served.cached_split_changes(*query)
    return render_encoded(request, cached if cached else await run_in_threadpool(served.split_changes, *query))


@lru_cache(1024)
def _parse_query(query: bytes) -> tuple[Spec, int, int, frozenset[str]]:
    """The arguments of `split_changes`; cached, because all SDKs that are up to date send the same query."""
    params = QueryParams(query)
    sets = frozenset(name for name in params.get("sets", "").split(",") if name)
    return _parse_spec(params), _parse_number(params, "since"), _parse_number(params, "rbSince"), sets


async def _segment_changes(request: Request, key: SdkKey) -> Response:
    served = await environment_of(request, key)
    name, since = request.path_params["name"], _parse_number(request.query_params, "since")
    segment = served.keys.get(name)
    if segment is None or segment.kind is not SegmentKind.STANDARD:
        return render_encoded(request, _encode_segment(name, since, KeyChanges([], [], -1)))
    if since == segment.change_number:
        return render_encoded(request, _encode_segment(name, since, KeyChanges([], [], since)))
    ctx = serving(request.scope).context
    return render_encoded(request, await run_in_threadpool(_encode_key_changes, ctx, segment, since))


def _encode_key_changes(ctx: Context, segment: ServedKeySegment, since: int) -> EncodedResponse:
    """The keys that were added and removed after a number.

    All keys where the number does not exist yet: the database was restored from a backup. This runs in a thread,
    because a hundred thousand keys take a while to encode and compress.
    """
    if since < 0 or since > segment.change_number:
        return _encode_segment(segment.name, since, KeyChanges(sorted(segment.keys), [], segment.change_number))
    return _encode_segment(segment.name, since, list_key_changes(ctx, segment.definition, since))


def _parse_spec(params: QueryParams) -> Spec:
    """The version of the protocol; without one, the oldest. A newer one is 400: SDKs then ask for an older one."""
    version = params.get("s", Spec.V1_1.value)
    try:
        return Spec(version)
    except ValueError:
        raise InvalidInput(f"Flagpost knows versions 1.1 to 1.3 of this, not {version[:20]}.", "s") from None


def _parse_number(params: QueryParams, name: str) -> int:
    text = params.get(name, "-1")
    if not text.removeprefix("-").isdecimal() or len(text) > 18:
        raise InvalidInput("This is no change number.", name)
    return int(text)


def _parse_key(request: Request) -> str:
    key: str = request.path_params["key"]
    if not key or len(key) > _MAX_CHARACTERS:
        raise InvalidInput(f"A key has 1 to {_MAX_CHARACTERS} characters.", "key")
    return key


def _encode_segment(name: str, since: int, changes: KeyChanges) -> EncodedResponse:
    body = {"name": name, "added": changes.added, "removed": changes.removed, "since": since, "till": changes.number}
    return encode_response(encode(body))


async def _memberships(request: Request, key: SdkKey) -> Response:
    served = await environment_of(request, key)
    return render_encoded(request, encode_response(served.memberships(_parse_key(request))))


async def _my_segments(request: Request, key: SdkKey) -> Response:
    served = await environment_of(request, key)
    return render_encoded(request, encode_response(served.my_segments(_parse_key(request))))
