"""What applications have yet to hear of: a number for each environment, which rises with every change of a flag in it.

A change takes its number in the transaction that makes it, while it holds the environment's row. So numbers are
committed in their order: whoever has read up to one has missed none below it. They are the time in milliseconds, or one
more than the last where the clock stands still or went back (Split: changeNumber "must increase on every save").

A flag's row stays when the flag goes, so that applications are told that it is gone.
"""

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa

from flagpost.flags.definition_json import load
from flagpost.flags.model import Definition
from flagpost.store.db import Transaction, insert_or
from flagpost.store.tables import definitions, environments, flag_changes, flags, traffic_types


@dataclass(frozen=True, slots=True)
class ChangedFlag:
    """A flag in one environment as it is now. `definition` is None where it was removed, archived or deleted."""

    flag_id: str
    name: str
    traffic_type: str
    number: int
    definition: Definition | None
    killed: bool


_NEXT = (
    sa.update(environments)
    .where(environments.c.id == sa.bindparam("environment"))
    .values(
        change_number=sa.case(
            (environments.c.change_number < sa.bindparam("now"), sa.bindparam("now")),
            else_=environments.c.change_number + 1,
        )
    )
    .returning(environments.c.change_number)
)


def note(tx: Transaction, environment_id: str, flag_id: str, name: str, traffic_type: str, now: int) -> int:
    """A flag changed in an environment; the number of this change."""
    number: int = tx.execute(_NEXT, {"environment": environment_id, "now": now}).scalar_one()
    row = {"flag_name": name, "traffic_type": traffic_type, "change_number": number}
    new = insert_or(tx, flag_changes).values(environment_id=environment_id, flag_id=flag_id, **row)
    key = [flag_changes.c.environment_id, flag_changes.c.flag_id]
    tx.execute(new.on_conflict_do_update(index_elements=key, set_=row))
    return number


def note_everywhere(tx: Transaction, flag_id: str, now: int) -> None:
    """A flag changed as a whole: the same in each environment where it is set up."""
    query = (
        sa.select(definitions.c.environment_id, flags.c.name, traffic_types.c.name.label("traffic_type"))
        .join_from(flags, definitions, definitions.c.flag_id == flags.c.id)
        .join(traffic_types, traffic_types.c.id == flags.c.traffic_type_id)
        .where(flags.c.id == flag_id)
        .order_by(definitions.c.environment_id)  # rows of environments are locked in one order, by everybody
    )
    for environment_id, name, traffic_type in tx.execute(query).all():
        note(tx, environment_id, flag_id, name, traffic_type, now)


def numbers(tx: Transaction, environment_ids: Collection[str]) -> dict[str, int]:
    """The number of the last change in each of these environments; those that are gone are left out."""
    query = sa.select(environments.c.id, environments.c.change_number).where(environments.c.id.in_(environment_ids))
    return {row.id: row.change_number for row in tx.execute(query)}


_SINCE = (
    sa.select(
        flag_changes.c.flag_id,
        flag_changes.c.flag_name,
        flag_changes.c.traffic_type,
        flag_changes.c.change_number,
        definitions.c.body,
        definitions.c.killed,
        flags.c.status,
    )
    .outerjoin_from(flag_changes, flags, flags.c.id == flag_changes.c.flag_id)
    .outerjoin(
        definitions,
        (definitions.c.flag_id == flag_changes.c.flag_id)
        & (definitions.c.environment_id == flag_changes.c.environment_id),
    )
    .where(
        flag_changes.c.environment_id == sa.bindparam("environment"),
        flag_changes.c.change_number > sa.bindparam("number"),
    )
    .order_by(flag_changes.c.change_number)
)


def since(tx: Transaction, environment_id: str, number: int) -> list[ChangedFlag]:
    """The flags that changed in an environment after this number, in the order of their last changes."""
    rows = tx.execute(_SINCE, {"environment": environment_id, "number": number})
    return [
        ChangedFlag(
            row.flag_id,
            row.flag_name,
            row.traffic_type,
            row.change_number,
            load(row.body) if row.body is not None and row.status == "active" else None,
            bool(row.killed),
        )
        for row in rows
    ]


def catch_up(tx: Transaction, now: int) -> int:
    """Note what a version of Flagpost changed that knew nothing of these numbers; how many flags that were."""
    later = sa.or_(flag_changes.c.change_number.is_(None), flag_changes.c.change_number < definitions.c.updated_at)
    query = (
        sa.select(definitions.c.environment_id, flags.c.id, flags.c.name, traffic_types.c.name.label("traffic_type"))
        .join_from(definitions, flags, flags.c.id == definitions.c.flag_id)
        .join(traffic_types, traffic_types.c.id == flags.c.traffic_type_id)
        .outerjoin(
            flag_changes,
            (flag_changes.c.flag_id == definitions.c.flag_id)
            & (flag_changes.c.environment_id == definitions.c.environment_id),
        )
        .where(later)
        .order_by(definitions.c.environment_id, flags.c.name)
    )
    missed = tx.execute(query).all()
    for row in missed:
        note(tx, row.environment_id, row.id, row.name, row.traffic_type, now)
    return len(missed)
