"""Identities: what other systems say is known of single keys in an environment. Evaluation does not look at them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flagpost.actions.access import Actor, Right
from flagpost.actions.context import Context
from flagpost.actions.lookup import get_visible_project_and_environment
from flagpost.actions.unit_of_work import Change, transactional
from flagpost.errors import InvalidInput, NotFound, Problem
from flagpost.flags.naming_rules import key_problem
from flagpost.store.db import Transaction
from flagpost.store.locks import Lock
from flagpost.store.projects import attributes, projects
from flagpost.store.projects.attributes import Attribute, Identity
from flagpost.store.records import TrafficType

MAX_AT_ONCE = 1000
MAX_VALUE = 1000  # characters


@dataclass(frozen=True, slots=True)
class NewIdentity:
    """What is to be known of a key: values by the attribute's id."""

    key: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Refused:
    """One of many that could not be saved, and why."""

    identity: NewIdentity
    message: str


def get_identity(ctx: Context, actor: Actor, traffic_type: str, environment: str, key: str) -> Identity:
    """What is known of a key."""
    actor.require(Right.VIEW_FLAGS)
    with ctx.db.read() as tx:
        kind = _get_traffic_type(tx, actor, traffic_type, environment)
        found = attributes.find_identities(tx, kind.id, environment, [key]).get(key)
    if found is None:
        raise NotFound(f"Nothing is known of “{key}”.")
    return found


@transactional
def save_identity(
    change: Change, traffic_type: str, environment: str, new: NewIdentity, *, keep: bool = False
) -> Identity:
    """Write what is known of a key; with `keep`, values that are not named stay as they are."""
    change.actor.require(Right.EDIT_FLAGS)
    kind = _lock_traffic_type(change, traffic_type, environment)
    if problems := _problems(new, _known(change.tx, kind)):
        raise InvalidInput(problems)
    present = attributes.find_identities(change.tx, kind.id, environment, [new.key]).get(new.key) if keep else None
    kept = present.values if present else {}
    written = Identity(kind.id, environment, new.key, {**kept, **new.values}, change.now)
    attributes.put_identities(change.tx, [written])
    return written


@transactional
def save_identities(
    change: Change, traffic_type: str, environment: str, many: Sequence[NewIdentity]
) -> tuple[list[Identity], list[Refused]]:
    """Write what is known of many keys; those that are not valid are left out and given back with the reason."""
    change.actor.require(Right.EDIT_FLAGS)
    if len(many) > MAX_AT_ONCE:
        raise InvalidInput(f"At most {MAX_AT_ONCE} identities at once.")
    kind = _lock_traffic_type(change, traffic_type, environment)
    known = _known(change.tx, kind)
    refused = [Refused(one, InvalidInput(wrong).message) for one in many if (wrong := _problems(one, known))]
    bad = {id(one.identity) for one in refused}
    written = {
        one.key: Identity(kind.id, environment, one.key, dict(one.values), change.now)
        for one in many
        if id(one) not in bad
    }
    attributes.put_identities(change.tx, list(written.values()))
    return list(written.values()), refused


@transactional
def delete_identity(change: Change, traffic_type: str, environment: str, key: str) -> None:
    """Forget a key."""
    change.actor.require(Right.EDIT_FLAGS)
    kind = _lock_traffic_type(change, traffic_type, environment)
    if not attributes.delete_identity(change.tx, kind.id, environment, key):
        raise NotFound(f"Nothing is known of “{key}”.")


def _lock_traffic_type(change: Change, traffic_type: str, environment: str) -> TrafficType:
    """The traffic type, in an environment that is held until the commit: of two writes of one key, one reads after."""
    get_visible_project_and_environment(change.tx, change.actor, environment, lock=Lock.CHANGE)
    return _get_traffic_type(change.tx, change.actor, traffic_type, environment)


def _get_traffic_type(tx: Transaction, actor: Actor, traffic_type: str, environment: str) -> TrafficType:
    project, _ = get_visible_project_and_environment(tx, actor, environment)
    kind = projects.find_traffic_type(tx, project.id, traffic_type)
    if kind is None:
        raise NotFound(f"Could not find the traffic type “{traffic_type}” in {project.name}.")
    return kind


def _known(tx: Transaction, kind: TrafficType) -> dict[str, Attribute]:
    return {one.id: one for one in attributes.list_attributes(tx, kind.id)}


def _problems(identity: NewIdentity, known: Mapping[str, Attribute]) -> list[Problem]:
    found = [Problem("key", problem)] if (problem := key_problem(identity.key)) else []
    for name, value in identity.values.items():
        attribute = known.get(name)
        if attribute is None:
            found.append(Problem(f"values.{name}", f"There is no attribute “{name}”. Create it first."))
        elif problem := _value_problem(attribute, value):
            found.append(Problem(f"values.{name}", problem))
    return found


def _value_problem(attribute: Attribute, value: object) -> str | None:
    if len(str(value)) > MAX_VALUE:
        return f"A value has at most {MAX_VALUE:,} characters."
    if attribute.data_type == "SET":
        fits = isinstance(value, list) and all(isinstance(one, str) for one in value)
        return None if fits else "This must be a list of texts."
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return "This must be a text or a number."
    if attribute.data_type in ("NUMBER", "DATETIME") and not _is_number(value):
        return (
            "This must be a number." if attribute.data_type == "NUMBER" else "This must be in milliseconds since 1970."
        )
    return None


def _is_number(value: str | float) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True
