"""Imports a project's segments, with their keys and rules in each environment."""

from flagpost.actions.imports.split_account import Outcome, import_keys, import_rules, import_segment, was_changed_here
from flagpost.actions.segments import segments
from flagpost.commands.split_migration.account import EnvironmentItem, SplitEnvironment
from flagpost.commands.split_migration.definition import normalize
from flagpost.commands.split_migration.project import ProjectMigration, all_pages
from flagpost.flags.naming_rules import key_problem
from flagpost.flags.targeting import SegmentKind
from flagpost.formatting import counted
from flagpost.store.records import Environment

_BASES = {
    SegmentKind.STANDARD: "segments",
    SegmentKind.LARGE: "large-segments",
    SegmentKind.RULE_BASED: "rule-based-segments",
}


def import_segments(project: ProjectMigration) -> None:
    """Import every segment, add it to its environments, and then import its keys or rules.

    The order matters: rules can refer to any other segment.
    """
    for kind in _BASES:
        _import_kind(project, kind)
    for source, target in project.environments:
        present = _add_to_environment(project, source, target)
        for one in project.progress(present[SegmentKind.STANDARD], f"keys of segments in {source.name}"):
            _import_keys(project, source, target, one.name)
        for one in present[SegmentKind.RULE_BASED]:
            _import_rules(project, source, target, one)


def _import_kind(project: ProjectMigration, kind: SegmentKind) -> None:
    found = project.read(_BASES[kind], lambda: project.account.segments(project.source, _BASES[kind]))
    for one in found or ():
        wanted = {"name": one.name, "traffic_type": one.trafficType.name, "description": one.description or ""}
        ctx, actor, id = project.ctx, project.actor, project.target.id
        project.attempt("segment", one.name, import_segment, ctx, actor, id, kind, **wanted)


def _add_to_environment(
    project: ProjectMigration, source: SplitEnvironment, target: Environment
) -> dict[SegmentKind, list[EnvironmentItem]]:
    """Add the segments of an environment. Gives those that are in it afterwards, as Split shows them, by kind."""
    ctx, actor, place = project.ctx, project.actor, (project.target.id, target.id)
    present = all_pages(
        lambda offset, limit: segments.list_in_environment(ctx, actor, *place, offset=offset, limit=limit)
    )
    added = {one.segment.name for one in present}
    return {kind: _add_kind(project, source, target, kind, added) for kind in _BASES}


def _add_kind(
    project: ProjectMigration, source: SplitEnvironment, target: Environment, kind: SegmentKind, added: set[str]
) -> list[EnvironmentItem]:
    base = _BASES[kind]
    found = project.read(f"{base} in {source.name}", lambda: project.account.segments_in(project.source, source, base))
    present = [one for one in found or () if one.name in added or _try_to_add(project, target, kind, one.name, added)]
    if kind is SegmentKind.LARGE:
        for one in present:
            where = f"{one.name} in {target.name}"
            project.warn(f"segment {where}: is large, so Split's API does not show its keys. Upload them here.")
    return present


def _try_to_add(project: ProjectMigration, target: Environment, kind: SegmentKind, name: str, added: set[str]) -> bool:
    """Whether the segment is in the environment afterwards."""
    project.attempt("placed segment", f"{name} in {target.name}", _add, project, target, kind, name, added)
    return name in added


def _add(project: ProjectMigration, target: Environment, kind: SegmentKind, name: str, added: set[str]) -> Outcome:
    ctx, actor = project.ctx, project.actor
    segment = segments.get_segment(ctx, actor, project.target.id, name, (kind,))
    if was_changed_here(ctx, actor, segment.id, target.id, "removed_from_environment"):
        return Outcome.KEPT
    segments.add_to_environment(ctx, actor, target.id, name, (kind,))
    added.add(name)
    return Outcome.CREATED


def _import_keys(project: ProjectMigration, source: SplitEnvironment, target: Environment, name: str) -> None:
    where = f"{name} in {source.name}"
    keys = project.read(f"keys of {where}", lambda: project.account.keys(source, name))
    if keys is None:
        return
    valid = [key for key in keys if not key_problem(key)]
    if left_out := [key for key in keys if key_problem(key)]:
        project.warn(
            f"key list {where}: {counted(len(left_out), 'key')} left out, the first being {left_out[0]!r}. "
            f"{key_problem(left_out[0])}"
        )
    project.attempt("key list", where, import_keys, project.ctx, project.actor, target.id, name, valid)


def _import_rules(
    project: ProjectMigration, source: SplitEnvironment, target: Environment, segment: EnvironmentItem
) -> None:
    where, body = f"{segment.name} in {source.name}", normalize(segment.body)
    place = (project.ctx, project.actor, target.id)
    project.attempt("segment rule set", where, import_rules, *place, segment.name, body)
