"""Rule-based segments: who is in one, in an environment, is said by rules."""

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from flagpost.actions.access import Actor, Right
from flagpost.actions.approvals import require_direct_change
from flagpost.actions.context import Context
from flagpost.actions.lookup import get_visible_environment, get_visible_project
from flagpost.actions.segments.segments import reach_to_change, record_segment
from flagpost.actions.segments.usage import missing_segments
from flagpost.errors import InvalidInput, Problem
from flagpost.flags.dependency_graph import reaches
from flagpost.flags.segment_rules import parse_rules, segments_named
from flagpost.flags.targeting import SegmentKind
from flagpost.store.db import Transaction
from flagpost.store.records import Environment
from flagpost.store.segments import segments
from flagpost.store.segments.segments import SegmentDefinition


def save_rules(
    ctx: Context,
    actor: Actor,
    project: str,
    environment: str,
    segment: str,
    body: Mapping[str, Any],
    *,
    title: str = "",
    comment: str = "",
) -> SegmentDefinition:
    """Replace a segment's rules and exclusions in an environment, given in the Admin API's shape."""
    actor.require(Right.EDIT_SEGMENTS)
    wanted = parse_rules(body)
    now = ctx.clock()
    with ctx.db.write() as tx:
        place = get_visible_environment(tx, actor, get_visible_project(tx, actor, project), environment)
        _, place, old = reach_to_change(tx, actor, place.id, segment, (SegmentKind.RULE_BASED,))
        require_direct_change(tx, actor, place, old.segment.id)
        return put_rules(tx, actor, now, place, old, wanted, title, comment)


def put_rules(
    tx: Transaction,
    actor: Actor,
    now: int,
    place: Environment,
    old: SegmentDefinition,
    wanted: dict[str, Any],
    title: str = "",
    comment: str = "",
) -> SegmentDefinition:
    """The same within a transaction that does more, and holds the definition's lock."""
    if problems := missing_segments(tx, place, wanted):
        raise InvalidInput(problems)
    segments.change_definition(tx, old, actor.name, now, body=wanted)
    if problems := _circle_problems(tx, place, old, wanted):  # with the change number held, so nobody closes one now
        raise InvalidInput(problems)
    record_segment(
        tx, actor, now, old.segment, "updated", place, before=old.body, after=wanted, title=title, comment=comment
    )
    new = segments.find_definition(tx, place.id, old.segment.name)
    assert new is not None  # noqa: S101 - it is locked
    return new


def _circle_problems(
    tx: Transaction, place: Environment, definition: SegmentDefinition, wanted: Mapping[str, Any]
) -> list[Problem]:
    """SDKs follow what a segment names to its end; a circle has none."""
    named_by = {one.segment.name: list(segments_named(one.body or {})) for one in segments.rule_based_in(tx, place.id)}
    own = definition.segment.name

    def asked_by(names: set[str]) -> Iterator[str]:
        return chain.from_iterable(named_by.get(name, ()) for name in names)

    problems = []
    for name, path in segments_named(wanted).items():
        if reaches(name, own, asked_by):
            problems.append(Problem(path, f"“{name}” leads back to “{own}”: a segment cannot be made of itself."))
    return problems
