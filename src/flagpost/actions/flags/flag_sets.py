"""Flag sets: what SDKs can bound their download to."""

from collections.abc import Collection
from typing import Any

from flagpost.actions.access import Actor, Right
from flagpost.actions.audit import record
from flagpost.actions.context import Context
from flagpost.actions.lookup import get_visible_project, visible_projects
from flagpost.errors import Conflict, InvalidInput, NotFound, Problem
from flagpost.flags.naming_rules import flag_set_name_problem
from flagpost.store.db import Transaction
from flagpost.store.flags import flag_sets
from flagpost.store.flags.flag_sets import FlagSet
from flagpost.store.records import Project

MAX_DESCRIPTION = 10_000


def list_flag_sets(
    ctx: Context, actor: Actor, project: str, *, after: str = "", limit: int | None = 200
) -> list[FlagSet]:
    """A project's flag sets by name, those after the name `after`; with a limit of None, all of them."""
    actor.require(Right.VIEW_FLAGS)
    with ctx.db.read() as tx:
        return flag_sets.page(tx, get_visible_project(tx, actor, project).id, after, limit)


def get_flag_set(ctx: Context, actor: Actor, flag_set_id: str) -> FlagSet:
    """One flag set, by its id."""
    actor.require(Right.VIEW_FLAGS)
    with ctx.db.read() as tx:
        return _reach(tx, actor, flag_set_id)


def create_flag_set(ctx: Context, actor: Actor, project: str, *, name: str, description: str = "") -> FlagSet:
    """A new flag set; flags come into it by their definitions."""
    actor.require(Right.EDIT_FLAGS)
    problems = [Problem("name", problem)] if (problem := flag_set_name_problem(name)) else []
    if len(description) > MAX_DESCRIPTION:
        problems.append(Problem("description", f"A description has at most {MAX_DESCRIPTION:,} characters."))
    if problems:
        raise InvalidInput(problems)
    now = ctx.clock()
    with ctx.db.write() as tx:
        found = get_visible_project(tx, actor, project)
        if flag_sets.find(tx, found.id, name):
            raise Conflict(f"There is a flag set “{name}” in {found.name} already.")
        new = flag_sets.insert(tx, found.id, name, description, now)
        _record(tx, actor, now, new, "created")
    return new


def delete_flag_set(ctx: Context, actor: Actor, flag_set_id: str) -> None:
    """Remove a flag set that no flag is in. Conflict, with the list, where one is: applications may wait for it."""
    actor.require(Right.EDIT_FLAGS)
    now = ctx.clock()
    with ctx.db.write() as tx:
        old = _reach(tx, actor, flag_set_id, locked=True)
        if there := flag_sets.members(tx, old.project_id, old.id)[old.id]:
            shown = ", ".join(f"{one.flag} ({one.environment})" for one in there[:20])
            more = f" and {len(there) - 20} more" if len(there) > 20 else ""
            raise Conflict(f"These are in “{old.name}”: {shown}{more}. Take them out first.")
        flag_sets.delete(tx, old.id)
        _record(tx, actor, now, old, "deleted")


def require_flag_sets(tx: Transaction, project: Project, ids: Collection[str]) -> dict[str, str]:
    """The names of these flag sets by id. InvalidInput for one that is not there."""
    names = flag_sets.names_of(tx, project.id, ids, locked=True)
    if unknown := [id for id in ids if id not in names]:
        raise InvalidInput([Problem("flagSets", f"There is no flag set {id} in {project.name}.") for id in unknown])
    return names


def _reach(tx: Transaction, actor: Actor, flag_set_id: str, *, locked: bool = False) -> FlagSet:
    found = flag_sets.find_visible(tx, visible_projects(actor), flag_set_id, locked=locked)
    if found is None:
        raise NotFound(f"Could not find the flag set “{flag_set_id}”.")
    return found


def _record(tx: Transaction, actor: Actor, now: int, flag_set: FlagSet, change: str) -> None:
    shown: dict[str, Any] = {"name": flag_set.name, "description": flag_set.description}
    record(
        tx,
        actor,
        now,
        change,
        object_type="flag_set",
        object_id=flag_set.id,
        object_name=flag_set.name,
        project_id=flag_set.project_id,
        before=shown if change == "deleted" else None,
        after=shown if change == "created" else None,
    )
