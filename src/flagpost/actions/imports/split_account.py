"""Importing a Split account: flags, definitions and segments, each created here or updated from the source.

A migration is seldom done in one run: people try it, correct what was refused, and run it again on the day they switch
over. So every import can be repeated and creates nothing twice. What was imported before and differs in the source by
now is imported again. What a user changed or removed here since the import stays as it is: the audit log says who made
the last change.

The operator runs the migration at the command line, so nothing needs an approval. But an open change request locks what
it is about until it is decided.
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

_TITLE, _COMMENT = "Imported from Split", "As in the source"


class Outcome(StrEnum):
    """The result of one import. KEPT: a user changed it here since the last import, so it was left as it is."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    KEPT = "kept"


@dataclass(frozen=True, slots=True)
class SourceDefinition:
    """A definition as the source has it. `flag_sets` are ids of this installation.

    None for `flag_sets` or `seeds` leaves those of the present definition.
    """

    definition: Definition
    killed: bool
    flag_sets: tuple[str, ...] | None = ()
    seeds: Seeds | None = None


def was_changed_here(
    ctx: Context, actor: Actor, object_id: str, environment_id: str | None = None, change: str | None = None
) -> bool:
    """Whether the last change of an object, of this kind or of any kind, was made by another actor than this one."""
    with ctx.db.read() as tx:
        return _was_changed_here(tx, actor, object_id, environment_id, change)


def _was_changed_here(
    tx: Transaction, actor: Actor, object_id: str, environment_id: str | None, change: str | None = None
) -> bool:
    return audit.last_actor(tx, object_id, environment_id, change) not in (None, actor.id)


def import_flag(ctx: Context, actor: Actor, project: str, flag: NewFlag) -> Outcome:
    """Create a flag, or update its description, tags, owners and rollout status. `owners` None leaves the owners.

    Conflict if a flag of that name exists for another traffic type.
    """
    with ctx.db.write() as tx:
        home, now = get_visible_project(tx, actor, project), ctx.clock()
        old = stored_flags.find(tx, home.id, flag["name"])
        if old is None:
            flags.add_flag(tx, actor, home, now, **flag)
            return Outcome.CREATED
        if old.traffic_type.name != flag["traffic_type"]:
            kinds = f"“{old.traffic_type.name}”, not “{flag['traffic_type']}”"
            raise Conflict(f"“{old.name}” exists already, for {kinds}.")
        if _content_of(old) == _wanted_content(flag, old):
            return Outcome.UNCHANGED
        if _was_changed_here(tx, actor, old.id, None):
            return Outcome.KEPT
        description, tags = flag.get("description"), flag.get("tags")
        flags.change_flag(tx, actor, home, old, now, description, tags, flag.get("owners"), flag.get("rollout_status"))
        return Outcome.UPDATED


def _content_of(flag: Flag) -> tuple[Any, ...]:
    owners = {(owner.type, owner.id) for owner in flag.owners}
    return flag.status, flag.description, set(flag.tags), owners, flag.rollout_status.name


def _wanted_content(flag: NewFlag, old: Flag) -> tuple[Any, ...]:
    owners = flag.get("owners")
    wanted = {(owner.type, owner.id) for owner in old.owners} if owners is None else set(owners)
    status = flag.get("rollout_status") or old.rollout_status.name
    return FlagStatus.ACTIVE, flag.get("description", ""), set(flag.get("tags", ())), wanted, status


def import_definition(
    ctx: Context, actor: Actor, project: str, flag: str, environment: str, source: SourceDefinition
) -> Outcome:
    """Create or update a flag's definition in an environment.

    A definition that is killed in the source is saved and killed in one transaction, so that it is never live between.
    """
    must_send = 0
    with ctx.db.write() as tx:
        now, home = ctx.clock(), get_visible_project(tx, actor, project)
        place = get_visible_environment(tx, actor, home, environment)
        target_flag, present = _load_present(tx, home, flag, place)
        outcome = _compare(tx, actor, target_flag, present, source, place)
        if outcome is Outcome.KEPT:
            return outcome
        seeds_changed = source.seeds is not None and seed_overrides.put(tx, target_flag.id, place.id, source.seeds)
        if outcome is not Outcome.UNCHANGED:
            require_unlocked(tx, place, target_flag.id)
            must_send = _put_definition(tx, actor, now, home, target_flag.name, place, present, source)
        elif seeds_changed:
            _record_seeds(tx, actor, now, target_flag, place)
            outcome = Outcome.UPDATED
    if must_send:
        ctx.wake(actor.account_id)
    return outcome


