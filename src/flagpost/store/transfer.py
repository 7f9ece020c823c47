"""Copying a whole database: a SQLite file to another, or everything in one store to an empty other one."""

import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from flagpost.errors import Conflict, SetupError
from flagpost.store.db import Database, Transaction
from flagpost.store.schema.metadata import metadata

_ROWS_AT_ONCE = 1000

Counts = dict[str, int]
"""How many rows each table has, by its name."""


def copy_file(source: Path, target: Path) -> None:
    """A copy of a SQLite database as it is at one moment, checked, and readable by its owner alone.

    It can be in use: `VACUUM INTO` reads within one transaction, so that writers go on and nothing of theirs is half in
    it. (SQLite's backup interface would begin anew with every write of another process.) The target appears whole or
    not at all. Conflict where it is there already.
    """
    if target.exists() and target.stat().st_size:
        raise Conflict(f"{target} is there already. Nothing was overwritten; choose another name.")
    with _beside(target) as half_done:
        try:
            with closing(sqlite3.connect(source)) as connection:
                connection.execute("VACUUM INTO ?", (str(half_done),))
            _require_sound(half_done)
        except sqlite3.Error as error:
            raise SetupError(f"{source} could not be copied: {error}.") from error
        os.chmod(half_done, 0o600)
        os.replace(half_done, target)


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """A name in the target's folder for what is not done yet; whatever is left there is removed."""
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as folder:
            yield Path(folder) / target.name
    except OSError as error:
        raise SetupError(f"{target} could not be written: {error.strerror}.") from error


def _require_sound(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        found = connection.execute("PRAGMA integrity_check").fetchone()[0]
    if found != "ok":
        raise SetupError(f"The copy is damaged, so it was thrown away: {found}")


def count_rows(tx: Transaction) -> Counts:
    """How many rows each table has."""
    return {
        table.name: tx.scalar(sa.select(sa.func.count()).select_from(table)) or 0 for table in metadata.sorted_tables
    }


def copy_all(source: Database, target: Database, copied: Callable[[str, int], None]) -> Counts:
    """Carry every row of every table over into an empty database of the same schema, in one transaction.

    `copied` hears of each table and how many more of its rows are there. The counts of both sides are compared before
    the commit. Conflict where the target is not empty; SetupError where it does not take a row: then nothing of it is
    kept.
    """
    try:
        with source.read() as reading, target.write() as writing:
            there = {name: count for name, count in count_rows(writing).items() if count}
            if there:
                raise Conflict(f"The target has data already, in {', '.join(there)}. Nothing was copied.")
            for table in metadata.sorted_tables:
                _copy_table(reading, writing, table, copied)
                _count_on(writing, table)
            return _require_equal(reading, writing)
    except DBAPIError as error:
        raise SetupError(f"Nothing was copied: {error.orig}") from error


def _copy_table(
    reading: Transaction, writing: Transaction, table: sa.Table, copied: Callable[[str, int], None]
) -> None:
    rows = reading.execution_options(yield_per=_ROWS_AT_ONCE).execute(sa.select(table)).mappings()
    for part in rows.partitions():
        values: list[dict[str, Any]] = [dict(row) for row in part]
        writing.execute(sa.insert(table), values)
        copied(table.name, len(values))


def _count_on(writing: Transaction, table: sa.Table) -> None:
    """PostgreSQL gives numbers out of a sequence, which has to know of those that came along."""
    column = table.autoincrement_column
    if column is None or writing.dialect.name == "sqlite":
        return
    newest = writing.scalar(sa.select(sa.func.max(column)))
    if newest:
        writing.execute(sa.select(sa.func.setval(sa.func.pg_get_serial_sequence(table.name, column.name), newest)))


def _require_equal(reading: Transaction, writing: Transaction) -> Counts:
    before, after = count_rows(reading), count_rows(writing)
    if before != after:
        wrong = [name for name in before if before[name] != after[name]]
        raise SetupError(f"The counts differ in {', '.join(wrong)}, so nothing was copied.")
    return after
