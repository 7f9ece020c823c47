"""Importing a Split account: flags, definitions and segments, each created here or updated from the source.

A migration is seldom done in one run: people try it, correct what was refused, and run it again on the day they switch
over. So every import can be repeated and creates nothing twice. What was imported before and differs in the source by
now is imported again. What a user changed or removed here since the import stays as it is: the audit log says who made
the last change.

The operator runs the migration at the command line, so nothing needs an approval. But an open change request locks what
it is about until it is decided.
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


@transactional
def import_flag(change: Change, project: str, flag: NewFlag) -> Outcome:
    """Create a flag, or update its description, tags, owners and rollout status. `owners` None leaves the owners.

    Conflict if a flag of that name exists for another traffic type.
    """
    tx = change.tx
    home = get_visible_project(tx, change.actor, project, lock=Lock.SHARE)
    old = stored_flags.lock(tx, home.id, flag["name"])
    if old is None:
        flags.add_flag(change, home, **flag)
        return Outcome.CREATED
    if old.traffic_type.name != flag["traffic_type"]:
        kinds = f"“{old.traffic_type.name}”, not “{flag['traffic_type']}”"
        raise Conflict(f"“{old.name}” exists already, for {kinds}.")
    if _content_of(old) == _wanted_content(flag, old):
        return Outcome.UNCHANGED
    if _was_changed_here(tx, change.actor, old.id, None):
        return Outcome.KEPT
    description: flags.FlagDescription = {
        "description": flag.get("description"),
        "tags": flag.get("tags"),
        "owners": flag.get("owners"),
        "rollout_status": flag.get("rollout_status"),
    }
    flags.describe_flag(change, home, old, description)
    return Outcome.UPDATED


def _content_of(flag: Flag) -> tuple[Any, ...]:
    owners = {(owner.type, owner.id) for owner in flag.owners}
    return flag.status, flag.description, set(flag.tags), owners, flag.rollout_status.name


def _wanted_content(flag: NewFlag, old: Flag) -> tuple[Any, ...]:
    owners = flag.get("owners")
    wanted = {(owner.type, owner.id) for owner in old.owners} if owners is None else set(owners)
    status = flag.get("rollout_status") or old.rollout_status.name
    return FlagStatus.ACTIVE, flag.get("description", ""), set(flag.get("tags", ())), wanted, status


@transactional
def import_definition(change: Change, project: str, flag: str, environment: str, source: SourceDefinition) -> Outcome:
    """Create or update a flag's definition in an environment.

    A definition that is killed in the source is saved and killed in one transaction, so that it is never live between.
    """
    tx = change.tx
    place = _lock_place(change, project, flag, environment)
    outcome = _compare(tx, change.actor, place, source)
    if outcome is Outcome.KEPT:
        return outcome
    reseeded = source.seeds is not None and seed_overrides.put(tx, place.flag.id, place.environment.id, source.seeds)
    if outcome is not Outcome.UNCHANGED:
        require_unlocked(tx, place.environment, place.flag.id)
        _put_definition(change, place, source)
    elif reseeded:
        change.seeds_saved("seeds_imported", place.require_definition(), Summary(_TITLE))
        outcome = Outcome.UPDATED
    return outcome


def _lock_place(change: Change, project: str, flag: str, environment: str) -> DefinitionPlace:
    """Lock the place of a definition. Archived flags are included: they count as changed here."""
    home = get_visible_project(change.tx, change.actor, project, lock=Lock.SHARE)
    place = stored_definitions.lock(change.tx, home.id, flag, environment)
    if place is None:
        get_visible_environment(change.tx, change.actor, home, environment)
        get_visible_flag(change.tx, home, flag)
        raise NotFound
    return DefinitionPlace(home, place.flag, place.environment, place.current)


def _compare(tx: Transaction, actor: Actor, place: DefinitionPlace, source: SourceDefinition) -> Outcome:
    archived = place.flag.status is FlagStatus.ARCHIVED
    changed_here = archived or _was_changed_here(tx, actor, place.flag.id, place.environment.id)
    current = place.current
    if current is None:
        return Outcome.KEPT if changed_here else Outcome.CREATED
    sets = current.flag_set_ids if source.flag_sets is None else source.flag_sets
    wanted = (dump(source.definition), source.killed, {*sets})
    if (dump(current.definition), current.killed, {*current.flag_set_ids}) == wanted:
        return Outcome.UNCHANGED
    return Outcome.KEPT if changed_here else Outcome.UPDATED


def _put_definition(change: Change, place: DefinitionPlace, source: SourceDefinition) -> None:
    summary = Summary(_TITLE, _COMMENT)
    saved = definitions.put(change, place, Draft(source.definition, source.flag_sets), summary)
    definitions.set_killed(change, replace(place, current=saved), source.killed, summary)


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


@transactional
def import_keys(change: Change, environment_id: str, segment: str, keys: Collection[str]) -> Outcome:
    """Replace the keys of a standard segment in an environment that it has been added to."""
    segment_keys.require_valid_keys(keys)
    place = segments.lock_segment(change, environment_id, segment, (SegmentKind.STANDARD,))
    if stored_keys.present(change.tx, place.definition.id) == set(keys):
        return Outcome.UNCHANGED
    if _was_changed_here(change.tx, change.actor, place.segment.id, place.environment.id):
        return Outcome.KEPT
    require_unlocked(change.tx, place.environment, place.segment.id)
    segment_keys.put_keys(change, place, keys, Summary(_TITLE, _COMMENT), replace=True)
    return Outcome.UPDATED


@transactional
def import_rules(change: Change, environment_id: str, segment: str, body: object) -> Outcome:
    """Replace the rules of a rule-based segment in an environment that it has been added to.

    `body` has the shape of the Admin API.
    """
    rules = parse_rules(body)
    place = segments.lock_segment(change, environment_id, segment, (SegmentKind.RULE_BASED,))
    if place.definition.body == rules:
        return Outcome.UNCHANGED
    if _was_changed_here(change.tx, change.actor, place.segment.id, place.environment.id):
        return Outcome.KEPT
    require_unlocked(change.tx, place.environment, place.segment.id)
    rule_based.put_rules(change, place, rules, Summary(_TITLE, _COMMENT))
    return Outcome.UPDATED
