"""Bringing over what another service holds: flags, definitions, segments, each made here or brought up to date.

A move is seldom done in one go: people try it, mend what was refused, and run it again on the day they switch over. So
everything here can be done again and again, and makes nothing twice. What was brought and is different there by now is
brought again. What somebody changed or removed here in the meantime is left as it is: the audit log says who was last.

It is the operator who moves, at the command line. So nothing has to be approved; but what a change request is open for
waits until that is decided.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from flagpost.actions.access import Actor
from flagpost.actions.approvals import require_unlocked
from flagpost.actions.context import Context
from flagpost.actions.flags import definitions, flags
from flagpost.actions.flags.definitions import DefinitionPlace, Draft
from flagpost.actions.flags.flags import NewFlag
from flagpost.actions.lookup import get_visible_environment, get_visible_flag, get_visible_project
from flagpost.actions.segments import keys as segment_keys
from flagpost.actions.segments import rule_based, segments
from flagpost.actions.unit_of_work import Change, Summary, transactional
from flagpost.errors import Conflict, NotFound
from flagpost.flags.bucketing import Seeds
from flagpost.flags.definition_json import dump
from flagpost.flags.model import Definition, FlagStatus
from flagpost.flags.segment_rules import parse_rules
from flagpost.flags.targeting import SegmentKind
from flagpost.store import audit
from flagpost.store.db import Transaction
from flagpost.store.flags import definitions as stored_definitions
from flagpost.store.flags import flags as stored_flags
from flagpost.store.flags import seed_overrides
from flagpost.store.locks import Lock
from flagpost.store.records import Flag
from flagpost.store.segments import keys as stored_keys
from flagpost.store.segments import segments as stored_segments

_TITLE, _COMMENT = "Moved in", "As it was there"


class Outcome(StrEnum):
    """What became of something that was to be brought over. KEPT: it was changed here since, and was left alone."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    KEPT = "kept"


@dataclass(frozen=True, slots=True)
class BroughtDefinition:
    """A definition as it is elsewhere. `flag_sets` are ids of here. None for these or for `seeds`: left as is."""

    definition: Definition
    killed: bool
    flag_sets: tuple[str, ...] | None = ()
    seeds: Seeds | None = None


def was_changed_here(
    ctx: Context, actor: Actor, object_id: str, environment_id: str | None = None, change: str | None = None
) -> bool:
    """Whether somebody else than this actor was the last to change something, by this kind of change or by any."""
    with ctx.db.read() as tx:
        return _was_changed_here(tx, actor, object_id, environment_id, change)


def _was_changed_here(
    tx: Transaction, actor: Actor, object_id: str, environment_id: str | None, change: str | None = None
) -> bool:
    return audit.last_actor(tx, object_id, environment_id, change) not in (None, actor.id)


@transactional
def carry_flag(change: Change, project: str, flag: NewFlag) -> Outcome:
    """A flag and what is said about it; `owners` None leaves them. Conflict for another traffic type."""
    tx = change.tx
    home = get_visible_project(tx, change.actor, project, lock=Lock.SHARE)
    old = stored_flags.lock(tx, home.id, flag["name"])
    if old is None:
        flags.add_flag(change, home, **flag)
        return Outcome.CREATED
    if old.traffic_type.name != flag["traffic_type"]:
        kinds = f"“{old.traffic_type.name}”, not “{flag['traffic_type']}”"
        raise Conflict(f"“{old.name}” exists already, for {kinds}.")
    if _said_of(old) == _to_be_said(flag, old):
        return Outcome.UNCHANGED
    if _was_changed_here(tx, change.actor, old.id, None):
        return Outcome.KEPT
    said: flags.FlagDescription = {
        "description": flag.get("description"),
        "tags": flag.get("tags"),
        "owners": flag.get("owners"),
        "rollout_status": flag.get("rollout_status"),
    }
    flags.describe_flag(change, home, old, said)
    return Outcome.UPDATED


def _said_of(flag: Flag) -> tuple[Any, ...]:
    owners = {(owner.type, owner.id) for owner in flag.owners}
    return flag.status, flag.description, set(flag.tags), owners, flag.rollout_status.name


def _to_be_said(flag: NewFlag, old: Flag) -> tuple[Any, ...]:
    owners = flag.get("owners")
    wanted = {(owner.type, owner.id) for owner in old.owners} if owners is None else set(owners)
    status = flag.get("rollout_status") or old.rollout_status.name
    return FlagStatus.ACTIVE, flag.get("description", ""), set(flag.get("tags", ())), wanted, status


