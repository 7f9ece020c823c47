"""Accounts. An installation usually has one, which its first start makes."""

from uuid import uuid4

import sqlalchemy as sa

from flagpost.store.db import Transaction
from flagpost.store.locks import Lock, take
from flagpost.store.schema.core import accounts


def insert(tx: Transaction, name: str, now: int) -> str:
    """Insert an account. Returns its id."""
    account_id = str(uuid4())
    tx.execute(sa.insert(accounts).values(id=account_id, name=name, created_at=now))
    return account_id


def first_or_insert(tx: Transaction, name: str, now: int) -> tuple[str, bool]:
    """The id of the oldest account, made with this name where there is none; and whether it was made.

    On PostgreSQL the table is locked, since there is no row to lock yet: a process that comes second waits, and finds
    the account of the first.
    """
    if tx.dialect.name == "postgresql":
        tx.execute(sa.text("LOCK TABLE accounts IN SHARE ROW EXCLUSIVE MODE"))
    known = first(tx)
    return (known, False) if known else (insert(tx, name, now), True)


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
