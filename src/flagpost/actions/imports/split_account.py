"""Bringing over what another service holds: flags, definitions, segments, each made here or brought up to date.

A move is seldom done in one go: people try it, mend what was refused, and run it again on the day they switch over. So
everything here can be done again and again, and makes nothing twice. What was brought and is different there by now is
brought again. What somebody changed or removed here in the meantime is left as it is: the audit log says who was last.

It is the operator who moves, at the command line. So nothing has to be approved; but what a change request is open for
waits until that is decided.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from flagpost.actions.access import Actor
from flagpost.actions.approvals import require_unlocked
from flagpost.actions.audit import record
from flagpost.actions.context import Context
from flagpost.actions.flags import definitions, flags
from flagpost.actions.flags.flags import NewFlag
from flagpost.actions.lookup import get_visible_environment, get_visible_flag, get_visible_project
from flagpost.actions.segments import keys as segment_keys
from flagpost.actions.segments import rule_based, segments
from flagpost.errors import Conflict
from flagpost.flags.bucketing import Seeds
from flagpost.flags.definition_json import dump
from flagpost.flags.model import Definition, FlagStatus
from flagpost.flags.segment_rules import parse_rules
from flagpost.flags.targeting import SegmentKind
from flagpost.store import audit
from flagpost.store.db import Transaction
from flagpost.store.flags import change_log, seed_overrides
from flagpost.store.flags import definitions as stored_definitions
from flagpost.store.flags import flags as stored_flags
from flagpost.store.records import Environment, Flag, FlagDefinition, Project
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


def carry_flag(ctx: Context, actor: Actor, project: str, flag: NewFlag) -> Outcome:
    """A flag and what is said about it; `owners` None leaves them. Conflict where there is one for other traffic."""
    with ctx.db.write() as tx:
        home, now = get_visible_project(tx, actor, project), ctx.clock()
        old = stored_flags.find(tx, home.id, flag["name"])
        if old is None:
            flags.add_flag(tx, actor, home, now, **flag)
            return Outcome.CREATED
        if old.traffic_type.name != flag["traffic_type"]:
            kinds = f"“{old.traffic_type.name}”, not “{flag['traffic_type']}”"
            raise Conflict(f"“{old.name}” is there already, for {kinds}.")
        if _said_of(old) == _to_be_said(flag, old):
            return Outcome.UNCHANGED
        if _was_changed_here(tx, actor, old.id, None):
            return Outcome.KEPT
        description, tags = flag.get("description"), flag.get("tags")
        flags.change_flag(tx, actor, home, old, now, description, tags, flag.get("owners"), flag.get("rollout_status"))
        return Outcome.UPDATED


def _said_of(flag: Flag) -> tuple[Any, ...]:
    owners = {(owner.type, owner.id) for owner in flag.owners}
    return flag.status, flag.description, set(flag.tags), owners, flag.rollout_status.name


def _to_be_said(flag: NewFlag, old: Flag) -> tuple[Any, ...]:
    owners = flag.get("owners")
    wanted = {(owner.type, owner.id) for owner in old.owners} if owners is None else set(owners)
    status = flag.get("rollout_status") or old.rollout_status.name
    return FlagStatus.ACTIVE, flag.get("description", ""), set(flag.get("tags", ())), wanted, status


def carry_definition(
    ctx: Context, actor: Actor, project: str, flag: str, environment: str, brought: BroughtDefinition
) -> Outcome:
    """A flag's definition in an environment, killed where it is killed there, in one step: it is never live between."""
    told = 0
    with ctx.db.write() as tx:
        now, home = ctx.clock(), get_visible_project(tx, actor, project)
        place = get_visible_environment(tx, actor, home, environment)
        flag_there, present = _look_at(tx, home, flag, place)
        outcome = _judged(tx, actor, flag_there, present, brought, place)
        if outcome is Outcome.KEPT:
            return outcome
        seeds_changed = brought.seeds is not None and seed_overrides.put(tx, flag_there.id, place.id, brought.seeds)
        if outcome is not Outcome.UNCHANGED:
            require_unlocked(tx, place, flag_there.id)
            told = _put_definition(tx, actor, now, home, flag_there.name, place, present, brought)
        elif seeds_changed:
            _record_seeds(tx, actor, now, flag_there, place)
            outcome = Outcome.UPDATED
    if told:
        ctx.wake(actor.account_id)
    return outcome


