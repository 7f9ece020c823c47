"""Definitions: a flag's set-up in one environment. What is stored was valid when it was saved, and is read as it is."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from flagpost.flags.definition_json import dump, load
from flagpost.flags.model import Definition, FlagStatus, JiraEnvironmentType
from flagpost.store.db import Transaction
from flagpost.store.records import Environment, FlagDefinition, FlagHead, Page, TrafficType
from flagpost.store.schema.core import definitions, environments, flags, traffic_types

_DEFINITION = (
    sa.select(
        definitions,
        flags.c.name.label("flag_name"),
        flags.c.project_id,
        traffic_types.c.id.label("traffic_type_id"),
        traffic_types.c.name.label("traffic_type_name"),
        traffic_types.c.display_attribute_id,
        environments.c.name.label("environment_name"),
        environments.c.production,
        environments.c.jira_type,
        environments.c.permissions,
        environments.c.created_at.label("environment_created_at"),
    )
    .join_from(definitions, flags, definitions.c.flag_id == flags.c.id)
    .join(environments, definitions.c.environment_id == environments.c.id)
    .join(traffic_types, flags.c.traffic_type_id == traffic_types.c.id)
)


def _environment(row: Any) -> Environment:
    return Environment(
        row.environment_id,
        row.project_id,
        row.environment_name,
        row.production,
        JiraEnvironmentType(row.jira_type),
        row.permissions,
        row.environment_created_at,
    )


def _definition(row: Any) -> FlagDefinition:
    return FlagDefinition(
        id=row.id,
        flag_id=row.flag_id,
        flag_name=row.flag_name,
        environment=_environment(row),
        traffic_type=TrafficType(row.traffic_type_id, row.project_id, row.traffic_type_name, row.display_attribute_id),
        definition=load(row.body),
        killed=row.killed,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
        updated_by=row.updated_by,
        flag_set_ids=tuple(row.flag_set_ids or ()),
    )


_INSERT = sa.insert(definitions)
_UPDATE = sa.update(definitions).where(
    definitions.c.id == sa.bindparam("old_id"), definitions.c.version == sa.bindparam("old_version")
)


@dataclass(frozen=True, slots=True)
class Place:
    """A flag and an environment of one project, and the definition that is there, if any."""

    flag: FlagHead
    environment: Environment
    present: FlagDefinition | None


_FLAG_REF: sa.BindParameter[str] = sa.bindparam("flag", type_=sa.Text)
_ENVIRONMENT_REF: sa.BindParameter[str] = sa.bindparam("environment", type_=sa.Text)
_PLACE = (
    sa.select(
        *(column.label(f"definition_{column.name}") for column in definitions.c),
        flags.c.id.label("flag_id"),
        flags.c.project_id,
        flags.c.name.label("flag_name"),
        flags.c.status,
        traffic_types.c.id.label("traffic_type_id"),
        traffic_types.c.name.label("traffic_type_name"),
        traffic_types.c.display_attribute_id,
        environments.c.id.label("environment_id"),
        environments.c.name.label("environment_name"),
        environments.c.production,
        environments.c.jira_type,
        environments.c.permissions,
        environments.c.created_at.label("environment_created_at"),
    )
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


_LOCK_PLACE = (
    sa.select(flags.c.id.label("flag_id"), environments.c.id.label("environment_id"))
    .join_from(flags, environments, environments.c.project_id == flags.c.project_id)
    .where(
        flags.c.project_id == sa.bindparam("project"),
        sa.or_(flags.c.name == _FLAG_REF, flags.c.id == _FLAG_REF),
        sa.or_(environments.c.name == _ENVIRONMENT_REF, environments.c.id == _ENVIRONMENT_REF),
    )
    .order_by(flags.c.name != _FLAG_REF, environments.c.id != _ENVIRONMENT_REF)
    .limit(1)
    .suffix_with("FOR SHARE OF environments FOR NO KEY UPDATE OF flags", dialect="postgresql")
)


def lock(tx: Transaction, project_id: str, flag: str, environment: str) -> Place | None:
    """A flag and an environment, by name or id, for a change of the definition there; None where one is missing.

    Held until the commit: the flag, with which its definitions are held; and the environment, whose approval rules the
    change rests on. On PostgreSQL the locks come first and the rows are read in a statement of their own, so that they
    are read as the transaction left them that was waited for.
    """
    if tx.dialect.name == "postgresql":
        names = {"project": project_id, "flag": flag, "environment": environment}
        held = tx.execute(_LOCK_PLACE, names).first()
        if held is None:
            return None
        flag, environment = held.flag_id, held.environment_id
    return find_place(tx, project_id, flag, environment)


def find_place(tx: Transaction, project_id: str, flag: str, environment: str) -> Place | None:
    """In one query, what every change of a definition asks first; flag and environment by name or id."""
    names = {"project": project_id, "flag": flag, "environment": environment}
    row = tx.execute(_PLACE, names).first()
    if row is None:
        return None
    kind = TrafficType(row.traffic_type_id, row.project_id, row.traffic_type_name, row.display_attribute_id)
    head = FlagHead(row.flag_id, row.project_id, row.flag_name, FlagStatus(row.status))
    place = _environment(row)
    if row.definition_id is None:
        return Place(head, place, None)
    present = FlagDefinition(
        id=row.definition_id,
        flag_id=head.id,
        flag_name=head.name,
        environment=place,
        traffic_type=kind,
        definition=load(row.definition_body),
        killed=row.definition_killed,
        version=row.definition_version,
        created_at=row.definition_created_at,
        updated_at=row.definition_updated_at,
        updated_by=row.definition_updated_by,
        flag_set_ids=tuple(row.definition_flag_set_ids or ()),
    )
    return Place(head, place, present)


def find(tx: Transaction, flag_id: str, environment_id: str) -> FlagDefinition | None:
    """The flag's definition in an environment."""
    here = (definitions.c.flag_id == flag_id) & (definitions.c.environment_id == environment_id)
    row = tx.execute(_DEFINITION.where(here)).first()
    return _definition(row) if row else None


