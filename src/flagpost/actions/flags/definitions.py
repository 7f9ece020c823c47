"""Definitions: setting a flag up in an environment, saving, killing, restoring.

A save says which version it is based on. The row is updated only if that is still its version, so of two people who
save at once one is told, and nothing is overwritten unseen. A caller that names no version (Split's clients cannot)
replaces whatever is there, as Split does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flagpost.actions.access import Actor, Right
from flagpost.actions.approvals import require_direct_change, require_direct_kill
from flagpost.actions.audit import record
from flagpost.actions.context import Context
from flagpost.actions.flags.dependencies import require_dependencies
from flagpost.actions.flags.flag_sets import require_flag_sets
from flagpost.actions.flags.flags import set_rollout_status
from flagpost.actions.lookup import get_visible_environment, get_visible_flag, get_visible_project
from flagpost.errors import Conflict, InvalidInput, NotFound, Problem, StaleVersion
from flagpost.flags.definition_json import dump
from flagpost.flags.model import Definition, FlagStatus
from flagpost.store.db import Transaction
from flagpost.store.flags import change_log, definitions
from flagpost.store.flags import flag_sets as flag_sets_stored
from flagpost.store.jira import outbox
from flagpost.store.records import Environment, Flag, FlagDefinition, FlagHead, Page, Project

_MAX_SUMMARY = 2000


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a change happens, found for one who may make it."""

    project: Project
    flag: Flag | FlagHead
    environment: Environment
    present: FlagDefinition | None

    def set_up(self) -> FlagDefinition:
        """The definition that is there; NotFound where none is."""
        if self.present is None:
            raise NotFound(f"“{self.flag.name}” is not initiated in {self.environment.name}.")
        return self.present


def get_definition(ctx: Context, actor: Actor, project: str, flag: str, environment: str) -> FlagDefinition:
    """A flag's definition in an environment; NotFound where it is not initiated there."""
    actor.require(Right.VIEW_FLAGS)
    with ctx.db.read() as tx:
        return _reach(tx, actor, project, flag, environment).set_up()


def definitions_of_flag(ctx: Context, actor: Actor, project: str, flag: str) -> dict[str, FlagDefinition]:
    """All of a flag's definitions, by environment id; for a key bound to environments, those."""
    actor.require(Right.VIEW_FLAGS)
    with ctx.db.read() as tx:
        found = definitions.of_flag(tx, get_visible_flag(tx, get_visible_project(tx, actor, project), flag).id)
    return {id: one for id, one in found.items() if not actor.environment_ids or id in actor.environment_ids}


def list_definitions(
    ctx: Context, actor: Actor, project: str, environment: str, *, offset: int = 0, limit: int = 20
) -> Page[FlagDefinition]:
    """The definitions in an environment, by flag name."""
    actor.require(Right.VIEW_FLAGS)
    with ctx.db.read() as tx:
        found = get_visible_project(tx, actor, project)
        return definitions.page(tx, get_visible_environment(tx, actor, found, environment).id, offset, limit)


def create_definition(
    ctx: Context,
    actor: Actor,
    project: str,
    flag: str,
    environment: str,
    definition: Definition,
    *,
    title: str = "",
    comment: str = "",
    rollout_status: str | None = None,
    flag_sets: Sequence[str] | None = None,
) -> FlagDefinition:
    """Set a flag up in an environment (Split: initiate). Conflict where it is already."""
    actor.require(Right.EDIT_FLAGS)
    now = ctx.clock()
    with ctx.db.write() as tx:
        place = _reach_to_change(tx, actor, project, flag, environment, title, comment)
        require_direct_change(tx, actor, place.environment, place.flag.id)
        new, told = add_definition(
            tx, actor, place.project, place.flag, place.environment, definition, now, title, comment, flag_sets
        )
        if rollout_status:
            set_rollout_status(tx, actor, place.project, place.flag.id, rollout_status, now)
    if told:
        ctx.wake(actor.account_id)
    return new


def add_definition(
    tx: Transaction,
    actor: Actor,
    project: Project,
    flag: Flag | FlagHead,
    environment: Environment,
    definition: Definition,
    now: int,
    title: str = "",
    comment: str = "",
    flag_sets: Sequence[str] | None = None,
) -> tuple[FlagDefinition, int]:
    """The same within a transaction that does more; also whether Jira is to be told (then wake it after the commit)."""
    if definitions.find(tx, flag.id, environment.id):
        raise Conflict(f"“{flag.name}” is initiated in {environment.name} already.")
    require_dependencies(tx, project, environment, flag.name, definition)
    names = require_flag_sets(tx, project, flag_sets or ())
    definitions.insert(tx, flag.id, environment.id, definition, actor.name, now, list(names))
    new = definitions.find(tx, flag.id, environment.id)
    assert new is not None  # noqa: S101 - inserted a line above
    change_log.append(tx, environment.id, flag.id, flag.name, new.traffic_type.name, now)
    shown = _shown(new) | ({"flagSets": list(names.values())} if names else {})
    _record(tx, actor, now, _Place(project, flag, environment, None), "initiated", title, comment, None, shown)
    return new, outbox.bump(tx, [flag.id], now)


