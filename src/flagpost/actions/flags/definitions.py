"""Definitions: setting a flag up in an environment, saving, killing, restoring.

A save names the version that it is based on. The flag's row is locked when the definition is read, so of two users who
save at once the second reads what the first saved, and gets StaleVersion; nothing is overwritten unseen. A caller that
names no version (Split's clients cannot) replaces what it finds, as Split does. A kill names no version: it always
wins.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flagpost.actions.access import Actor, Right
from flagpost.actions.approvals import require_direct_change, require_direct_kill
from flagpost.actions.context import Context
from flagpost.actions.flags.dependencies import require_dependencies
from flagpost.actions.flags.flag_sets import require_flag_sets
from flagpost.actions.flags.flags import set_rollout_status
from flagpost.actions.lookup import get_visible_environment, get_visible_flag, get_visible_project
from flagpost.actions.unit_of_work import NO_SUMMARY, Change, Summary, transactional
from flagpost.errors import Conflict, InvalidInput, NotFound, Problem, StaleVersion
from flagpost.flags.definition_json import dump
from flagpost.flags.dependency_graph import flag_dependencies
from flagpost.flags.model import Definition, FlagStatus
from flagpost.store.db import Transaction
from flagpost.store.flags import definitions
from flagpost.store.flags import flag_sets as stored_flag_sets
from flagpost.store.locks import Lock
from flagpost.store.records import Environment, Flag, FlagDefinition, FlagHead, Page, Project

_MAX_SUMMARY = 2000


@dataclass(frozen=True, slots=True)
class Draft:
    """What a save puts in place. None leaves the flag sets (ids), or the flag's rollout status, as they are."""

    definition: Definition
    flag_sets: Sequence[str] | None = None
    rollout_status: str | None = None


@dataclass(frozen=True, slots=True)
class DefinitionPlace:
    """A flag and an environment that the actor may change, and the definition there; `current` is None without one."""

    project: Project
    flag: Flag | FlagHead
    environment: Environment
    current: FlagDefinition | None

    def require_definition(self) -> FlagDefinition:
        """The definition; NotFound where the flag is not initiated in the environment."""
        if self.current is None:
            raise NotFound(f"“{self.flag.name}” is not initiated in {self.environment.name}.")
        return self.current


# Reading ----------------------------------------------------------------------------------------------------------


def get_definition(ctx: Context, actor: Actor, project: str, flag: str, environment: str) -> FlagDefinition:
    """A flag's definition in an environment; NotFound where it is not initiated there."""
    actor.require(Right.VIEW_FLAGS)
    with ctx.db.read() as tx:
        found = get_visible_project(tx, actor, project)
        place = definitions.find_place(tx, found.id, flag, environment)
        return _visible(tx, actor, found, (flag, environment), place).require_definition()


def list_definitions(
    ctx: Context, actor: Actor, project: str, environment: str, *, offset: int = 0, limit: int = 20
) -> Page[FlagDefinition]:
    """The definitions in an environment, by flag name."""
    actor.require(Right.VIEW_FLAGS)
    with ctx.db.read() as tx:
        found = get_visible_project(tx, actor, project)
        return definitions.page(tx, get_visible_environment(tx, actor, found, environment).id, offset, limit)


# Changing ---------------------------------------------------------------------------------------------------------


@transactional
def create_definition(
    change: Change, project: str, flag: str, environment: str, draft: Draft, summary: Summary = NO_SUMMARY
) -> FlagDefinition:
    """Set a flag up in an environment (Split: initiate). Conflict where it is initiated already."""
    change.actor.require(Right.EDIT_FLAGS)
    place = lock_definition(change, project, flag, environment, summary, draft)
    require_direct_change(change.tx, change.actor, place.environment, place.flag.id)
    return insert(change, place, draft, summary)


