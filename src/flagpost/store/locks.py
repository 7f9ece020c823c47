"""Row locks: how strong each is, and the one order in which every transaction takes them.

*Problem*: on PostgreSQL a transaction reads what is committed at the moment of each statement (READ COMMITTED). An
action that reads a row, decides and then writes can decide on a row that another transaction has changed in between.
*Solution*: a row that a decision depends on is locked when it is read for a change, by the `lock` functions of the
store; the second transaction waits for the commit of the first, and then reads what the first one left.

*Problem*: two transactions that lock the same two rows in opposite orders wait for each other, and PostgreSQL ends one
of them (40P01). *Solution*: every transaction takes the locks in `LOCK_ORDER`, and several rows of one table in the
order of their ids. A test drives the actions with a recorder (`tests/store/lock_recorder.py`) and fails where one takes
another order.

*Problem*: PostgreSQL by itself locks every row that an inserted row refers to by a foreign key (FOR KEY SHARE). A
delete of that row waits for it, and then deletes the new row too. *Solution*: a transaction that inserts below a row
locks that row first (Lock.KEEP); a transaction that deletes a row because nothing is below it locks that row with
Lock.DELETE before it looks.

What comes and goes as a whole has no row to lock while it is not there. An account's Jira integration, its site, its
credentials and its connections with issues are decided under the account's lock; the site's row is locked as well where
a delivery changes it meanwhile.

A lock function takes the lock by primary key alone and reads the row afterwards. A query that joins while it locks is
wrong: when it has waited, PostgreSQL checks its join again with the new row and the old rows of the other tables, and
answers "no such row" where a column of the join has changed meanwhile.

SQLite has one writer, and a transaction that writes is alone from its first statement: no row needs a lock there.
"""

from collections.abc import Collection
from enum import Enum

import sqlalchemy as sa

from flagpost.store.db import Transaction

LOCK_ORDER = (
    "accounts",
    "users",
    "api_keys",
    "projects",
    "environments",
    "flags",
    "definitions",
    "segments",
    "segment_definitions",
    "flag_sets",
    "change_requests",
    "jira_sites",
    "outbox_entries",
    "resyncs",
    "issues",
    "jira_removals",
    "reconciliations",
    "change_sequence",
)
"""The tables whose rows are locked, in the order of the locks. What hangs on one of them is locked with it."""


class Lock(Enum):
    """What other transactions cannot do with a row until the commit; the weakest first."""

    KEEP = "KEY SHARE"
    """Delete it. Others may still change it: for rows that new rows refer to."""
    SHARE = "SHARE"
    """Delete or change it. Many transactions may hold it at once: for rows that a decision rests on."""
    CHANGE = "NO KEY UPDATE"
    """Delete, change or lock it, but for KEEP: for rows that this transaction changes."""
    DELETE = "UPDATE"
    """Lock it at all, or insert a row that refers to it: for rows that this transaction deletes."""


def take(tx: Transaction, table: sa.Table, ids: Collection[str], strength: Lock) -> None:
    """Lock rows by their ids until the commit, after waiting for the transactions that hold them.

    Rows that do not exist are passed over: read the rows afterwards.
    """
    if not ids or tx.dialect.name == "sqlite":
        return
    query = sa.select(table.c.id).where(table.c.id.in_(sorted(ids))).order_by(table.c.id)
    read, key_share = strength in (Lock.KEEP, Lock.SHARE), strength in (Lock.KEEP, Lock.CHANGE)
    tx.execute(query.with_for_update(read=read, key_share=key_share))