def _load_present(tx: Transaction, home: Project, flag: str, place: Environment) -> tuple[Flag, FlagDefinition | None]:
    found = get_visible_flag(tx, home, flag)
    return found, stored_definitions.find(tx, found.id, place.id)


def _compare(
    tx: Transaction,
    actor: Actor,
    flag: Flag,
    present: FlagDefinition | None,
    source: SourceDefinition,
    place: Environment,
) -> Outcome:
    changed_here = _was_changed_here(tx, actor, flag.id, place.id) or flag.status is FlagStatus.ARCHIVED
    if present is None:
        return Outcome.KEPT if changed_here else Outcome.CREATED
    here = (dump(present.definition), present.killed, {*present.flag_set_ids})
    sets = present.flag_set_ids if source.flag_sets is None else source.flag_sets
    if here == (dump(source.definition), source.killed, {*sets}):
        return Outcome.UNCHANGED
    return Outcome.KEPT if changed_here else Outcome.UPDATED


def _record_seeds(tx: Transaction, actor: Actor, now: int, flag: Flag, place: Environment) -> None:
    """Record a change of seeds alone: applications need it, since seeds decide who gets which treatment."""
    change_log.append(tx, place.id, flag.id, flag.name, flag.traffic_type.name, now)
    record(
        tx,
        actor,
        now,
        "seeds_imported",
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
    source: SourceDefinition,
) -> int:
    """Save the definition. Gives 0 if Jira needs no update."""
    operations: list[tuple[str, Definition | None]] = [("UPDATE", source.definition)]
    if source.killed != (present is not None and present.killed):
        operations.append(("KILL" if source.killed else "RESTORE", None))
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
            flag_sets=source.flag_sets,
        )
        for operation, definition in operations
    )


def import_segment(
    ctx: Context, actor: Actor, project: str, kind: SegmentKind, *, name: str, traffic_type: str, description: str
) -> Outcome:
    """Create a segment, or update its description.

    Conflict if a segment of that name exists with another kind or traffic type.
    """
    with ctx.db.read() as tx:
        old = stored_segments.find(tx, get_visible_project(tx, actor, project).id, name)
    if old is None:
        segments.create_segment(
            ctx, actor, project, kind, name=name, traffic_type=traffic_type, description=description
        )
        return Outcome.CREATED
    if old.kind is not kind or old.traffic_type.name != traffic_type:
        raise Conflict(f"“{name}” exists already, as a {old.kind.value} segment for “{old.traffic_type.name}”.")
    if old.description == description:
        return Outcome.UNCHANGED
    if was_changed_here(ctx, actor, old.id):
        return Outcome.KEPT
    segments.describe_segment(ctx, actor, project, old.id, description)
    return Outcome.UPDATED


def import_keys(ctx: Context, actor: Actor, environment_id: str, segment: str, keys: Collection[str]) -> Outcome:
    """Replace the keys of a standard segment in an environment that it has been added to."""
    segment_keys.require_valid_keys(keys)
    with ctx.db.write() as tx:
        _, place, present = segments.reach_to_change(tx, actor, environment_id, segment, (SegmentKind.STANDARD,))
        if stored_keys.present(tx, present.id) == set(keys):
            return Outcome.UNCHANGED
        if _was_changed_here(tx, actor, present.segment.id, place.id):
            return Outcome.KEPT
        require_unlocked(tx, place, present.segment.id)
        segment_keys.put_keys(tx, actor, ctx.clock(), place, present, keys, True, _TITLE, _COMMENT)
        return Outcome.UPDATED


def import_rules(ctx: Context, actor: Actor, environment_id: str, segment: str, body: object) -> Outcome:
    """Replace the rules of a rule-based segment in an environment that it has been added to.

    `body` has the shape of the Admin API.
    """
    wanted = parse_rules(body)
    with ctx.db.write() as tx:
        _, place, present = segments.reach_to_change(tx, actor, environment_id, segment, (SegmentKind.RULE_BASED,))
        if present.body == wanted:
            return Outcome.UNCHANGED
        if _was_changed_here(tx, actor, present.segment.id, place.id):
            return Outcome.KEPT
        require_unlocked(tx, place, present.segment.id)
        rule_based.put_rules(tx, actor, ctx.clock(), place, present, wanted, _TITLE, _COMMENT)
        return Outcome.UPDATED
