"""Segments: creating and removing them, and putting them into environments. What is in one is changed elsewhere:
keys in `actions.segments.keys`, rules in `actions.segments.rule_based`.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from flagpost.actions.access import Actor, Right
from flagpost.actions.approvals import require_direct_change
from flagpost.actions.context import Context
from flagpost.actions.lookup import (
    get_visible_environment,
    get_visible_project,
    get_visible_project_and_environment,
    get_visible_segment,
)
from flagpost.actions.segments.usage import require_unused
from flagpost.actions.unit_of_work import Change, Subject, transactional
from flagpost.errors import Conflict, InvalidInput, NotFound, Problem
from flagpost.flags.naming_rules import segment_name_problem
from flagpost.flags.segment_rules import no_rules
from flagpost.flags.targeting import SegmentKind
from flagpost.store.locks import Lock
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


@transactional
def create_segment(
    change: Change, project: str, kind: SegmentKind, *, name: str, traffic_type: str, description: str = ""
) -> Segment:
    """A new segment, in no environment yet."""
    change.actor.require(Right.EDIT_SEGMENTS)
    found = get_visible_project(change.tx, change.actor, project, lock=Lock.SHARE)
    for_type = projects.find_traffic_type(change.tx, found.id, traffic_type)
    checks = [("name", segment_name_problem(name)), ("description", _description_problem(description))]
    if for_type is None:
        checks.append(("trafficType", f"There is no traffic type “{traffic_type}” in {found.name}."))
    problems = [Problem(path, problem) for path, problem in checks if problem]
    if problems or for_type is None:
        raise InvalidInput(problems)
    if segments.find(change.tx, found.id, name):
        raise Conflict(f"There is a segment “{name}” in {found.name} already.")
    new = segments.insert(change.tx, found.id, name, kind, for_type.id, description, change.now)
    change.saved("created", segment_subject(new), after=_shown(new))
    return new


@transactional
def describe_segment(change: Change, project: str, segment: str, description: str) -> None:
    """Replace the description of a segment."""
    change.actor.require(Right.EDIT_SEGMENTS)
    if problem := _description_problem(description):
        raise InvalidInput(problem, "description")
    found = get_visible_project(change.tx, change.actor, project)
    old = get_visible_segment(change.tx, found, segment, EVERY_KIND, lock=Lock.CHANGE)
    segments.update(change.tx, old.id, description)
    new = get_visible_segment(change.tx, found, old.id, EVERY_KIND)
    change.saved("updated", segment_subject(new), before=_shown(old), after=_shown(new))


@transactional
def delete_segment(change: Change, project: str, segment: str, kinds: Collection[SegmentKind] = EVERY_KIND) -> None:
    """Remove a segment that is in no environment any more. Conflict, with the list, where something uses it."""
    change.actor.require(Right.EDIT_SEGMENTS)
    found = get_visible_project(change.tx, change.actor, project)
    old = get_visible_segment(change.tx, found, segment, kinds, lock=Lock.DELETE)
    require_unused(change.tx, found, old.name, None)
    if there := segments.definitions_of(change.tx, old.id):
        names = ", ".join(one.environment_name for one in there)
        raise Conflict(f"“{old.name}” is still in {names}. Remove it there first.")
    segments.remove(change.tx, old.id, change.now)
    change.saved("deleted", segment_subject(old), before=_shown(old))


@transactional
def add_to_environment(
    change: Change, environment: str, segment: str, kinds: Collection[SegmentKind] = EVERY_KIND
) -> SegmentDefinition:
    """Put a segment into an environment (by id), empty. Conflict where it is in it already."""
    change.actor.require(Right.EDIT_SEGMENTS)
    tx = change.tx
    project, place = get_visible_project_and_environment(tx, change.actor, environment, lock=Lock.SHARE)
    found = get_visible_segment(tx, project, segment, kinds, lock=Lock.CHANGE)
    if segments.find_definition(tx, place.id, found.name):
        raise Conflict(f"“{found.name}” is in {place.name} already.")
    body = no_rules() if found.kind is SegmentKind.RULE_BASED else None
    segments.add_definition(tx, found, place.id, body, change.actor.name, change.now)
    change.saved("added_to_environment", segment_subject(found, place))
    new = segments.find_definition(tx, place.id, found.name)
    assert new is not None  # noqa: S101 - added above
    return new


@transactional
def remove_from_environment(
    change: Change, environment: str, segment: str, kinds: Collection[SegmentKind] = EVERY_KIND
) -> None:
    """Take a segment out of an environment. Conflict where it has keys or rules there, or something there uses it."""
    change.actor.require(Right.EDIT_SEGMENTS)
    there = lock_segment(change, environment, segment, kinds)
    require_direct_change(change.tx, change.actor, there.environment, there.segment.id)
    require_unused(change.tx, there.project, there.segment.name, there.environment)
    if count := there.definition.key_count:
        raise Conflict(f"“{there.segment.name}” has {count:,} keys in {there.environment.name}. Remove them first.")
    segments.change_definition(
        change.tx, there.definition, change.actor.name, change.now, removed_at=change.now, body=None
    )
    change.saved("removed_from_environment", there.subject, before=there.definition.body)


@dataclass(frozen=True, slots=True)
class SegmentPlace:
    """A segment in an environment, held until the commit."""

    project: Project
    environment: Environment
    definition: SegmentDefinition

    @property
    def segment(self) -> Segment:
        """The segment, whatever the environment."""
        return self.definition.segment

    @property
    def subject(self) -> Subject:
        """The subject of what happens to the segment in the environment."""
        return segment_subject(self.segment, self.environment)


def lock_segment(change: Change, environment: str, segment: str, kinds: Collection[SegmentKind]) -> SegmentPlace:
    """Within a change: a segment in an environment (by id), held until the commit. NotFound where it is not in it."""
    tx = change.tx
    project, place = get_visible_project_and_environment(tx, change.actor, environment, lock=Lock.SHARE)
    definition = segments.lock_definition(tx, place.id, segment)
    if definition is None or definition.segment.kind not in kinds:
        get_visible_segment(tx, project, segment, kinds)
        raise NotFound(f"“{segment}” is not in {place.name}. Add it there first.")
    return SegmentPlace(project, place, definition)


def segment_subject(segment: Segment, environment: Environment | None = None) -> Subject:
    """The subject of what happens to a segment, in an environment or as a whole."""
    return Subject("segment", segment.id, segment.name, segment.project_id, environment.id if environment else None)


def _description_problem(description: str) -> str | None:
    return f"A description has at most {MAX_DESCRIPTION:,} characters." if len(description) > MAX_DESCRIPTION else None


def _shown(segment: Segment) -> dict[str, Any]:
    return {
        "name": segment.name,
        "kind": segment.kind.value,
        "trafficType": segment.traffic_type.name,
        "description": segment.description,
    }