@transactional
def save_definition(
    change: Change,
    project: str,
    flag: str,
    environment: str,
    draft: Draft,
    summary: Summary = NO_SUMMARY,
    base_version: int | None = None,
) -> FlagDefinition:
    """Replace a definition. StaleVersion where `base_version` is not its version; then nothing has changed."""
    change.actor.require(Right.EDIT_FLAGS)
    place = lock_definition(change, project, flag, environment, summary, draft)
    require_direct_change(change.tx, change.actor, place.environment, place.flag.id)
    return replace_definition(change, place, draft, summary, base_version)


@transactional
def kill(change: Change, project: str, flag: str, environment: str, summary: Summary = NO_SUMMARY) -> FlagDefinition:
    """Give every key the default treatment at once. Killing a killed flag changes nothing."""
    return _set_killed_directly(change, (project, flag, environment), True, summary)


@transactional
def restore(change: Change, project: str, flag: str, environment: str, summary: Summary = NO_SUMMARY) -> FlagDefinition:
    """Undo a kill: the definition applies again as it was. Restoring a live flag changes nothing."""
    return _set_killed_directly(change, (project, flag, environment), False, summary)


def _set_killed_directly(change: Change, names: tuple[str, str, str], killed: bool, summary: Summary) -> FlagDefinition:
    change.actor.require(Right.EDIT_FLAGS)
    place = lock_definition(change, *names, summary)
    require_direct_kill(change.tx, change.actor, place.environment, place.flag.id)
    return set_killed(change, place, killed, summary)


@transactional
def remove_definition(change: Change, project: str, flag: str, environment: str, summary: Summary = NO_SUMMARY) -> None:
    """Remove a definition: the flag is not initiated in that environment any more."""
    change.actor.require(Right.EDIT_FLAGS)
    place = lock_definition(change, project, flag, environment, summary)
    require_direct_change(change.tx, change.actor, place.environment, place.flag.id)
    remove(change, place, summary)


# Within a change, on a locked definition. Whether it may be changed without approval was decided before. ------------


def lock_definition(
    change: Change,
    project: str,
    flag: str,
    environment: str,
    summary: Summary = NO_SUMMARY,
    draft: Draft | None = None,
) -> DefinitionPlace:
    """The place of a definition, held until the commit, for an actor who may see it.

    With the draft of a new definition, the flags that it depends on are held too, so that a save takes all its locks in
    one order.
    NotFound for a name that does not exist or is not visible, Conflict for an archived flag, InvalidInput for a summary
    that is too long or that the project requires.
    """
    tx, actor = change.tx, change.actor
    found = get_visible_project(tx, actor, project, lock=Lock.SHARE)
    depends_on = {name for _, name in flag_dependencies(draft.definition)} if draft else ()
    there = definitions.lock(tx, found.id, flag, environment, depends_on)
    place = _visible(tx, actor, found, (flag, environment), there)
    if place.flag.status is FlagStatus.ARCHIVED:
        raise Conflict(f"“{place.flag.name}” is archived. Bring it back first.")
    _require_summary(found, summary)
    return place


def put(change: Change, place: DefinitionPlace, draft: Draft, summary: Summary) -> FlagDefinition:
    """Write the definition of a place, whether there is one already or not."""
    write = insert if place.current is None else replace_definition
    return write(change, place, draft, summary)


def insert(change: Change, place: DefinitionPlace, draft: Draft, summary: Summary) -> FlagDefinition:
    """Write the first definition of a place. Conflict where there is one."""
    tx = change.tx
    if place.current is not None:
        raise Conflict(f"“{place.flag.name}” is initiated in {place.environment.name} already.")
    require_dependencies(tx, place.project, place.environment, place.flag.name, draft.definition)
    sets = require_flag_sets(tx, place.project, draft.flag_sets or ())
    definitions.insert(
        tx, place.flag.id, place.environment.id, draft.definition, change.actor.name, change.now, list(sets)
    )
    new = definitions.find(tx, place.flag.id, place.environment.id)
    assert new is not None  # noqa: S101 - inserted a line above
    shown = _shown(new) | ({"flagSets": list(sets.values())} if sets else {})
    change.definition_saved("initiated", new, before=None, after=shown, summary=summary)
    _set_rollout_status(change, place, draft)
    return new


