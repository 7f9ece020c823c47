"""The change log of flags, for applications: the number of the last change of each flag in each environment.

A row outlives its flag, so that applications learn that the flag was deleted. `store.flags.change_sequence` says why an
application that has read up to a number has missed no change below it.
"""

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa

from flagpost.flags.bucketing import Seeds, seeds_of
from flagpost.flags.definition_json import load
from flagpost.flags.model import Definition
from flagpost.store.db import Transaction, insert_or
from flagpost.store.flags.change_sequence import next_change_number
from flagpost.store.schema.core import definitions, environments, flag_changes, flags, traffic_types
from flagpost.store.schema.targeting import change_sequence, seed_overrides


@dataclass(frozen=True, slots=True)
class ChangedFlag:
    """A flag in one environment. `definition` is None without one there, and for an archived or deleted flag."""

    name: str
    traffic_type: str
    number: int
    definition: Definition | None
    killed: bool
    seeds: Seeds
    flag_set_ids: tuple[str, ...] = ()


def append(tx: Transaction, environment_id: str, flag_id: str, name: str, traffic_type: str, now: int) -> int:
    """Record that a flag changed in an environment. Returns the number of the change."""
    number = next_change_number(tx, environment_id, now)
    row = {"flag_name": name, "traffic_type": traffic_type, "change_number": number}
    new = insert_or(tx, flag_changes).values(environment_id=environment_id, flag_id=flag_id, **row)
    key = [flag_changes.c.environment_id, flag_changes.c.flag_id]
    tx.execute(new.on_conflict_do_update(index_elements=key, set_=row))
    return number


def append_everywhere(tx: Transaction, flag_id: str, now: int) -> None:
    """Number a change of a whole flag in each environment whose applications may know it. The flag can be deleted."""
    known = sa.select(flag_changes.c.environment_id, flag_changes.c.flag_name, flag_changes.c.traffic_type)
    set_up = (
        sa.select(definitions.c.environment_id, flags.c.name, traffic_types.c.name)
        .join_from(flags, definitions, definitions.c.flag_id == flags.c.id)
        .join(traffic_types, traffic_types.c.id == flags.c.traffic_type_id)
    )
    places = {
        environment_id: (name, traffic_type)
        for query in (known.where(flag_changes.c.flag_id == flag_id), set_up.where(flags.c.id == flag_id))
        for environment_id, name, traffic_type in tx.execute(query)
    }
    for environment_id in sorted(places):  # the lock order of rows of one table
        append(tx, environment_id, flag_id, *places[environment_id], now)


def numbers(tx: Transaction, environment_ids: Collection[str]) -> dict[str, int]:
    """The number of the last change of any kind in each of these environments; -1 in one without a change.

    Environments that do not exist are left out.
    """
    last = sa.func.coalesce(change_sequence.c.last, -1).label("last")
    query = sa.select(environments.c.id, last).outerjoin_from(environments, change_sequence)
    return {row.id: row.last for row in tx.execute(query.where(environments.c.id.in_(environment_ids)))}


_SINCE = (
    sa.select(
        flag_changes.c.flag_id,
        flag_changes.c.flag_name,
        flag_changes.c.traffic_type,
        flag_changes.c.change_number,
        definitions.c.body,
        definitions.c.killed,
        definitions.c.flag_set_ids,
        flags.c.status,
        seed_overrides.c.shares,
        seed_overrides.c.exposure,
    )
    .outerjoin_from(flag_changes, flags, flags.c.id == flag_changes.c.flag_id)
    .outerjoin(
        definitions,
        (definitions.c.flag_id == flag_changes.c.flag_id)
        & (definitions.c.environment_id == flag_changes.c.environment_id),
    )
    .outerjoin(
        seed_overrides,
        (seed_overrides.c.flag_id == flag_changes.c.flag_id)
        & (seed_overrides.c.environment_id == flag_changes.c.environment_id),
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
            row.flag_name,
            row.traffic_type,
            row.change_number,
            load(row.body) if row.body is not None and row.status == "active" else None,
            bool(row.killed),
            seeds_of(row.flag_id, environment_id) if row.shares is None else Seeds(row.shares, row.exposure),
            tuple(row.flag_set_ids or ()),
        )
        for row in rows
    ]
