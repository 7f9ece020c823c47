"""A project's segments, with their keys and rules in each environment."""

from flagpost.actions.imports.split_account import Outcome, carry_keys, carry_rules, carry_segment, was_changed_here
from flagpost.actions.segments import segments
from flagpost.commands.split_migration.account import Bare, SplitEnvironment
from flagpost.commands.split_migration.definition import as_read_here
from flagpost.commands.split_migration.project import MovedProject, every
from flagpost.flags.naming_rules import key_problem
from flagpost.flags.targeting import SegmentKind
from flagpost.formatting import counted
from flagpost.store.records import Environment

_BASES = {
    SegmentKind.STANDARD: "segments",
    SegmentKind.LARGE: "large-segments",
    SegmentKind.RULE_BASED: "rule-based-segments",
}


def bring_segments(project: MovedProject) -> None:
    """Every segment, put into its environments; then what is in them: rules can name any other segment."""
    for kind in _BASES:
        _bring_kind(project, kind)
    for there, here in project.places:
        present = _put_into_environment(project, there, here)
        for one in project.steps(present[SegmentKind.STANDARD], f"keys of segments in {there.name}"):
            _bring_keys(project, there, here, one.name)
        for one in present[SegmentKind.RULE_BASED]:
            _bring_rules(project, there, here, one)


def _bring_kind(project: MovedProject, kind: SegmentKind) -> None:
    move = project.move
    found = project.unless_refused(_BASES[kind], lambda: move.account.segments(project.there, _BASES[kind]))
    for one in found or ():
        described = {"name": one.name, "traffic_type": one.trafficType.name, "description": one.description or ""}
        project.attempt("segment", one.name, carry_segment, move.ctx, move.actor, project.here.id, kind, **described)


def _put_into_environment(
    project: MovedProject, there: SplitEnvironment, here: Environment
) -> dict[SegmentKind, list[Bare]]:
    """The segments that are in an environment then, as Split shows them, by their kind."""
    ctx, actor, home = project.move.ctx, project.move.actor, project.here.id
    present = every(
        lambda offset, limit: segments.list_in_environment(ctx, actor, home, here.id, offset=offset, limit=limit)
    )
    already = {one.segment.name for one in present}
    return {kind: _put_kind(project, there, here, kind, already) for kind in _BASES}


def _put_kind(
    project: MovedProject, there: SplitEnvironment, here: Environment, kind: SegmentKind, already: set[str]
) -> list[Bare]:
    account, base = project.move.account, _BASES[kind]
    found = project.unless_refused(f"{base} in {there.name}", lambda: account.segments_in(project.there, there, base))
    present = [one for one in found or () if one.name in already or _put(project, here, kind, one.name, already)]
    if kind is SegmentKind.LARGE:
        for one in present:
            where = f"{one.name} in {here.name}"
            project.look_at(f"segment {where}: is large, so Split's API does not show its keys. Upload them here.")
    return present


def _put(project: MovedProject, here: Environment, kind: SegmentKind, name: str, already: set[str]) -> bool:
    """Whether it is in the environment then."""
    project.attempt("placed segment", f"{name} in {here.name}", _add, project, here, kind, name, already)
    return name in already


def _add(project: MovedProject, here: Environment, kind: SegmentKind, name: str, already: set[str]) -> Outcome:
    ctx, actor = project.move.ctx, project.move.actor
    segment = segments.get_segment(ctx, actor, project.here.id, name, (kind,))
    if was_changed_here(ctx, actor, segment.id, here.id, "removed_from_environment"):
        return Outcome.KEPT
    segments.add_to_environment(ctx, actor, here.id, name, (kind,))
    already.add(name)
    return Outcome.CREATED


def _bring_keys(project: MovedProject, there: SplitEnvironment, here: Environment, name: str) -> None:
    move, where = project.move, f"{name} in {there.name}"
    keys = project.unless_refused(f"keys of {where}", lambda: move.account.keys(there, name))
    if keys is None:
        return
    fit = [key for key in keys if not key_problem(key)]
    if left_out := [key for key in keys if key_problem(key)]:
        project.look_at(
            f"key list {where}: {counted(len(left_out), 'key')} left out, the first being {left_out[0]!r}. "
            f"{key_problem(left_out[0])}"
        )
    project.attempt("key list", where, carry_keys, move.ctx, move.actor, here.id, name, fit)


def _bring_rules(project: MovedProject, there: SplitEnvironment, here: Environment, one: Bare) -> None:
    move, where = project.move, f"{one.name} in {there.name}"
    body = as_read_here(one.body)
    project.attempt("segment rule set", where, carry_rules, move.ctx, move.actor, here.id, one.name, body)
