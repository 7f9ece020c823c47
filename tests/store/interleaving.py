"""Two transactions at once on PostgreSQL: one waits for the other, and the test knows that it does."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import sqlalchemy as sa

from flagpost.store.db import Database

T = TypeVar("T")
LONG = 60
"""Seconds within which whatever is waited for has happened, on a machine however busy."""
_WAITING = sa.text(
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
)


@contextmanager
def beside(work: Callable[[], T]) -> Iterator[Future[T]]:
    """Run `work` in a thread while the block runs."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(work)


def wait_until_one_waits(database: Database, count: int = 1) -> None:
    """Return as soon as so many transactions of this database wait for a lock."""
    end = time.monotonic() + LONG
    while time.monotonic() < end:
        with database.read() as tx:
            if tx.scalar(_WAITING) >= count:
                return
        time.sleep(0.01)
    raise AssertionError("Nobody waits for a lock.")