def save_definition(
    ctx: Context,
    actor: Actor,
    project: str,
    flag: str,
    environment: str,
    definition: Definition,
    *,
    base_version: int | None = None,
    title: str = "",
    comment: str = "",
    rollout_status: str | None = None,
    flag_sets: Sequence[str] | None = None,
) -> FlagDefinition:
    """Replace a definition; `flag_sets` are ids, and where None, it stays in the sets it is in.

    StaleVersion where `base_version` is not the present one; then nothing has changed.
    """
    actor.require(Right.EDIT_FLAGS)
    now = ctx.clock()
    with ctx.db.write() as tx:
        place = _reach_to_change(tx, actor, project, flag, environment, title, comment)
        require_direct_change(tx, actor, place.environment, place.flag.id)
        require_dependencies(tx, place.project, place.environment, place.flag.name, definition)
        if rollout_status:
            set_rollout_status(tx, actor, place.project, place.flag.id, rollout_status, now)
        values: dict[str, Any] = {"body": dump(definition)}
        if flag_sets is not None:
            values["flag_set_ids"] = list(require_flag_sets(tx, place.project, flag_sets))
        new, told = _change(tx, actor, place, now, "updated", values, title, comment, base_version)
    if told:
        ctx.wake(actor.account_id)
    return replace(new, definition=definition)


def kill(
    ctx: Context, actor: Actor, project: str, flag: str, environment: str, *, title: str = "", comment: str = ""
) -> FlagDefinition:
    """Give everybody the default treatment at once. Killing a killed flag changes nothing."""
    return _set_killed(ctx, actor, project, flag, environment, True, title, comment)


def restore(
    ctx: Context, actor: Actor, project: str, flag: str, environment: str, *, title: str = "", comment: str = ""
) -> FlagDefinition:
    """Undo a kill: the definition applies again as it was. Restoring a live flag changes nothing."""
    return _set_killed(ctx, actor, project, flag, environment, False, title, comment)


def _set_killed(
    ctx: Context,
    actor: Actor,
    project: str,
    flag: str,
    environment: str,
    killed: bool,
    title: str,
    comment: str,
) -> FlagDefinition:
    actor.require(Right.EDIT_FLAGS)
    now, told = ctx.clock(), 0
    with ctx.db.write() as tx:
        place = _reach_to_change(tx, actor, project, flag, environment, title, comment)
        require_direct_kill(tx, actor, place.environment, place.flag.id)
        new = place.set_up()
        if new.killed != killed:
            change = "killed" if killed else "restored"
            new, told = _change(tx, actor, place, now, change, {"killed": killed}, title, comment, None)
    if told:
        ctx.wake(actor.account_id)
    return new


def remove_definition(
    ctx: Context, actor: Actor, project: str, flag: str, environment: str, *, title: str = "", comment: str = ""
) -> None:
    """Remove a definition: the flag is not initiated in that environment any more."""
    actor.require(Right.EDIT_FLAGS)
    now = ctx.clock()
    with ctx.db.write() as tx:
        place = _reach_to_change(tx, actor, project, flag, environment, title, comment)
        require_direct_change(tx, actor, place.environment, place.flag.id)
        told = _remove(tx, actor, place, now, title, comment)
    if told:
        ctx.wake(actor.account_id)


def _remove(tx: Transaction, actor: Actor, place: _Place, now: int, title: str, comment: str) -> int:
    present = place.set_up()
    definitions.delete(tx, present, now)
    _note(tx, present, now)
    _record(tx, actor, now, place, "removed_definition", title, comment, _shown(present), None)
    return outbox.bump(tx, [place.flag.id], now)


def get_for_change(
    tx: Transaction, actor: Actor, project: str, flag: str, environment: str, title: str, comment: str
) -> tuple[FlagHead | Flag, FlagDefinition | None]:
    """Within a transaction that does more: a flag that may be changed, and its definition in an environment, if any."""
    place = _reach_to_change(tx, actor, project, flag, environment, title, comment)
    return place.flag, place.present