def of_flag(tx: Transaction, flag_id: str) -> dict[str, FlagDefinition]:
    """All of a flag's definitions, by environment id."""
    rows = tx.execute(_DEFINITION.where(definitions.c.flag_id == flag_id))
    return {row.environment_id: _definition(row) for row in rows}


_IN_ENVIRONMENT = sa.select(definitions.c.flag_id, definitions.c.body, definitions.c.killed).where(
    definitions.c.environment_id == sa.bindparam("environment"),
    definitions.c.flag_id.in_(sa.bindparam("flags", expanding=True)),
)


def states_in(tx: Transaction, flag_ids: Sequence[str], environment_id: str) -> dict[str, tuple[Definition, bool]]:
    """For a list: these flags' definitions in one environment and whether they are killed, by flag id."""
    rows = tx.execute(_IN_ENVIRONMENT, {"environment": environment_id, "flags": flag_ids}) if flag_ids else ()
    return {flag_id: (load(body), killed) for flag_id, body, killed in rows}


def page(tx: Transaction, environment_id: str, offset: int, limit: int) -> Page[FlagDefinition]:
    """The definitions in an environment, by flag name; archived flags are left out."""
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
    """A flag's first definition in an environment."""
    values: dict[str, Any] = {
        "id": str(uuid4()),
        "flag_id": flag_id,
        "environment_id": environment_id,
        "body": dump(definition),
    }
    values["flag_set_ids"] = list(flag_set_ids)
    tx.execute(_INSERT, {**values, "created_at": now, "updated_at": now, "updated_by": by})


def update(tx: Transaction, present: FlagDefinition, base_version: int, by: str, now: int, **values: Any) -> bool:
    """Set columns and raise the version, if it is still `base_version`; False where somebody was quicker."""
    changed = {"version": base_version + 1, "updated_at": now, "updated_by": by, **values}
    done = tx.execute(_UPDATE, {"old_id": present.id, "old_version": base_version, **changed})
    return done.rowcount == 1


def delete(tx: Transaction, definition_id: str) -> None:
    """Remove a definition: the flag is then not initiated there."""
    tx.execute(sa.delete(definitions).where(definitions.c.id == definition_id))


def flag_exists(tx: Transaction, project_id: str, name: str) -> bool:
    """Whether a rule can depend on a flag of this name."""
    there = sa.exists().where(flags.c.project_id == project_id, flags.c.name == name, flags.c.status == "active")
    return bool(tx.scalar(sa.select(there)))


def by_flag(tx: Transaction, project_id: str, environment_id: str, names: Collection[str]) -> dict[str, Definition]:
    """The definitions that these active flags (by name) have in an environment, by the flag's name."""
    query = (
        sa.select(flags.c.name, definitions.c.body)
        .join_from(flags, definitions, definitions.c.flag_id == flags.c.id)
        .where(flags.c.project_id == project_id, flags.c.name.in_(list(names)), flags.c.status == "active")
        .where(definitions.c.environment_id == environment_id)
    )
    rows = tx.execute(query) if names else ()
    return {row.name: load(row.body) for row in rows}


def flags_that_depend_on(tx: Transaction, project_id: str, name: str) -> list[str]:
    """The names of active flags with a rule that asks for this flag's treatment."""
    query = (
        sa.select(flags.c.name, definitions.c.body)
        .join_from(definitions, flags, definitions.c.flag_id == flags.c.id)
        .where(flags.c.project_id == project_id, flags.c.status == "active")
        .where(sa.cast(definitions.c.body, sa.Text).contains('"splitName": ' + f'"{name}"', autoescape=True))
    )
    return sorted({row.name for row in tx.execute(query)})
