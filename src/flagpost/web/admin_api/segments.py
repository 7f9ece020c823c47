"""Segments: standard and large ones with their keys, rule-based ones with their rules.

Split has the same paths three times over, for each kind of segment, and three ways to list them.
"""

import json
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from flagpost.actions.change_requests import requests as change_requests
from flagpost.actions.segments import keys as segment_keys
from flagpost.actions.segments import rule_based, segments
from flagpost.actions.unit_of_work import Summary
from flagpost.errors import InvalidInput
from flagpost.flags.targeting import SegmentKind
from flagpost.store.records import Page
from flagpost.web.admin_api import segment_schemas as shapes
from flagpost.web.admin_api.documented import Key, Offset
from flagpost.web.admin_api.files import FILE_BODY, File
from flagpost.web.admin_api.schemas import paged
from flagpost.web.state import Ctx

router = APIRouter()
Json = dict[str, Any]
_AT_MOST = 50


def _objects(page: Page[Any], show: Callable[[Any], Json]) -> Any:
    return paged(page, show)


def _plain(page: Page[Any], show: Callable[[Any], Json]) -> Any:
    return [show(one) for one in page.items]


def _routes(kind: SegmentKind, base: str, tag: str, listed: Callable[..., Any], most: int) -> APIRouter:
    """The paths that every kind of segment has, below `base`."""
    part = APIRouter(prefix=f"/{base}", tags=[tag])
    _add_project_routes(part, kind, listed, most)
    _add_environment_routes(part, kind, listed, most)
    return part


def _add_project_routes(part: APIRouter, kind: SegmentKind, listed: Callable[..., Any], most: int) -> None:
    kinds = (kind,)
    Limit = Annotated[int, Query(ge=1)]

    @part.get("/ws/{workspace}")
    def list_segments(ctx: Ctx, key: Key, workspace: str, offset: Offset = 0, limit: Limit = most) -> Any:
        """A project's segments of this kind, by name."""
        page = segments.list_segments(ctx, key, workspace, kinds, offset=offset, limit=min(limit, most))
        return listed(page, shapes.segment)

    @part.post("/ws/{workspace}/trafficTypes/{traffic_type}")
    def create_segment(ctx: Ctx, key: Key, workspace: str, traffic_type: str, body: shapes.NewSegment) -> Json:
        """A new segment, in no environment yet."""
        described = {"name": body.name, "description": body.description or ""}
        return shapes.segment(
            segments.create_segment(ctx, key, workspace, kind, traffic_type=traffic_type, **described)
        )

    @part.get("/ws/{workspace}/{segment}")
    def get_segment(ctx: Ctx, key: Key, workspace: str, segment: str) -> Json:
        """One segment."""
        return shapes.segment(segments.get_segment(ctx, key, workspace, segment, kinds))

    @part.delete("/ws/{workspace}/{segment}")
    def delete_segment(ctx: Ctx, key: Key, workspace: str, segment: str) -> bool:
        """Remove a segment that is in no environment any more; 409, with the list, where flags use it."""
        segments.delete_segment(ctx, key, workspace, segment, kinds)
        return True


def _add_environment_routes(part: APIRouter, kind: SegmentKind, listed: Callable[..., Any], most: int) -> None:
    kinds = (kind,)
    Limit = Annotated[int, Query(ge=1)]

    @part.get("/ws/{workspace}/environments/{environment}")
    def list_in_environment(
        ctx: Ctx, key: Key, workspace: str, environment: str, offset: Offset = 0, limit: Limit = most
    ) -> Any:
        """The segments of this kind that are in an environment, by name."""
        page = segments.list_in_environment(
            ctx, key, workspace, environment, kinds, offset=offset, limit=min(limit, most)
        )
        waiting = change_requests.open_in_environment(
            ctx, key, workspace, environment, [one.segment.id for one in page.items]
        )
        return listed(page, lambda one: shapes.segment_definition(one, waiting.get(one.segment.id)))

    @part.post("/{environment}/{segment}")
    def add_to_environment(ctx: Ctx, key: Key, environment: str, segment: str) -> Json:
        """Put a segment into an environment (by id), empty."""
        return shapes.segment_definition(segments.add_to_environment(ctx, key, environment, segment, kinds))

    @part.delete("/{environment}/{segment}")
    def remove_from_environment(ctx: Ctx, key: Key, environment: str, segment: str) -> bool:
        """Take an empty segment out of an environment; 409, with the list, where flags there use it."""
        segments.remove_from_environment(ctx, key, environment, segment, kinds)
        return True