@transactional
def carry_definition(change: Change, project: str, flag: str, environment: str, brought: BroughtDefinition) -> Outcome:
    """A flag's definition in an environment, killed where it is killed there, in one step: it is never live between."""
    tx = change.tx
    there = _lock_place(change, project, flag, environment)
    outcome = _judged(tx, change.actor, there, brought)
    if outcome is Outcome.KEPT:
        return outcome
    reseeded = brought.seeds is not None and seed_overrides.put(tx, there.flag.id, there.environment.id, brought.seeds)
    if outcome is not Outcome.UNCHANGED:
        require_unlocked(tx, there.environment, there.flag.id)
        _put_definition(change, there, brought)
    elif reseeded:
        change.seeds_saved("seeds_brought", there.require_definition(), Summary(_TITLE))
        outcome = Outcome.UPDATED
    return outcome


def _lock_place(change: Change, project: str, flag: str, environment: str) -> DefinitionPlace:
    """The place of a definition, archived flags included: these are judged as changed here."""
    home = get_visible_project(change.tx, change.actor, project, lock=Lock.SHARE)
    place = stored_definitions.lock(change.tx, home.id, flag, environment)
    if place is None:
        get_visible_environment(change.tx, change.actor, home, environment)
        get_visible_flag(change.tx, home, flag)
        raise NotFound
    return DefinitionPlace(home, place.flag, place.environment, place.present)


def _judged(tx: Transaction, actor: Actor, there: DefinitionPlace, brought: BroughtDefinition) -> Outcome:
    archived = there.flag.status is FlagStatus.ARCHIVED
    changed_here = archived or _was_changed_here(tx, actor, there.flag.id, there.environment.id)
    current = there.current
    if current is None:
        return Outcome.KEPT if changed_here else Outcome.CREATED
    sets = current.flag_set_ids if brought.flag_sets is None else brought.flag_sets
    wanted = (dump(brought.definition), brought.killed, {*sets})
    if (dump(current.definition), current.killed, {*current.flag_set_ids}) == wanted:
        return Outcome.UNCHANGED
    return Outcome.KEPT if changed_here else Outcome.UPDATED


def _put_definition(change: Change, there: DefinitionPlace, brought: BroughtDefinition) -> None:
    summary = Summary(_TITLE, _COMMENT)
    saved = definitions.put(change, there, Draft(brought.definition, brought.flag_sets), summary)
    definitions.set_killed(change, replace(there, current=saved), brought.killed, summary)


def carry_segment(
    ctx: Context, actor: Actor, project: str, kind: SegmentKind, *, name: str, traffic_type: str, description: str
) -> Outcome:
    """A segment. Conflict where there is another of that name: of another kind, or for other traffic."""
    with ctx.db.read() as tx:
        old = stored_segments.find(tx, get_visible_project(tx, actor, project).id, name)
    if old is None:
        segments.create_segment(
            ctx, actor, project, kind, name=name, traffic_type=traffic_type, description=description
        )
        return Outcome.CREATED
    if old.kind is not kind or old.traffic_type.name != traffic_type:
        raise Conflict(f"“{name}” is there already, as a {old.kind.value} segment for “{old.traffic_type.name}”.")
    if old.description == description:
        return Outcome.UNCHANGED
    if was_changed_here(ctx, actor, old.id):
        return Outcome.KEPT
    segments.describe_segment(ctx, actor, project, old.id, description)
    return Outcome.UPDATED


@transactional
def carry_keys(change: Change, environment_id: str, segment: str, keys: Collection[str]) -> Outcome:
    """Give a segment exactly these keys in an environment, which it has to be in."""
    segment_keys.require_valid_keys(keys)
    there = segments.lock_segment(change, environment_id, segment, (SegmentKind.STANDARD,))
    if stored_keys.present(change.tx, there.definition.id) == set(keys):
        return Outcome.UNCHANGED
    if _was_changed_here(change.tx, change.actor, there.segment.id, there.environment.id):
        return Outcome.KEPT
    require_unlocked(change.tx, there.environment, there.segment.id)
    segment_keys.put_keys(change, there, keys, Summary(_TITLE, _COMMENT), replace=True)
    return Outcome.UPDATED


@transactional
def carry_rules(change: Change, environment_id: str, segment: str, body: object) -> Outcome:
    """Give a rule-based segment these rules in an environment, which it has to be in; the Admin API's shape."""
    rules = parse_rules(body)
    there = segments.lock_segment(change, environment_id, segment, (SegmentKind.RULE_BASED,))
    if there.definition.body == rules:
        return Outcome.UNCHANGED
    if _was_changed_here(change.tx, change.actor, there.segment.id, there.environment.id):
        return Outcome.KEPT
    require_unlocked(change.tx, there.environment, there.segment.id)
    rule_based.put_rules(change, there, rules, Summary(_TITLE, _COMMENT))
    return Outcome.UPDATED