def replace_definition(
    change: Change, place: DefinitionPlace, draft: Draft, summary: Summary, base_version: int | None = None
) -> FlagDefinition:
    """Write a newer definition of a place. StaleVersion where `base_version` is not the version of the one there."""
    tx, current = change.tx, place.require_definition()
    if base_version not in (None, current.version):
        raise StaleVersion(dump(current.definition), current.version, current.updated_by, current.updated_at)
    require_dependencies(tx, place.project, place.environment, place.flag.name, draft.definition)
    values: dict[str, Any] = {"body": dump(draft.definition)}
    if draft.flag_sets is not None:
        values["flag_set_ids"] = list(require_flag_sets(tx, place.project, draft.flag_sets))
    _set_rollout_status(change, place, draft)
    new = replace(
        _updated(change, current, values),
        definition=draft.definition,
        flag_set_ids=tuple(values.get("flag_set_ids", current.flag_set_ids)),
    )
    before, after = _shown(current), _shown(new)
    if new.flag_set_ids != current.flag_set_ids:
        before, after = _with_sets(tx, place, current, before), _with_sets(tx, place, new, after)
    change.definition_saved("updated", new, before=before, after=after, summary=summary)
    return new


def set_killed(change: Change, place: DefinitionPlace, killed: bool, summary: Summary) -> FlagDefinition:
    """Kill or restore the definition of a place; nothing changes where it is so already."""
    current = place.require_definition()
    if current.killed == killed:
        return current
    new = replace(_updated(change, current, {"killed": killed}), killed=killed)
    verb = "killed" if killed else "restored"
    change.definition_saved(verb, new, before=_shown(current), after=_shown(new), summary=summary)
    return new


def remove(change: Change, place: DefinitionPlace, summary: Summary) -> None:
    """Remove the definition of a place."""
    current = place.require_definition()
    definitions.delete(change.tx, current, change.now)
    change.definition_saved("removed_definition", current, before=_shown(current), after=None, summary=summary)


def _visible(
    tx: Transaction, actor: Actor, project: Project, names: tuple[str, str], place: definitions.Place | None
) -> DefinitionPlace:
    if place is None or (actor.environment_ids and place.environment.id not in actor.environment_ids):
        flag, environment = names
        get_visible_environment(tx, actor, project, environment)  # one of these says which one is missing
        get_visible_flag(tx, project, flag)
        raise NotFound
    return DefinitionPlace(project, place.flag, place.environment, place.current)


def _require_summary(project: Project, summary: Summary) -> None:
    problems = []
    if project.requires_title_and_comments:
        problems = [
            Problem(name, f"{project.name} asks for a {name} with every change.")
            for name, text in (("title", summary.title), ("comment", summary.comment))
            if not text.strip()
        ]
    if max(len(summary.title), len(summary.comment)) > _MAX_SUMMARY:
        problems.append(Problem("comment", f"Title and comment have at most {_MAX_SUMMARY:,} characters."))
    if problems:
        raise InvalidInput(problems)


def _set_rollout_status(change: Change, place: DefinitionPlace, draft: Draft) -> None:
    if draft.rollout_status:
        set_rollout_status(change, place.project, place.flag.id, draft.rollout_status)


def _updated(change: Change, current: FlagDefinition, values: Mapping[str, Any]) -> FlagDefinition:
    """Write these columns with the next version. The flag's lock is held, so the version is the one that was read."""
    if not definitions.update(change.tx, current, current.version, change.actor.name, change.now, **values):
        raise StaleVersion(dump(current.definition), current.version, current.updated_by, current.updated_at)
    return replace(current, version=current.version + 1, updated_at=change.now, updated_by=change.actor.name)


def _with_sets(tx: Transaction, place: DefinitionPlace, one: FlagDefinition, shown: dict[str, Any]) -> dict[str, Any]:
    names = stored_flag_sets.lock_names_of(tx, place.project.id, one.flag_set_ids)
    return {**shown, "flagSets": list(names.values())}


def _shown(definition: FlagDefinition) -> dict[str, Any]:
    return {**dump(definition.definition), "killed": definition.killed}
