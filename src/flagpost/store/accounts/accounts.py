"""Accounts: the outermost ring. An installation usually has one, made at its first start."""

from uuid import uuid4

import sqlalchemy as sa

from flagpost.store.db import Transaction
from flagpost.store.locks import Lock, take
from flagpost.store.schema.core import accounts


def insert(tx: Transaction, name: str, now: int) -> str:
    """A new account; its id."""
    account_id = str(uuid4())
    tx.execute(sa.insert(accounts).values(id=account_id, name=name, created_at=now))
    return account_id


def lock(tx: Transaction, account_id: str) -> None:
    """Keep every other transaction that asks for this lock waiting until the commit (`store.locks`).

    For decisions about an account as a whole, such as that an admin remains.
    """
    take(tx, accounts, [account_id], Lock.CHANGE)


def all_ids(tx: Transaction) -> list[str]:
    """The id of every account."""
    return list(tx.scalars(sa.select(accounts.c.id)))


def first(tx: Transaction) -> str | None:
    """The id of the oldest account; None before the first start."""
    return tx.scalar(sa.select(accounts.c.id).order_by(accounts.c.created_at, accounts.c.id).limit(1))
