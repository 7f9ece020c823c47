"""Row locks: what a decision rests on is locked when it is read, in one order, everywhere.

SQLite has one writer: a write transaction sees nothing change, and no lock is needed. PostgreSQL runs READ COMMITTED:
a row that was read may change before the transaction commits. So a transaction that reads a row in order to decide
locks it with that read. After a wait for the lock PostgreSQL reads the row again, as the other transaction left it.

**The order.** Two transactions that lock the same rows in different orders wait for each other for ever. So every
transaction locks in this order: account → user → project → environment → flag → definition → segment → change request
→ outbox entry → issue → change sequence; and rows of one table by id. `tests/store/lock_recorder.py` fails when an
action locks in another order.

**A flag stands for its definitions.** Whoever writes a definition holds the row of its flag, so the definitions of a
flag need no lock of their own.
"""

from enum import Enum
from typing import Any, TypeVar

import sqlalchemy as sa

Query = TypeVar("Query", bound=sa.Select[Any])

LOCK_ORDER = (
    "accounts",
    "users",
    "projects",
    "environments",
    "flags",
    "definitions",
    "flag_sets",
    "segments",
    "segment_definitions",
    "change_requests",
    "outbox_entries",
    "issues",
    "change_sequence",
)


class RowLock(Enum):
    """How a row is locked, weakest first."""

    SHARE = "share"
    """FOR SHARE: the row stays as it was read. Others may read it and share the lock."""
    CHANGE = "change"
    """FOR NO KEY UPDATE: this transaction changes the row. Others may insert rows that refer to it."""
    REMOVE = "remove"
    """FOR UPDATE: this transaction removes the row. Others wait, also those that insert rows that refer to it."""


def locked(query: Query, table: sa.Table, lock: RowLock | None) -> Query:
    """The query, locking the rows of this table that it returns; unchanged on SQLite, and where `lock` is None."""
    if lock is None:
        return query
    return query.with_for_update(of=table, read=lock is RowLock.SHARE, key_share=lock is RowLock.CHANGE)
