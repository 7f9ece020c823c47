"""Segments in the bodies of Split's Admin API."""

from typing import Any

from flagpost.flags.segment_rules import no_rules
from flagpost.flags.targeting import SegmentKind
from flagpost.store.records import Page
from flagpost.store.segments.segments import Segment, SegmentDefinition
from flagpost.web.admin_api.schemas import Body

Json = dict[str, Any]


class NewSegment(Body):
    """A segment to create."""

    name: str
    description: str | None = None


class Keys(Body):
    """Keys to add or remove, and why."""

    keys: list[str]
    title: str | None = None
    comment: str | None = None


def segment(one: Segment) -> Json:
    """A segment as Split shows it."""
    return {
        "id": one.id,
        "name": one.name,
        "description": one.description,
        "trafficType": {"id": one.traffic_type.id, "name": one.traffic_type.name},
        "creationTime": one.created_at,
        "status": "ACTIVE",
        "tags": None,
    }


def segment_definition(one: SegmentDefinition, open_change_request: str | None = None) -> Json:
    """A segment in an environment as Split shows it."""
    shown = {
        "id": one.id,
        "name": one.segment.name,
        "environment": {"id": one.environment_id, "name": one.environment_name},
        "trafficType": {"id": one.segment.traffic_type.id, "name": one.segment.traffic_type.name},
        "creationTime": one.created_at,
        "lastUpdateTime": one.updated_at,
        "openChangeRequestId": open_change_request,
    }
    if one.segment.kind is SegmentKind.RULE_BASED:
        return shown | (one.body or no_rules())
    return shown | {"keyCount": one.key_count}


def keys(page: Page[str], open_change_request: str | None) -> Json:
    """A page of keys as Split shows it."""
    return {
        "keys": [{"key": key} for key in page.items],
        "openChangeRequestId": open_change_request,
        "count": page.total,
        "offset": page.offset,
        "limit": page.limit,
    }
