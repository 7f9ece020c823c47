"""Definitions: a flag's set-up in one environment. A stored definition was valid when it was saved."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from flagpost.flags.definition_json import dump, load
from flagpost.flags.model import Definition, FlagStatus
from flagpost.store import rows
from flagpost.store.db import Transaction
from flagpost.store.flags import dependencies
from flagpost.store.flags.flags import lock_with_dependencies, touch
from flagpost.store.locks import Lock, take
from flagpost.store.records import Environment, FlagDefinition, FlagHead, Page
from flagpost.store.schema.core import definitions, environments, flags, traffic_types

_COLUMNS = [
    *rows.nested(definitions, "definition"),
    *rows.ENVIRONMENT,
    *rows.TRAFFIC_TYPE,
    flags.c.id.label("flag__id"),
    flags.c.project_id.label("flag__project_id"),
    flags.c.name.label("flag__name"),
    flags.c.status.label("flag__status"),
]
_DEFINITION = (
    sa.select(*_COLUMNS)
    .join_from(definitions, flags, definitions.c.flag_id == flags.c.id)
    .join(environments, definitions.c.environment_id == environments.c.id)
    .join(traffic_types, flags.c.traffic_type_id == traffic_types.c.id)
)


def _definition(row: Any) -> FlagDefinition:
    return FlagDefinition(
        id=row.definition__id,
        flag_id=row.flag__id,
        flag_name=row.flag__name,
        environment=rows.environment(row),
        traffic_type=rows.traffic_type(row),
        definition=load(row.definition__body),
        killed=row.definition__killed,
        version=row.definition__version,
        created_at=row.definition__created_at,
        updated_at=row.definition__updated_at,
        updated_by=row.definition__updated_by,
        flag_set_ids=tuple(row.definition__flag_set_ids),
    )


_INSERT = sa.insert(definitions)
_UPDATE = sa.update(definitions).where(
    definitions.c.id == sa.bindparam("old_id"), definitions.c.version == sa.bindparam("old_version")
)


@dataclass(frozen=True, slots=True)
class Place:
    """A flag and an environment of one project, and the flag's definition in it; None without one."""

    flag: FlagHead
    environment: Environment
    current: FlagDefinition | None


_FLAG_REF: sa.BindParameter[str] = sa.bindparam("flag", type_=sa.Text)
_ENVIRONMENT_REF: sa.BindParameter[str] = sa.bindparam("environment", type_=sa.Text)
_PLACE = (
    sa.select(*_COLUMNS)
    .join_from(flags, traffic_types, flags.c.traffic_type_id == traffic_types.c.id)
    .join(environments, environments.c.project_id == flags.c.project_id)
    .outerjoin(definitions, (definitions.c.flag_id == flags.c.id) & (definitions.c.environment_id == environments.c.id))
    .where(
        flags.c.project_id == sa.bindparam("project"),
        sa.or_(flags.c.name == _FLAG_REF, flags.c.id == _FLAG_REF),
        sa.or_(environments.c.name == _ENVIRONMENT_REF, environments.c.id == _ENVIRONMENT_REF),
    )
    .order_by(flags.c.name != _FLAG_REF, environments.c.id != _ENVIRONMENT_REF)
    .limit(1)
)


_PLACE_IDS = (
    sa.select(flags.c.id.label("flag_id"), environments.c.id.label("environment_id"))
    .join_from(flags, environments, environments.c.project_id == flags.c.project_id)
    .where(
        flags.c.project_id == sa.bindparam("project"),
        sa.or_(flags.c.name == _FLAG_REF, flags.c.id == _FLAG_REF),
        sa.or_(environments.c.name == _ENVIRONMENT_REF, environments.c.id == _ENVIRONMENT_REF),
    )
    .order_by(flags.c.name != _FLAG_REF, environments.c.id != _ENVIRONMENT_REF)
    .limit(1)
)
_LOCK_PLACE = _PLACE_IDS.suffix_with("FOR SHARE OF environments FOR NO KEY UPDATE OF flags", dialect="postgresql")


def lock(
    tx: Transaction, project_id: str, flag: str, environment: str, depends_on: Collection[str] = ()
) -> Place | None:
    """A flag and an environment, by name or id, for a change of the definition there; None where one is missing.

    Held until the commit: the environment, whose approval rules the change rests on; the flag, with which its
    definitions are held; and the flags that the new definition depends on (by name). On PostgreSQL
    the locks come first and the rows are read in a statement of their own, so that they are read as the transaction
    left them that this one waited for.
    """
    if tx.dialect.name == "postgresql":
        names = {"project": project_id, "flag": flag, "environment": environment}
        held = tx.execute(_PLACE_IDS if depends_on else _LOCK_PLACE, names).first()
        if held is None:
            return None
        flag, environment = held.flag_id, held.environment_id
        if depends_on:
            take(tx, environments, [environment], Lock.SHARE)
            lock_with_dependencies(tx, project_id, flag, depends_on)
    return find_place(tx, project_id, flag, environment)


