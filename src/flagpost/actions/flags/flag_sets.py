"""Flag sets: what SDKs can bound their download to."""

from collections.abc import Collection
from typing import Any

from flagpost.actions.access import Actor, Right
from flagpost.actions.context import Context
from flagpost.actions.lookup import get_visible_project, visible_projects
from flagpost.actions.unit_of_work import Change, Subject, transactional
from flagpost.errors import Conflict, InvalidInput, NotFound, Problem
from flagpost.flags.naming_rules import flag_set_name_problem
from flagpost.store.db import Transaction
from flagpost.store.flags import flag_sets
from flagpost.store.flags.flag_sets import FlagSet, Member
from flagpost.store.locks import Lock
from flagpost.store.records import Project

MAX_DESCRIPTION = 10_000


def list_flag_sets(
    ctx: Context, actor: Actor, project: str, *, after: str = "", limit: int | None = 200
) -> list[FlagSet]:
    """A project's flag sets by name, those after the name `after`; with a limit of None, all of them."""
    actor.require(Right.VIEW_FLAGS)
    with ctx.db.read() as tx:
        return flag_sets.page(tx, get_visible_project(tx, actor, project).id, after, limit)


def list_members(ctx: Context, actor: Actor, project: str) -> dict[str, list[Member]]:
    """The flags in each of a project's sets, by the set's id: a flag once for each environment it is in the set in."""
    actor.require(Right.VIEW_FLAGS)
    with ctx.db.read() as tx:
        return flag_sets.members(tx, get_visible_project(tx, actor, project).id)


def get_flag_set(ctx: Context, actor: Actor, flag_set_id: str) -> FlagSet:
    """One flag set, by its id."""
    actor.require(Right.VIEW_FLAGS)
    with ctx.db.read() as tx:
        found = flag_sets.find_visible(tx, visible_projects(actor), flag_set_id)
    if found is None:
        raise _not_found(flag_set_id)
    return found


@transactional
def create_flag_set(change: Change, project: str, *, name: str, description: str = "") -> FlagSet:
    """A new flag set; flags come into it by their definitions."""
    change.actor.require(Right.EDIT_FLAGS)
    problems = [Problem("name", problem)] if (problem := flag_set_name_problem(name)) else []
    if len(description) > MAX_DESCRIPTION:
        problems.append(Problem("description", f"A description has at most {MAX_DESCRIPTION:,} characters."))
    if problems:
        raise InvalidInput(problems)
    found = get_visible_project(change.tx, change.actor, project, lock=Lock.SHARE)
    if flag_sets.find(change.tx, found.id, name):
        raise Conflict(f"There is a flag set “{name}” in {found.name} already.")
    new = flag_sets.insert(change.tx, found.id, name, description, change.now)
    change.saved("created", _subject(new), after=_shown(new))
    return new


@transactional
def delete_flag_set(change: Change, flag_set_id: str) -> None:
    """Remove a flag set that no flag is in. Conflict, with the list, where one is: applications may wait for it."""
    change.actor.require(Right.EDIT_FLAGS)
    old = flag_sets.lock(change.tx, visible_projects(change.actor), flag_set_id, Lock.DELETE)
    if old is None:
        raise _not_found(flag_set_id)
    if there := flag_sets.members(change.tx, old.project_id, old.id)[old.id]:
        shown = ", ".join(f"{one.flag} ({one.environment})" for one in there[:20])
        more = f" and {len(there) - 20} more" if len(there) > 20 else ""
        raise Conflict(f"These are in “{old.name}”: {shown}{more}. Take them out first.")
    flag_sets.delete(change.tx, old.id)
    change.saved("deleted", _subject(old), before=_shown(old))


def require_flag_sets(tx: Transaction, project: Project, ids: Collection[str]) -> dict[str, str]:
    """The names of these flag sets by id. InvalidInput for one that is not there."""
    names = flag_sets.lock_names_of(tx, project.id, ids)
    if unknown := [id for id in ids if id not in names]:
        raise InvalidInput([Problem("flagSets", f"There is no flag set {id} in {project.name}.") for id in unknown])
    return names


def _not_found(flag_set_id: str) -> NotFound:
    return NotFound(f"Could not find the flag set “{flag_set_id}”.")


def _subject(flag_set: FlagSet) -> Subject:
    return Subject("flag_set", flag_set.id, flag_set.name, flag_set.project_id)


def _shown(flag_set: FlagSet) -> dict[str, Any]:
    return {"name": flag_set.name, "description": flag_set.description}
