"""Segments: creating and removing them, and putting them into environments. What is in one is changed elsewhere:
keys in `actions.segments.keys`, rules in `actions.segments.rule_based`.
"""

from collections.abc import Collection
from typing import Any

from flagpost.actions.access import Actor, Right
from flagpost.actions.approvals import require_direct_change
from flagpost.actions.audit import record
from flagpost.actions.context import Context
from flagpost.actions.lookup import (
    get_visible_environment,
    get_visible_project,
    get_visible_project_and_environment,
    get_visible_segment,
)
from flagpost.actions.segments.usage import require_unused
from flagpost.errors import Conflict, InvalidInput, NotFound, Problem
from flagpost.flags.naming_rules import segment_name_problem
from flagpost.flags.segment_rules import no_rules
from flagpost.flags.targeting import SegmentKind
from flagpost.store.db import Transaction
from flagpost.store.projects import projects
from flagpost.store.records import Environment, Page, Project
from flagpost.store.segments import segments
from flagpost.store.segments.segments import Segment, SegmentDefinition

MAX_DESCRIPTION = 10_000
EVERY_KIND = tuple(SegmentKind)


def list_segments(
    ctx: Context,
    actor: Actor,
    project: str,
    kinds: Collection[SegmentKind] = EVERY_KIND,
    *,
    text: str = "",
    offset: int = 0,
    limit: int = 50,
) -> Page[Segment]:
    """A project's segments whose name contains `text`, by name."""
    actor.require(Right.VIEW_SEGMENTS)
    with ctx.db.read() as tx:
        return segments.page(tx, get_visible_project(tx, actor, project).id, kinds, text, offset, limit)


def get_segment(
    ctx: Context, actor: Actor, project: str, segment: str, kinds: Collection[SegmentKind] = EVERY_KIND
) -> Segment:
    """One segment, by name or id."""
    actor.require(Right.VIEW_SEGMENTS)
    with ctx.db.read() as tx:
        return get_visible_segment(tx, get_visible_project(tx, actor, project), segment, kinds)


def list_in_environment(
    ctx: Context,
    actor: Actor,
    project: str,
    environment: str,
    kinds: Collection[SegmentKind] = EVERY_KIND,
    *,
    offset: int = 0,
    limit: int = 50,
) -> Page[SegmentDefinition]:
    """The segments that are in an environment, by name."""
    actor.require(Right.VIEW_SEGMENTS)
    with ctx.db.read() as tx:
        place = get_visible_environment(tx, actor, get_visible_project(tx, actor, project), environment)
        return segments.definitions_page(tx, place.id, kinds, offset, limit)


def kinds_in_environment(
    ctx: Context, actor: Actor, project: str, environment: str, names: Collection[str]
) -> dict[str, SegmentKind]:
    """Of what kind those of these segments are that are in an environment, by name."""
    actor.require(Right.VIEW_SEGMENTS)
    with ctx.db.read() as tx:
        place = get_visible_environment(tx, actor, get_visible_project(tx, actor, project), environment)
        return segments.kinds_of(tx, place.id, names)


def create_segment(
    ctx: Context, actor: Actor, project: str, kind: SegmentKind, *, name: str, traffic_type: str, description: str = ""
) -> Segment:
    """A new segment, in no environment yet."""
    actor.require(Right.EDIT_SEGMENTS)
    now = ctx.clock()
    with ctx.db.write() as tx:
        found = get_visible_project(tx, actor, project)
        for_type = projects.find_traffic_type(tx, found.id, traffic_type)
        checks = [("name", segment_name_problem(name)), ("description", _description_problem(description))]
        if for_type is None:
            checks.append(("trafficType", f"There is no traffic type “{traffic_type}” in {found.name}."))
        problems = [Problem(path, problem) for path, problem in checks if problem]
        if problems or for_type is None:
            raise InvalidInput(problems)
        if segments.find(tx, found.id, name):
            raise Conflict(f"There is a segment “{name}” in {found.name} already.")
        new = segments.insert(tx, found.id, name, kind, for_type.id, description, now)
        record_segment(tx, actor, now, new, "created", after=_shown(new))
    return new


def describe_segment(ctx: Context, actor: Actor, project: str, segment: str, description: str) -> None:
    """Say anew what a segment is for."""
    actor.require(Right.EDIT_SEGMENTS)
    if problem := _description_problem(description):
        raise InvalidInput(problem, "description")
    now = ctx.clock()
    with ctx.db.write() as tx:
        found = get_visible_project(tx, actor, project)
        old = get_visible_segment(tx, found, segment, EVERY_KIND)
        segments.update(tx, old.id, description)
        new = get_visible_segment(tx, found, old.id, EVERY_KIND)
        record_segment(tx, actor, now, new, "updated", before=_shown(old), after=_shown(new))


