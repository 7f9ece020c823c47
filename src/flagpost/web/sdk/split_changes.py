"""What Split's SDKs download, and then ask for again and again: flags, segments, and the segments of one key.

Source: Split's SDK protocol as its official SDKs speak it (specifications 1.1 to 1.3).
"""

import json
from functools import lru_cache

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from flagpost.actions.context import Context
from flagpost.errors import InvalidInput
from flagpost.flags.split_wire_format import Spec
from flagpost.flags.targeting import SegmentKind
from flagpost.serving.environment import EncodedResponse, ServedKeys, encode_response
from flagpost.serving.keys import SdkKey
from flagpost.store.segments import keys as segment_keys
from flagpost.store.segments.keys import KeyChanges
from flagpost.web.sdk.authenticated_routes import SERVER_ONLY, for_applications
from flagpost.web.sdk.response_cache import note_what_it_is_made_from
from flagpost.web.sdk.responses import sent, served_to
from flagpost.web.state import serving

_MOST_CHARACTERS = 250  # of a key, as the Admin API takes them


def routes() -> list[BaseRoute]:
    """Client-side keys may ask about one key at a time; the keys of a segment are for servers only."""
    return [
        for_applications("/splitChanges", _split_changes),
        for_applications("/segmentChanges/{name:path}", _segment_changes, kinds=SERVER_ONLY),
        for_applications("/memberships/{key:path}", _memberships),
        for_applications("/mySegments/{key:path}", _my_segments),
    ]


async def _split_changes(request: Request, key: SdkKey) -> Response:
    served = await served_to(request, key)
    asked = _asked_changes(request.scope["query_string"])
    note_what_it_is_made_from(request.scope, served)
    known = served.known_changes(*asked)
    return sent(request, known if known else await run_in_threadpool(served.split_changes, *asked))


@lru_cache(1024)
def _asked_changes(query: bytes) -> tuple[Spec, int, int, frozenset[str]]:
    """What a query asks for; remembered, as every SDK that has heard of everything asks with the same."""
    told = QueryParams(query)
    sets = frozenset(name for name in told.get("sets", "").split(",") if name)
    return _spec(told), _number(told, "since"), _number(told, "rbSince"), sets


async def _segment_changes(request: Request, key: SdkKey) -> Response:
    served = await served_to(request, key)
    name, since = request.path_params["name"], _number(request.query_params, "since")
    segment = served.keys.get(name)
    if segment is None or segment.kind is not SegmentKind.STANDARD:
        return sent(request, _segment(name, since, KeyChanges([], [], -1)))
    if since == segment.number:
        return sent(request, _segment(name, since, KeyChanges([], [], since)))
    ctx = serving(request.scope).context
    return sent(request, await run_in_threadpool(_since, ctx, segment, since))


def _since(ctx: Context, segment: ServedKeys, since: int) -> EncodedResponse:
    """What became of the keys after this number; all of them for one that is not given yet, as after a restore.

    In a thread: a hundred thousand keys take a while to be written and packed.
    """
    if since < 0 or since > segment.number:
        return _segment(segment.name, since, KeyChanges(sorted(segment.keys), [], segment.number))
    with ctx.db.read() as tx:
        changed = segment_keys.changed_since(tx, segment.definition, since)
    return _segment(segment.name, since, changed)


def _spec(told: QueryParams) -> Spec:
    """The version of the protocol; without one, the oldest. A newer one is 400: SDKs then ask for an older."""
    asked = told.get("s", Spec.V1_1.value)
    try:
        return Spec(asked)
    except ValueError:
        raise InvalidInput(f"Flagpost knows versions 1.1 to 1.3 of this, not {asked[:20]}.", "s") from None


def _number(told: QueryParams, name: str) -> int:
    text = told.get(name, "-1")
    if not text.removeprefix("-").isdecimal() or len(text) > 18:
        raise InvalidInput("This is no change number.", name)
    return int(text)


def _asked_key(request: Request) -> str:
    asked: str = request.path_params["key"]
    if not asked or len(asked) > _MOST_CHARACTERS:
        raise InvalidInput(f"A key has 1 to {_MOST_CHARACTERS} characters.", "key")
    return asked


def _segment(name: str, since: int, changed: KeyChanges) -> EncodedResponse:
    body = {"name": name, "added": changed.added, "removed": changed.removed, "since": since, "till": changed.number}
    return encode_response(json.dumps(body, separators=(",", ":")).encode())


async def _memberships(request: Request, key: SdkKey) -> Response:
    served = await served_to(request, key)
    return sent(request, encode_response(served.memberships(_asked_key(request))))


async def _my_segments(request: Request, key: SdkKey) -> Response:
    served = await served_to(request, key)
    return sent(request, encode_response(served.my_segments(_asked_key(request))))