def find_place(tx: Transaction, project_id: str, flag: str, environment: str) -> Place | None:
    """A flag and an environment, by name or id, in one query; None where one is missing."""
    names = {"project": project_id, "flag": flag, "environment": environment}
    row = tx.execute(_PLACE, names).first()
    if row is None:
        return None
    head = FlagHead(row.flag__id, row.flag__project_id, row.flag__name, FlagStatus(row.flag__status))
    current = _definition(row) if row.definition__id is not None else None
    return Place(head, rows.environment(row), current)


def find(tx: Transaction, flag_id: str, environment_id: str) -> FlagDefinition | None:
    """The flag's definition in an environment."""
    here = (definitions.c.flag_id == flag_id) & (definitions.c.environment_id == environment_id)
    row = tx.execute(_DEFINITION.where(here)).first()
    return _definition(row) if row else None


def of_flag(tx: Transaction, flag_id: str) -> dict[str, FlagDefinition]:
    """All of a flag's definitions, by environment id."""
    found = map(_definition, tx.execute(_DEFINITION.where(definitions.c.flag_id == flag_id)))
    return {one.environment.id: one for one in found}


_IN_ENVIRONMENT = sa.select(definitions.c.flag_id, definitions.c.body, definitions.c.killed).where(
    definitions.c.environment_id == sa.bindparam("environment"),
    definitions.c.flag_id.in_(sa.bindparam("flags", expanding=True)),
)


def states_in(tx: Transaction, flag_ids: Sequence[str], environment_id: str) -> dict[str, tuple[Definition, bool]]:
    """These flags' definitions in one environment, each with whether it is killed, by flag id."""
    found = tx.execute(_IN_ENVIRONMENT, {"environment": environment_id, "flags": flag_ids}) if flag_ids else ()
    return {flag_id: (load(body), killed) for flag_id, body, killed in found}


def page(tx: Transaction, environment_id: str, offset: int, limit: int) -> Page[FlagDefinition]:
    """The definitions of active flags in an environment, in order of the flags' names."""
    here = (definitions.c.environment_id == environment_id) & (flags.c.status == "active")
    count = sa.select(sa.func.count()).join_from(definitions, flags, definitions.c.flag_id == flags.c.id).where(here)
    query = _DEFINITION.where(here).order_by(flags.c.name).offset(offset).limit(limit)
    return Page([_definition(row) for row in tx.execute(query)], offset, limit, tx.scalar(count) or 0)


def insert(
    tx: Transaction,
    flag_id: str,
    environment_id: str,
    definition: Definition,
    by: str,
    now: int,
    flag_set_ids: Sequence[str] = (),
) -> None:
    """Insert a flag's first definition in an environment."""
    new, body = str(uuid4()), dump(definition)
    place = {"flag_id": flag_id, "environment_id": environment_id}
    times = {"created_at": now, "updated_at": now, "updated_by": by}
    tx.execute(_INSERT, {"id": new, "body": body, "flag_set_ids": list(flag_set_ids), **place, **times})
    dependencies.insert(tx, new, dependencies.references_in(body) | _sets(flag_set_ids))
    touch(tx, flag_id, now)


def update(tx: Transaction, present: FlagDefinition, base_version: int, by: str, now: int, **values: Any) -> bool:
    """Set columns of a definition and raise its version. False, and no change, unless it still has `base_version`."""
    changed = {"version": base_version + 1, "updated_at": now, "updated_by": by, **values}
    done = tx.execute(_UPDATE, {"old_id": present.id, "old_version": base_version, **changed})
    if done.rowcount != 1:
        return False
    if "body" in values:
        dependencies.replace(tx, present.id, dependencies.references_in(values["body"]), ("flag", "segment"))
    if "flag_set_ids" in values:
        dependencies.replace(tx, present.id, _sets(values["flag_set_ids"]), ("flag_set",))
    touch(tx, present.flag_id, now)
    return True


def _sets(flag_set_ids: Sequence[str]) -> set[dependencies.Reference]:
    return {("flag_set", id) for id in flag_set_ids}


def delete(tx: Transaction, present: FlagDefinition, now: int) -> None:
    """Delete a definition: the flag is then not initiated in that environment."""
    tx.execute(sa.delete(definitions).where(definitions.c.id == present.id))
    touch(tx, present.flag_id, now)


def by_flag(tx: Transaction, project_id: str, environment_id: str, names: Collection[str]) -> dict[str, Definition]:
    """The definitions that these active flags (by name) have in an environment, by the flag's name."""
    query = (
        sa.select(flags.c.name, definitions.c.body)
        .join_from(flags, definitions, definitions.c.flag_id == flags.c.id)
        .where(flags.c.project_id == project_id, flags.c.name.in_(list(names)), flags.c.status == "active")
        .where(definitions.c.environment_id == environment_id)
    )
    found = tx.execute(query) if names else ()
    return {row.name: load(row.body) for row in found}
