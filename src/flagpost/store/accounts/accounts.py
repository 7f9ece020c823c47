"""Accounts: the outermost ring. An installation usually has one, made at its first start."""

from uuid import uuid4

import sqlalchemy as sa

from flagpost.store.db import Transaction
from flagpost.store.schema.core import accounts


def insert(tx: Transaction, name: str, now: int) -> str:
    """A new account; its id."""
    account_id = str(uuid4())
    tx.execute(sa.insert(accounts).values(id=account_id, name=name, created_at=now))
    return account_id


def hold(tx: Transaction, account_id: str) -> None:
    """Wait until no other transaction holds this account, and hold it until this one ends.

    For what reads before it writes. PostgreSQL: a row lock that lets rows be inserted that refer to the account;
    SQLite: nothing to do, there is one writer.
    """
    tx.execute(sa.select(accounts.c.id).where(accounts.c.id == account_id).with_for_update(key_share=True))


def all_ids(tx: Transaction) -> list[str]:
    """The id of every account."""
    return list(tx.scalars(sa.select(accounts.c.id)))


def first(tx: Transaction) -> str | None:
    """The id of the oldest account; None before the first start."""
    return tx.scalar(sa.select(accounts.c.id).order_by(accounts.c.created_at, accounts.c.id).limit(1))
