"""Flag sets: names under which SDKs download some of a project's flags. A definition says which sets it is in."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from flagpost.store.db import Condition, Transaction
from flagpost.store.flags.dependencies import places_referring_to
from flagpost.store.locks import Lock, take
from flagpost.store.schema.core import projects
from flagpost.store.schema.targeting import flag_sets


@dataclass(frozen=True, slots=True)
class FlagSet:
    """A set of flags of one project."""

    id: str
    project_id: str
    name: str
    description: str
    created_at: int


@dataclass(frozen=True, slots=True)
class Member:
    """A flag that belongs to a set in an environment."""

    flag_id: str
    flag: str
    environment_id: str
    environment: str


def page(tx: Transaction, project_id: str, after: str, limit: int | None) -> list[FlagSet]:
    """A project's flag sets in order of name, from the first one after a name; a limit of None means all."""
    mine = (flag_sets.c.project_id == project_id) & (flag_sets.c.name > after)
    return [
        FlagSet(*row) for row in tx.execute(sa.select(flag_sets).where(mine).order_by(flag_sets.c.name).limit(limit))
    ]


def find(tx: Transaction, project_id: str, ref: str) -> FlagSet | None:
    """A project's flag set with this id or name."""
    either = sa.or_(flag_sets.c.id == ref, flag_sets.c.name == ref)
    query = sa.select(flag_sets).where(flag_sets.c.project_id == project_id, either).order_by(flag_sets.c.id != ref)
    row = tx.execute(query.limit(1)).first()
    return FlagSet(*row) if row else None


def find_visible(tx: Transaction, condition: Condition, flag_set_id: str) -> FlagSet | None:
    """The flag set with this id, of a project that fulfils the condition."""
    visible = flag_sets.c.project_id.in_(sa.select(projects.c.id).where(condition))
    query = sa.select(flag_sets).where(flag_sets.c.id == flag_set_id, visible)
    row = tx.execute(query).first()
    return FlagSet(*row) if row else None


def lock(tx: Transaction, condition: Condition, flag_set_id: str, strength: Lock = Lock.CHANGE) -> FlagSet | None:
    """The flag set with this id, of a project that fulfils the condition, locked until the commit (`store.locks`)."""
    take(tx, flag_sets, [flag_set_id], strength)
    return find_visible(tx, condition, flag_set_id)


def names_of(tx: Transaction, project_id: str, ids: Collection[str]) -> dict[str, str]:
    """The names of these flag sets by id, in order of name. Ids that the project does not have are left out."""
    if not ids:
        return {}
    mine = (flag_sets.c.project_id == project_id) & flag_sets.c.id.in_(list(ids))
    query = sa.select(flag_sets.c.id, flag_sets.c.name).where(mine).order_by(flag_sets.c.name)
    return {row.id: row.name for row in tx.execute(query)}


def lock_names_of(tx: Transaction, project_id: str, ids: Collection[str]) -> dict[str, str]:
    """As `names_of`. None of these flag sets is deleted before the commit (`store.locks`)."""
    take(tx, flag_sets, ids, Lock.SHARE)
    return names_of(tx, project_id, ids)


def insert(tx: Transaction, project_id: str, name: str, description: str, now: int) -> FlagSet:
    """Insert a flag set without members."""
    new = FlagSet(str(uuid4()), project_id, name, description, now)
    values: dict[str, Any] = {column.name: getattr(new, column.name) for column in flag_sets.c}
    tx.execute(sa.insert(flag_sets).values(values))
    return new


def delete(tx: Transaction, flag_set_id: str) -> None:
    """Delete a flag set, which must not have members."""
    tx.execute(sa.delete(flag_sets).where(flag_sets.c.id == flag_set_id))


def members(tx: Transaction, project_id: str, only: str = "") -> dict[str, list[Member]]:
    """The members of a project's flag sets, or of one set (`only`), by the set's id and in order of name."""
    ids = [only] if only else list(tx.scalars(sa.select(flag_sets.c.id).where(flag_sets.c.project_id == project_id)))
    found: dict[str, list[Member]] = defaultdict(list)
    for row in places_referring_to(tx, project_id, "flag_set", ids):
        found[row.target].append(Member(row.flag_id, row.flag, row.environment_id, row.environment))
    return found
