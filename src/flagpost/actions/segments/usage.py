"""Who uses a segment, and that what is used is there.

SDKs wait for every segment that a flag names before they answer anything. So a definition that names one that is not in
its environment is refused, and a segment that is named cannot be removed; where both happen at once, one of them loses
(`store.segments.segments.lock_named`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flagpost.actions.access import Actor, Right
from flagpost.actions.context import Context
from flagpost.actions.lookup import get_visible_project
from flagpost.errors import Conflict, Problem
from flagpost.flags.segment_rules import segments_named
from flagpost.store.db import Transaction
from flagpost.store.flags.dependencies import places_referring_to
from flagpost.store.projects import projects
from flagpost.store.records import Environment, Project
from flagpost.store.segments import segments


@dataclass(frozen=True, slots=True)
class SegmentUse:
    """A feature flag or a rule-based segment that names a segment, and where."""

    kind: str
    name: str
    environment: str


def list_uses(ctx: Context, actor: Actor, project: str, segment: str) -> list[SegmentUse]:
    """Everything that uses a segment (by name), in every environment."""
    actor.require(Right.VIEW_SEGMENTS)
    with ctx.db.read() as tx:
        return read_uses(tx, get_visible_project(tx, actor, project), segment)


def require_unused(tx: Transaction, project: Project, segment: str, environment: Environment | None) -> None:
    """Conflict, with the list, where something uses the segment: in this environment, or in any."""
    uses = read_uses(tx, project, segment, environment)
    if not uses:
        return
    shown = ", ".join(f"{one.name} ({one.environment})" for one in uses[:20])
    more = f" and {len(uses) - 20} more" if len(uses) > 20 else ""
    raise Conflict(f"“{segment}” is used by {shown}{more}. Change their rules first.")


def read_uses(
    tx: Transaction, project: Project, segment: str, environment: Environment | None = None
) -> list[SegmentUse]:
    """Within a transaction: everything that uses a segment (by name), in one environment or in every one."""
    found = [
        SegmentUse("flag", row.flag, row.environment)
        for row in places_referring_to(tx, project.id, "segment", [segment])
        if environment is None or row.environment_id == environment.id
    ]
    places = [environment] if environment else projects.list_environments(tx, project.id)
    for place in places:
        others = segments.rule_based_in(tx, place.id)
        found += [
            SegmentUse("segment", one.segment.name, place.name)
            for one in others
            if one.body and segment in segments_named(one.body) and one.segment.name != segment
        ]
    return found


def missing_segments(tx: Transaction, environment: Environment, body: Mapping[str, Any]) -> list[Problem]:
    """One problem for each segment that `body` names and that is not in the environment; the others are kept there."""
    named = segments_named(body)
    there = segments.lock_named(tx, environment.id, list(named))
    return [
        Problem(path, f"There is no segment “{name}” in {environment.name}. Create it, or add it there, first.")
        for name, path in named.items()
        if name not in there
    ]