def _look_at(tx: Transaction, home: Project, flag: str, place: Environment) -> tuple[Flag, FlagDefinition | None]:
    found = get_visible_flag(tx, home, flag)
    return found, stored_definitions.find(tx, found.id, place.id)


def _judged(
    tx: Transaction,
    actor: Actor,
    flag: Flag,
    present: FlagDefinition | None,
    brought: BroughtDefinition,
    place: Environment,
) -> Outcome:
    changed_here = _was_changed_here(tx, actor, flag.id, place.id) or flag.status is FlagStatus.ARCHIVED
    if present is None:
        return Outcome.KEPT if changed_here else Outcome.CREATED
    there = (dump(present.definition), present.killed, {*present.flag_set_ids})
    sets = present.flag_set_ids if brought.flag_sets is None else brought.flag_sets
    if there == (dump(brought.definition), brought.killed, {*sets}):
        return Outcome.UNCHANGED
    return Outcome.KEPT if changed_here else Outcome.UPDATED


def _record_seeds(tx: Transaction, actor: Actor, now: int, flag: Flag, place: Environment) -> None:
    """Who gets which share changes, and nothing else: applications hear of it, and the audit log says so."""
    change_log.append(tx, place.id, flag.id, flag.name, flag.traffic_type.name, now)
    record(
        tx,
        actor,
        now,
        "seeds_brought",
        object_type="definition",
        object_id=flag.id,
        object_name=flag.name,
        project_id=flag.project_id,
        environment_id=place.id,
        title=_TITLE,
    )


def _put_definition(
    tx: Transaction,
    actor: Actor,
    now: int,
    home: Project,
    flag: str,
    place: Environment,
    present: FlagDefinition | None,
    brought: BroughtDefinition,
) -> int:
    """Whether Jira is to be told."""
    operations: list[tuple[str, Definition | None]] = [("UPDATE", brought.definition)]
    if brought.killed != (present is not None and present.killed):
        operations.append(("KILL" if brought.killed else "RESTORE", None))
    return sum(
        definitions.apply_to_definition(
            tx,
            actor,
            now,
            home.id,
            flag,
            place.id,
            operation,
            definition,
            title=_TITLE,
            comment=_COMMENT,
            flag_sets=brought.flag_sets,
        )
        for operation, definition in operations
    )


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


def carry_keys(ctx: Context, actor: Actor, environment_id: str, segment: str, keys: Collection[str]) -> Outcome:
    """Exactly these keys are in a segment of an environment then, which it has to be in."""
    segment_keys.require_valid_keys(keys)
    with ctx.db.write() as tx:
        _, place, there = segments.reach_to_change(tx, actor, environment_id, segment, (SegmentKind.STANDARD,))
        if stored_keys.present(tx, there.id) == set(keys):
            return Outcome.UNCHANGED
        if _was_changed_here(tx, actor, there.segment.id, place.id):
            return Outcome.KEPT
        require_unlocked(tx, place, there.segment.id)
        segment_keys.put_keys(tx, actor, ctx.clock(), place, there, keys, True, _TITLE, _COMMENT)
        return Outcome.UPDATED


def carry_rules(ctx: Context, actor: Actor, environment_id: str, segment: str, body: object) -> Outcome:
    """A rule-based segment's rules in an environment, which it has to be in; `body` in the Admin API's shape."""
    wanted = parse_rules(body)
    with ctx.db.write() as tx:
        _, place, there = segments.reach_to_change(tx, actor, environment_id, segment, (SegmentKind.RULE_BASED,))
        if there.body == wanted:
            return Outcome.UNCHANGED
        if _was_changed_here(tx, actor, there.segment.id, place.id):
            return Outcome.KEPT
        require_unlocked(tx, place, there.segment.id)
        rule_based.put_rules(tx, actor, ctx.clock(), place, there, wanted, _TITLE, _COMMENT)
        return Outcome.UPDATED
