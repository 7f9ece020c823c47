"""What applications have yet to hear of flags: the number of the last change of each, in each environment.

A row stays when its flag goes, so that applications are told that it is gone. `store.flags.change_sequence` says why
whoever has read up to a number has missed none below it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from flagpost.flags.bucketing import Seeds, seeds_of
from flagpost.flags.definition_json import load
from flagpost.flags.model import Definition
from flagpost.store.db import Transaction, insert_or
from flagpost.store.flags.change_sequence import next_change_number
from flagpost.store.schema.core import definitions, environments, flag_changes, flags, traffic_types
from flagpost.store.schema.targeting import carried_seeds, change_numbers


@dataclass(frozen=True, slots=True)
class ChangedFlag:
    """A flag in one environment as it is now. `definition` is None where it was removed, archived or deleted."""

    name: str
    traffic_type: str
    number: int
    definition: Definition | None
    killed: bool
    seeds: Seeds
    flag_set_ids: tuple[str, ...] = ()


def append(tx: Transaction, environment_id: str, flag_id: str, name: str, traffic_type: str, now: int) -> int:
    """A flag changed in an environment; the number of this change."""
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
    """The number of the last change of any kind in each of these environments, -1 where there was none yet.

    Environments that are gone are left out.
    """
    last = sa.func.coalesce(change_numbers.c.last, -1).label("last")
    query = sa.select(environments.c.id, last).outerjoin_from(environments, change_numbers)
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
        carried_seeds.c.shares,
        carried_seeds.c.exposure,
    )
    .outerjoin_from(flag_changes, flags, flags.c.id == flag_changes.c.flag_id)
    .outerjoin(
        definitions,
        (definitions.c.flag_id == flag_changes.c.flag_id)
        & (definitions.c.environment_id == flag_changes.c.environment_id),
    )
    .outerjoin(
        carried_seeds,
        (carried_seeds.c.flag_id == flag_changes.c.flag_id)
        & (carried_seeds.c.environment_id == flag_changes.c.environment_id),
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


def missed(tx: Transaction) -> Sequence[Any]:
    """What a version of Flagpost changed that knew nothing of these numbers."""
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
    return tx.execute(query).all()


def catch_up(tx: Transaction, now: int) -> int:
    """Number what was missed; how many flags that were."""
    rows = missed(tx)
    for row in rows:
        append(tx, row.environment_id, row.id, row.name, row.traffic_type, now)
    return len(rows)
