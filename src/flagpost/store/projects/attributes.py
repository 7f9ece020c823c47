"""Attributes of traffic types, and identities: the attribute values that are stored for single keys."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from flagpost.store.db import Transaction, insert_or
from flagpost.store.schema.targeting import attributes, identities


@dataclass(frozen=True, slots=True)
class Attribute:
    """A value that applications send about a key. `id` is the name under which they send it."""

    traffic_type_id: str
    id: str
    display_name: str
    description: str
    data_type: str | None
    is_searchable: bool
    suggested_values: list[str]


@dataclass(frozen=True, slots=True)
class Identity:
    """The attribute values of a key in an environment, by the attribute's id."""

    traffic_type_id: str
    environment_id: str
    key: str
    values: dict[str, Any]
    updated_at: int


_IDENTITY = ("traffic_type_id", "environment_id", "key")


def list_attributes(
    tx: Transaction, traffic_type_id: str, prefix: str = "", after: str = "", limit: int | None = None
) -> list[Attribute]:
    """A traffic type's attributes with an id or name that starts with `prefix`, in order of id, after `after`."""
    query = sa.select(attributes).where(attributes.c.traffic_type_id == traffic_type_id, attributes.c.id > after)
    if prefix:
        columns = (sa.func.lower(attributes.c.id), sa.func.lower(attributes.c.display_name))
        query = query.where(sa.or_(*(one.startswith(prefix.lower(), autoescape=True) for one in columns)))
    return [Attribute(*row) for row in tx.execute(query.order_by(attributes.c.id).limit(limit))]


def find_attribute(tx: Transaction, traffic_type_id: str, attribute_id: str) -> Attribute | None:
    """The attribute with this id."""
    mine = (attributes.c.traffic_type_id == traffic_type_id) & (attributes.c.id == attribute_id)
    row = tx.execute(sa.select(attributes).where(mine)).first()
    return Attribute(*row) if row else None


def put_attributes(tx: Transaction, many: Sequence[Attribute]) -> None:
    """Insert attributes, or replace those with the same id."""
    new = insert_or(tx, attributes)
    changed = {one.name: new.excluded[one.name] for one in attributes.c if not one.primary_key}
    query = new.on_conflict_do_update(index_elements=["traffic_type_id", "id"], set_=changed)
    if many:
        tx.execute(query, [asdict(one) for one in many])


def delete_attribute(tx: Transaction, attribute: Attribute) -> None:
    """Delete an attribute. The identities keep their values of it."""
    mine = (attributes.c.traffic_type_id == attribute.traffic_type_id) & (attributes.c.id == attribute.id)
    tx.execute(sa.delete(attributes).where(mine))


def find_identities(
    tx: Transaction, traffic_type_id: str, environment_id: str, keys: Collection[str]
) -> dict[str, Identity]:
    """The identities of these keys, by key."""
    here = (identities.c.traffic_type_id == traffic_type_id) & (identities.c.environment_id == environment_id)
    rows = tx.execute(sa.select(identities).where(here, identities.c.key.in_(list(keys))))
    return {row.key: Identity(*row) for row in rows}


def put_identities(tx: Transaction, many: Sequence[Identity]) -> None:
    """Insert identities, or replace those with the same key."""
    new = insert_or(tx, identities)
    changed = {name: new.excluded[name] for name in ("attribute_values", "updated_at")}
    query = new.on_conflict_do_update(index_elements=list(_IDENTITY), set_=changed)
    rows = [
        {name: getattr(one, name) for name in (*_IDENTITY, "updated_at")} | {"attribute_values": one.values}
        for one in many
    ]
    if rows:
        tx.execute(query, rows)


def delete_identity(tx: Transaction, traffic_type_id: str, environment_id: str, key: str) -> bool:
    """Delete the identity of a key; False where there was none."""
    here = (identities.c.traffic_type_id == traffic_type_id) & (identities.c.environment_id == environment_id)
    return tx.execute(sa.delete(identities).where(here, identities.c.key == key)).rowcount == 1
