"""Rule-based segments: who is in one, in an environment, is said by rules."""

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from flagpost.actions.access import Right
from flagpost.actions.approvals import require_direct_change
from flagpost.actions.lookup import get_visible_environment, get_visible_project
from flagpost.actions.segments.segments import SegmentPlace, lock_segment
from flagpost.actions.segments.usage import missing_segments
from flagpost.actions.unit_of_work import NO_SUMMARY, Change, Summary, transactional
from flagpost.errors import InvalidInput, Problem
from flagpost.flags.dependency_graph import reaches
from flagpost.flags.segment_rules import parse_rules, segments_named
from flagpost.flags.targeting import SegmentKind
from flagpost.store.db import Transaction
from flagpost.store.records import Environment
from flagpost.store.segments import segments
from flagpost.store.segments.segments import SegmentDefinition


@transactional
def save_rules(
    change: Change,
    project: str,
    environment: str,
    segment: str,
    body: Mapping[str, Any],
    summary: Summary = NO_SUMMARY,
) -> SegmentDefinition:
    """Replace a segment's rules and exclusions in an environment, given in the Admin API's shape."""
    tx, actor = change.tx, change.actor
    actor.require(Right.EDIT_SEGMENTS)
    rules = parse_rules(body)
    place = get_visible_environment(tx, actor, get_visible_project(tx, actor, project), environment)
    there = lock_segment(change, place.id, segment, (SegmentKind.RULE_BASED,))
    require_direct_change(tx, actor, there.environment, there.segment.id)
    return put_rules(change, there, rules, summary)


def put_rules(change: Change, there: SegmentPlace, rules: dict[str, Any], summary: Summary) -> SegmentDefinition:
    """Within a change: replace the rules of a locked segment, given as `parse_rules` returns them."""
    tx, old = change.tx, there.definition
    if problems := missing_segments(tx, there.environment, rules):
        raise InvalidInput(problems)
    segments.change_definition(tx, old, change.actor.name, change.now, body=rules)
    # The environment's change sequence is held from here on, so no other save closes a cycle now.
    if problems := _circle_problems(tx, there.environment, old, rules):
        raise InvalidInput(problems)
    change.saved("updated", there.subject, before=old.body, after=rules, summary=summary)
    new = segments.find_definition(tx, there.environment.id, old.segment.name)
    assert new is not None  # noqa: S101 - it is locked
    return new


def _circle_problems(
    tx: Transaction, place: Environment, definition: SegmentDefinition, wanted: Mapping[str, Any]
) -> list[Problem]:
    """One problem for each named segment that leads back here. SDKs follow names to the end, and a cycle has none."""
    named_by = {one.segment.name: list(segments_named(one.body or {})) for one in segments.rule_based_in(tx, place.id)}
    own = definition.segment.name

    def asked_by(names: set[str]) -> Iterator[str]:
        return chain.from_iterable(named_by.get(name, ()) for name in names)

    problems = []
    for name, path in segments_named(wanted).items():
        if reaches(name, own, asked_by):
            problems.append(Problem(path, f"“{name}” leads back to “{own}”: a segment cannot be made of itself."))
    return problems
