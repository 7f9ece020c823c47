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
_PAGE_SIZE = 50
_Limit = Annotated[int | None, Query(ge=1)]


_Show = Callable[[Any], Json]


def _objects(page: Page[Any], show: _Show) -> Any:
    return paged(page, show)


def _plain(page: Page[Any], show: _Show) -> Any:
    return [show(one) for one in page.items]


class _Routes:
    """The paths that every kind of segment has, as methods; `router` serves them below a base path.

    `listed` is how this kind is listed, with at most `page_size` segments a page.
    """

    def __init__(self, kind: SegmentKind, base: str, tag: str, listed: Callable[..., Any], page_size: int) -> None:
        self._kind, self._listed, self._page_size = kind, listed, page_size
        self.router = APIRouter(prefix=f"/{base}", tags=[tag])
        for method, path, handler in (
            ("GET", "/ws/{workspace}", self.list_segments),
            ("POST", "/ws/{workspace}/trafficTypes/{traffic_type}", self.create_segment),
            ("GET", "/ws/{workspace}/{segment}", self.get_segment),
            ("DELETE", "/ws/{workspace}/{segment}", self.delete_segment),
            ("GET", "/ws/{workspace}/environments/{environment}", self.list_in_environment),
            ("POST", "/{environment}/{segment}", self.add_to_environment),
            ("DELETE", "/{environment}/{segment}", self.remove_from_environment),
        ):
            self.router.add_api_route(path, handler, methods=[method])

    def list_segments(self, ctx: Ctx, key: Key, workspace: str, offset: Offset = 0, limit: _Limit = None) -> Any:
        """A project's segments of this kind, by name."""
        page = segments.list_segments(ctx, key, workspace, (self._kind,), offset=offset, limit=self._at_most(limit))
        return self._listed(page, shapes.segment)

    def create_segment(self, ctx: Ctx, key: Key, workspace: str, traffic_type: str, body: shapes.NewSegment) -> Json:
        """A new segment, in no environment yet."""
        described = {"name": body.name, "traffic_type": traffic_type, "description": body.description or ""}
        return shapes.segment(segments.create_segment(ctx, key, workspace, self._kind, **described))

    def get_segment(self, ctx: Ctx, key: Key, workspace: str, segment: str) -> Json:
        """One segment."""
        return shapes.segment(segments.get_segment(ctx, key, workspace, segment, (self._kind,)))

    def delete_segment(self, ctx: Ctx, key: Key, workspace: str, segment: str) -> bool:
        """Remove a segment that is in no environment; 409, with the list, where flags use it."""
        segments.delete_segment(ctx, key, workspace, segment, (self._kind,))
        return True

    def list_in_environment(
        self, ctx: Ctx, key: Key, workspace: str, environment: str, offset: Offset = 0, limit: _Limit = None
    ) -> Any:
        """The segments of this kind that are in an environment, by name."""
        place = (ctx, key, workspace, environment)
        page = segments.list_in_environment(*place, (self._kind,), offset=offset, limit=self._at_most(limit))
        waiting = change_requests.open_in_environment(*place, [one.segment.id for one in page.items])
        return self._listed(page, lambda one: shapes.segment_definition(one, waiting.get(one.segment.id)))

    def add_to_environment(self, ctx: Ctx, key: Key, environment: str, segment: str) -> Json:
        """Put a segment into an environment (by id), empty."""
        return shapes.segment_definition(segments.add_to_environment(ctx, key, environment, segment, (self._kind,)))

    def remove_from_environment(self, ctx: Ctx, key: Key, environment: str, segment: str) -> bool:
        """Remove an empty segment from an environment; 409, with the list, where flags there use it."""
        segments.remove_from_environment(ctx, key, environment, segment, (self._kind,))
        return True

    def _at_most(self, limit: int | None) -> int:
        return min(limit or self._page_size, self._page_size)


_standard = _Routes(SegmentKind.STANDARD, "segments", "Segments", _objects, _PAGE_SIZE).router
_large = _Routes(SegmentKind.LARGE, "large-segments", "Large segments", _plain, 1000).router
_rule_based = _Routes(SegmentKind.RULE_BASED, "rule-based-segments", "Rule-based segments", _plain, _PAGE_SIZE).router


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
    """Add keys, at most 100,000; with `replace`, the segment has exactly these afterwards."""
    summary = Summary(body.title or "", body.comment or "")
    count = segment_keys.add_keys(ctx, key, environment, segment, body.keys, summary, replace=replace)
    return {"code": 200, "message": f"Added {count} keys"}


@_standard.put("/{environment}/{segment}/upload", openapi_extra=FILE_BODY)
def upload_file(
    ctx: Ctx, key: Key, request: Request, environment: str, segment: str, content: File, replace: bool = False
) -> Json:
    """Add the keys of a file: CSV with one key a line, or a JSON array of keys, by its content type."""
    is_json = "json" in request.headers.get("content-type", "")
    keys = _json_keys(content) if is_json else segment_keys.keys_of_csv(content)
    count = segment_keys.add_keys(ctx, key, environment, segment, keys, replace=replace)
    return {"code": 200, "message": f"Added {count} keys"}


@_standard.put("/{environment}/{segment}/removeKeys")
def remove_keys(ctx: Ctx, key: Key, environment: str, segment: str, body: shapes.Keys) -> Json:
    """Remove keys, at most 100,000."""
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