_standard = _routes(SegmentKind.STANDARD, "segments", "Segments", _objects, _AT_MOST)
_large = _routes(SegmentKind.LARGE, "large-segments", "Large segments", _plain, 1000)
_rule_based = _routes(SegmentKind.RULE_BASED, "rule-based-segments", "Rule-based segments", _plain, _AT_MOST)


@_standard.get("/{environment}/{segment}/keys")
def list_keys(
    ctx: Ctx,
    key: Key,
    environment: str,
    segment: str,
    offset: Offset = 0,
    limit: Annotated[int, Query(ge=1)] = 100,
) -> Json:
    """A segment's keys in an environment (by id), in order; at most 100 a page."""
    page = segment_keys.list_keys(ctx, key, environment, segment, offset=offset, limit=min(limit, 100))
    return shapes.keys(page, change_requests.open_of_segment(ctx, key, environment, segment))


@_standard.put("/{environment}/{segment}/uploadKeys")
def upload_keys(ctx: Ctx, key: Key, environment: str, segment: str, body: shapes.Keys, replace: bool = False) -> Json:
    """Add keys, at most 100,000; with `replace`, exactly these are in it then."""
    summary = Summary(body.title or "", body.comment or "")
    count = segment_keys.add_keys(ctx, key, environment, segment, body.keys, summary, replace=replace)
    return {"code": 200, "message": f"Added {count} keys"}


@_standard.put("/{environment}/{segment}/upload", openapi_extra=FILE_BODY)
def upload_file(
    ctx: Ctx, key: Key, request: Request, environment: str, segment: str, content: File, replace: bool = False
) -> Json:
    """The same with a file as the body: CSV with one key a line, or a JSON array of keys, by its content type."""
    is_json = "json" in request.headers.get("content-type", "")
    keys = _json_keys(content) if is_json else segment_keys.keys_of_csv(content)
    count = segment_keys.add_keys(ctx, key, environment, segment, keys, replace=replace)
    return {"code": 200, "message": f"Added {count} keys"}


@_standard.put("/{environment}/{segment}/removeKeys")
def remove_keys(ctx: Ctx, key: Key, environment: str, segment: str, body: shapes.Keys) -> Json:
    """Take keys out, at most 100,000."""
    summary = Summary(body.title or "", body.comment or "")
    count = segment_keys.remove_keys(ctx, key, environment, segment, body.keys, summary)
    return {"code": 200, "message": f"Deleted {count} keys"}


@_rule_based.put("/ws/{workspace}/{segment}/environments/{environment}")
def save_rules(ctx: Ctx, key: Key, workspace: str, segment: str, environment: str, body: Json) -> Json:
    """Replace a rule-based segment's `rules`, `excludedKeys` and `excludedSegments` in an environment."""
    said = {name: body[name] for name in ("title", "comment") if isinstance(body.get(name), str)}
    new = rule_based.save_rules(ctx, key, workspace, environment, segment, body, Summary(**said))
    return shapes.segment_definition(new)


def _json_keys(content: bytes) -> list[str]:
    try:
        keys = json.loads(content)
    except ValueError:
        keys = None
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise InvalidInput("Send a JSON array of keys, each a text.")
    return keys


for _part in (_standard, _large, _rule_based):
    router.include_router(_part)