def delete_segment(
    ctx: Context, actor: Actor, project: str, segment: str, kinds: Collection[SegmentKind] = EVERY_KIND
) -> None:
    """Remove a segment that is in no environment any more. Conflict, with the list, where something uses it."""
    actor.require(Right.EDIT_SEGMENTS)
    now = ctx.clock()
    with ctx.db.write() as tx:
        found = get_visible_project(tx, actor, project)
        old = get_visible_segment(tx, found, segment, kinds, locked=True)
        require_unused(tx, found, old.name, None)
        if there := segments.definitions_of(tx, old.id):
            names = ", ".join(one.environment_name for one in there)
            raise Conflict(f"“{old.name}” is still in {names}. Remove it there first.")
        segments.remove(tx, old.id, now)
        record_segment(tx, actor, now, old, "deleted", before=_shown(old))


def add_to_environment(
    ctx: Context, actor: Actor, environment: str, segment: str, kinds: Collection[SegmentKind] = EVERY_KIND
) -> SegmentDefinition:
    """Put a segment into an environment (by id), empty. Conflict where it is there already."""
    actor.require(Right.EDIT_SEGMENTS)
    now = ctx.clock()
    with ctx.db.write() as tx:
        project, place = get_visible_project_and_environment(tx, actor, environment)
        found = get_visible_segment(tx, project, segment, kinds, locked=True)
        if segments.find_definition(tx, place.id, found.name):
            raise Conflict(f"“{found.name}” is in {place.name} already.")
        body = no_rules() if found.kind is SegmentKind.RULE_BASED else None
        segments.add_definition(tx, found, place.id, body, actor.name, now)
        record_segment(tx, actor, now, found, "added_to_environment", place)
        new = segments.find_definition(tx, place.id, found.name)
    assert new is not None  # noqa: S101 - added above
    return new


def remove_from_environment(
    ctx: Context, actor: Actor, environment: str, segment: str, kinds: Collection[SegmentKind] = EVERY_KIND
) -> None:
    """Take a segment out of an environment. Conflict where it has keys or rules there, or something there uses it."""
    actor.require(Right.EDIT_SEGMENTS)
    now = ctx.clock()
    with ctx.db.write() as tx:
        project, place, old = reach_to_change(tx, actor, environment, segment, kinds)
        require_direct_change(tx, actor, place, old.segment.id)
        require_unused(tx, project, old.segment.name, place)
        if old.key_count:
            raise Conflict(f"“{old.segment.name}” has {old.key_count:,} keys in {place.name}. Remove them first.")
        segments.change_definition(tx, old, actor.name, now, removed_at=now, body=None)
        record_segment(tx, actor, now, old.segment, "removed_from_environment", place, before=old.body)


def reach_to_change(
    tx: Transaction, actor: Actor, environment: str, segment: str, kinds: Collection[SegmentKind]
) -> tuple[Project, Environment, SegmentDefinition]:
    """A segment in an environment (by id), kept from changes by others until the commit."""
    project, place = get_visible_project_and_environment(tx, actor, environment)
    definition = segments.find_definition(tx, place.id, segment, locked=True)
    if definition is None or definition.segment.kind not in kinds:
        get_visible_segment(tx, project, segment, kinds)
        raise NotFound(f"“{segment}” is not in {place.name}. Add it there first.")
    return project, place, definition


def record_segment(
    tx: Transaction,
    actor: Actor,
    now: int,
    segment: Segment,
    change: str,
    environment: Environment | None = None,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    title: str = "",
    comment: str = "",
) -> None:
    """Note a change of a segment in the audit log."""
    record(
        tx,
        actor,
        now,
        change,
        object_type="segment",
        object_id=segment.id,
        object_name=segment.name,
        project_id=segment.project_id,
        environment_id=environment.id if environment else None,
        before=before,
        after=after,
        title=title,
        comment=comment,
    )


def _description_problem(description: str) -> str | None:
    return f"A description has at most {MAX_DESCRIPTION:,} characters." if len(description) > MAX_DESCRIPTION else None


def _shown(segment: Segment) -> dict[str, Any]:
    return {
        "name": segment.name,
        "kind": segment.kind.value,
        "trafficType": segment.traffic_type.name,
        "description": segment.description,
    }
