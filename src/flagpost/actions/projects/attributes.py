"""Attributes of a traffic type: what applications tell of a key, described for those who write rules."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from flagpost.actions.access import Actor, Right
from flagpost.actions.context import Context
from flagpost.actions.lookup import get_visible_project
from flagpost.actions.unit_of_work import Change, Subject, transactional
from flagpost.errors import Conflict, InvalidInput, NotFound, Problem
from flagpost.store.db import Transaction
from flagpost.store.locks import Lock
from flagpost.store.projects import attributes, projects
from flagpost.store.projects.attributes import Attribute
from flagpost.store.records import Project, TrafficType

DATA_TYPES = ("STRING", "DATETIME", "NUMBER", "SET")
MAX_AT_ONCE = 1000
MAX_SUGGESTED = 100


def list_attributes(
    ctx: Context,
    actor: Actor,
    project: str,
    traffic_type: str,
    *,
    prefix: str = "",
    after: str = "",
    limit: int | None = None,
) -> list[Attribute]:
    """A traffic type's attributes by id, those after `after` whose id or name starts with `prefix`."""
    with ctx.db.read() as tx:
        kind = _get_traffic_type(tx, get_visible_project(tx, actor, project), traffic_type)
        return attributes.list_attributes(tx, kind.id, prefix, after, limit)


@transactional
def save_attributes(
    change: Change, project: str, traffic_type: str, many: Sequence[Attribute], *, new: bool = False
) -> list[Attribute]:
    """Write attributes (their `traffic_type_id` is filled in here); Conflict with `new` where one exists already."""
    change.actor.require(Right.MANAGE_PROJECTS)
    if len(many) > MAX_AT_ONCE:
        raise InvalidInput(f"At most {MAX_AT_ONCE} attributes at once.")
    problems = [problem for number, one in enumerate(many) for problem in _problems(one, number, len(many))]
    if problems:
        raise InvalidInput(problems)
    kind = _lock_traffic_type(change, project, traffic_type)
    return _save(change, kind, many, new=new)


@transactional
def edit_attribute(
    change: Change, project: str, traffic_type: str, attribute: str, edit: Callable[[Attribute], Attribute]
) -> Attribute:
    """Change an attribute as `edit` says, which is called with the locked attribute (see `users.edit_user`)."""
    change.actor.require(Right.MANAGE_PROJECTS)
    kind = _lock_traffic_type(change, project, traffic_type)
    edited = edit(_get_attribute(change.tx, kind, attribute))
    if problems := _problems(edited, 0, 1):
        raise InvalidInput(problems)
    return _save(change, kind, [edited])[0]


def _save(change: Change, kind: TrafficType, many: Sequence[Attribute], *, new: bool = False) -> list[Attribute]:
    written = [replace(one, traffic_type_id=kind.id) for one in many]
    before = {one.id: attributes.find_attribute(change.tx, kind.id, one.id) for one in written}
    if new and (there := [id for id, one in before.items() if one]):
        raise Conflict(f"There is an attribute “{there[0]}” of {kind.name} already.")
    attributes.put_attributes(change.tx, list({one.id: one for one in written}.values()))
    for one in written:
        old = before[one.id]
        change.saved("updated" if old else "created", _subject(kind, one), before=_shown(old), after=_shown(one))
    return written


def get_attribute(ctx: Context, actor: Actor, project: str, traffic_type: str, attribute: str) -> Attribute:
    """One attribute, by what applications call it."""
    with ctx.db.read() as tx:
        return _get_attribute(
            tx, _get_traffic_type(tx, get_visible_project(tx, actor, project), traffic_type), attribute
        )


@transactional
def delete_attribute(change: Change, project: str, traffic_type: str, attribute: str) -> None:
    """Remove an attribute. Rules that name it go on working: they compare what applications send."""
    change.actor.require(Right.MANAGE_PROJECTS)
    kind = _lock_traffic_type(change, project, traffic_type)
    old = _get_attribute(change.tx, kind, attribute)
    attributes.delete_attribute(change.tx, old)
    change.saved("deleted", _subject(kind, old), before=_shown(old))


def _lock_traffic_type(change: Change, project: str, ref: str) -> TrafficType:
    """A traffic type of a project that is held until the commit, and with it all that stands below the project."""
    found = get_visible_project(change.tx, change.actor, project, lock=Lock.CHANGE)
    return _get_traffic_type(change.tx, found, ref)


def _problems(one: Attribute, number: int, of: int) -> list[Problem]:
    path = f"[{number}]." if of > 1 else ""
    found = []
    if not one.id.strip() or len(one.id) > 200 or not one.id.isprintable() or "/" in one.id:
        found.append(Problem(f"{path}id", "An attribute's id has 1 to 200 printable characters, and no slash."))
    if len(one.display_name) > 200 or len(one.description) > 10_000:
        found.append(Problem(f"{path}displayName", "A name has at most 200, a description 10,000 characters."))
    if one.data_type not in (None, *DATA_TYPES):
        found.append(Problem(f"{path}dataType", f"Choose one of {', '.join(DATA_TYPES)}."))
    if len(one.suggested_values) > MAX_SUGGESTED or any(len(value) > 200 for value in one.suggested_values):
        found.append(Problem(f"{path}suggestedValues", f"At most {MAX_SUGGESTED} values of at most 200 characters."))
    return found


def _get_traffic_type(tx: Transaction, project: Project, ref: str) -> TrafficType:
    kind = projects.find_traffic_type(tx, project.id, ref)
    if kind is None:
        raise NotFound(f"Could not find the traffic type “{ref}” in {project.name}.")
    return kind


def _get_attribute(tx: Transaction, kind: TrafficType, attribute: str) -> Attribute:
    found = attributes.find_attribute(tx, kind.id, attribute)
    if found is None:
        raise NotFound(f"Could not find the attribute “{attribute}” of {kind.name}.")
    return found


def _shown(one: Attribute | None) -> dict[str, Any] | None:
    if one is None:
        return None
    return {"displayName": one.display_name, "description": one.description, "dataType": one.data_type}


def _subject(kind: TrafficType, attribute: Attribute) -> Subject:
    return Subject("attribute", kind.id, attribute.id, kind.project_id)