def apply_to_definition(
    tx: Transaction,
    actor: Actor,
    now: int,
    project: str,
    flag: str,
    environment: str,
    operation: str,
    definition: Definition | None,
    *,
    title: str,
    comment: str,
    flag_sets: Sequence[str] | None = None,
) -> int:
    """Within a transaction that does more: a change that was approved. Whether Jira is to be told (then wake it).

    `operation` is Split's: CREATE and UPDATE take a definition, KILL, RESTORE and ARCHIVE (remove) take none.
    """
    place = _reach_to_change(tx, actor, project, flag, environment, title, comment)
    if operation in ("KILL", "RESTORE"):
        change, killed = ("killed", True) if operation == "KILL" else ("restored", False)
        if place.set_up().killed == killed:
            return 0
        return _change(tx, actor, place, now, change, {"killed": killed}, title, comment, None)[1]
    if definition is None:
        return _remove(tx, actor, place, now, title, comment)
    if place.present is None:
        return add_definition(
            tx, actor, place.project, place.flag, place.environment, definition, now, title, comment, flag_sets
        )[1]
    require_dependencies(tx, place.project, place.environment, place.flag.name, definition)
    values: dict[str, Any] = {"body": dump(definition)}
    if flag_sets is not None:
        values["flag_set_ids"] = list(require_flag_sets(tx, place.project, flag_sets))
    return _change(tx, actor, place, now, "updated", values, title, comment, None)[1]


def _reach(tx: Transaction, actor: Actor, project: str, flag: str, environment: str) -> _Place:
    found = get_visible_project(tx, actor, project)
    place = definitions.find_place(tx, found.id, flag, environment)
    if place is None or (actor.environment_ids and place.environment.id not in actor.environment_ids):
        get_visible_environment(tx, actor, found, environment)  # one of these says what there is not
        get_visible_flag(tx, found, flag)
        raise NotFound
    return _Place(found, place.flag, place.environment, place.present)


def _reach_to_change(
    tx: Transaction, actor: Actor, project: str, flag: str, environment: str, title: str, comment: str
) -> _Place:
    place = _reach(tx, actor, project, flag, environment)
    if place.flag.status is FlagStatus.ARCHIVED:
        raise Conflict(f"“{place.flag.name}” is archived. Bring it back first.")
    problems = []
    if place.project.requires_title_and_comments:
        problems = [
            Problem(name, f"{place.project.name} asks for a {name} with every change.")
            for name, text in (("title", title), ("comment", comment))
            if not text.strip()
        ]
    if len(title) > _MAX_SUMMARY or len(comment) > _MAX_SUMMARY:
        problems.append(Problem("comment", f"Title and comment have at most {_MAX_SUMMARY:,} characters."))
    if problems:
        raise InvalidInput(problems)
    return place


def _change(
    tx: Transaction,
    actor: Actor,
    place: _Place,
    now: int,
    change: str,
    values: dict[str, Any],
    title: str,
    comment: str,
    base_version: int | None,
) -> tuple[FlagDefinition, int]:
    present = place.set_up()
    base = present.version if base_version is None else base_version
    if not definitions.update(tx, present, base, actor.name, now, **values):
        raise StaleVersion(dump(present.definition), present.version, present.updated_by, present.updated_at)
    new = replace(
        present,
        killed=values.get("killed", present.killed),
        flag_set_ids=tuple(values.get("flag_set_ids", present.flag_set_ids)),
        version=base + 1,
        updated_at=now,
        updated_by=actor.name,
    )
    _note(tx, present, now)
    before = _shown(present)
    after = {**values.get("body", dump(present.definition)), "killed": new.killed}
    if new.flag_set_ids != present.flag_set_ids:
        before, after = _with_sets(tx, place, present, before), _with_sets(tx, place, new, after)
    _record(tx, actor, now, place, change, title, comment, before, after)
    return new, outbox.bump(tx, [place.flag.id], now)


def _note(tx: Transaction, changed: FlagDefinition, now: int) -> None:
    """Have applications hear of it."""
    place, kind = changed.environment.id, changed.traffic_type.name
    change_log.append(tx, place, changed.flag_id, changed.flag_name, kind, now)


def _with_sets(tx: Transaction, place: _Place, one: FlagDefinition, shown: dict[str, Any]) -> dict[str, Any]:
    names = flag_sets_stored.names_of(tx, place.project.id, one.flag_set_ids, locked=True)
    return {**shown, "flagSets": list(names.values())}


def _shown(definition: FlagDefinition) -> dict[str, Any]:
    return {**dump(definition.definition), "killed": definition.killed}


def _record(
    tx: Transaction,
    actor: Actor,
    now: int,
    place: _Place,
    change: str,
    title: str,
    comment: str,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
) -> None:
    record(
        tx,
        actor,
        now,
        change,
        object_type="definition",
        object_id=place.flag.id,
        object_name=place.flag.name,
        project_id=place.project.id,
        environment_id=place.environment.id,
        before=before,
        after=after,
        title=title,
        comment=comment,
    )
