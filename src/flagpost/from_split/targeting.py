"""A project's segments, with their keys and rules in each environment."""

from collections.abc import Mapping
from typing import Any

from flagpost.actions import segments
from flagpost.actions.carry_over import Outcome, carry_keys, carry_rules, carry_segment
from flagpost.flags.targeting import SegmentKind
from flagpost.from_split.account import SplitEnvironment
from flagpost.from_split.move import MovedProject
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
            _bring_keys(project, there, here, one["name"])
        for one in present[SegmentKind.RULE_BASED]:
            _bring_rules(project, there, here, one)


def _bring_kind(project: MovedProject, kind: SegmentKind) -> None:
    move = project.move
    for one in project.unless_refused(_BASES[kind], lambda: move.account.segments(project.there, _BASES[kind])):
        described = {"name": one.name, "traffic_type": one.trafficType.name, "description": one.description or ""}
        project.attempt("segment", one.name, carry_segment, move.ctx, move.actor, project.here.id, kind, **described)


def _put_into_environment(
    project: MovedProject, there: SplitEnvironment, here: Environment
) -> dict[SegmentKind, list[dict[str, Any]]]:
    """The segments that are in an environment then, as Split shows them, by their kind."""
    move, limit = project.move, 50
    already: set[str] = set()
    while page := segments.list_in_environment(
        move.ctx, move.actor, project.here.id, here.id, offset=len(already), limit=limit
    ).items:
        already |= {one.segment.name for one in page}
    return {kind: _put_kind(project, there, here, kind, already) for kind in _BASES}


def _put_kind(
    project: MovedProject, there: SplitEnvironment, here: Environment, kind: SegmentKind, already: set[str]
) -> list[dict[str, Any]]:
    account, base = project.move.account, _BASES[kind]
    found = project.unless_refused(f"{base} in {there.name}", lambda: account.segments_in(project.there, there, base))
    return [one for one in found if one["name"] in already or _put(project, here, kind, one)]


def _put(project: MovedProject, here: Environment, kind: SegmentKind, one: Mapping[str, Any]) -> bool:
    where = f"{one['name']} in {here.name}"
    if not project.attempt("placed segment", where, _add, project, here, kind, one["name"]):
        return False
    if kind is SegmentKind.LARGE:
        project.look_at(f"segment {where}: is large, so Split's API does not show its keys, and it is empty here.")
    return True


def _add(project: MovedProject, here: Environment, kind: SegmentKind, name: str) -> Outcome:
    segments.add_to_environment(project.move.ctx, project.move.actor, here.id, name, (kind,))
    return Outcome.CREATED


def _bring_keys(project: MovedProject, there: SplitEnvironment, here: Environment, name: str) -> None:
    move, where = project.move, f"{name} in {there.name}"
    keys = list(move.account.keys(there, name))
    project.attempt("key list", where, carry_keys, move.ctx, move.actor, here.id, name, keys)


def _bring_rules(project: MovedProject, there: SplitEnvironment, here: Environment, one: Mapping[str, Any]) -> None:
    move, where = project.move, f"{one['name']} in {there.name}"
    project.attempt("segment rule set", where, carry_rules, move.ctx, move.actor, here.id, one["name"], one)
