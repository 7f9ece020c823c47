"""Transfer of a whole database: a copy of a SQLite file, or all rows of one store into an empty other store."""

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
    """Copy a SQLite database as it is at one moment. The copy is checked, and readable by its owner alone.

    The database can be in use: `VACUUM INTO` reads in one transaction, so that writers go on and the copy has no half
    of a change. (SQLite's backup interface would begin again with every write of another process.) The target appears
    whole or not at all. Conflict where it exists.
    """
    if target.exists() and target.stat().st_size:
        raise Conflict(f"{target} exists already. Nothing was overwritten; choose another name.")
    with _beside(target) as unfinished:
        try:
            with closing(sqlite3.connect(source)) as connection:
                connection.execute("VACUUM INTO ?", (str(unfinished),))
            _require_sound(unfinished)
        except sqlite3.Error as error:
            raise SetupError(f"{source} could not be copied: {error}.") from error
        os.chmod(unfinished, 0o600)
        os.replace(unfinished, target)


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """A path in the target's folder for an unfinished copy, which is removed when the block ends."""
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as folder:
            yield Path(folder) / target.name
    except OSError as error:
        raise SetupError(f"{target} could not be written: {error.strerror}.") from error


def _require_sound(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        found = connection.execute("PRAGMA integrity_check").fetchone()[0]
    if found != "ok":
        raise SetupError(f"The copy is damaged, so it was deleted: {found}")


def count_rows(tx: Transaction) -> Counts:
    """How many rows each table has."""
    return {
        table.name: tx.scalar(sa.select(sa.func.count()).select_from(table)) or 0 for table in metadata.sorted_tables
    }


def copy_all(source: Database, target: Database, copied: Callable[[str, int], None]) -> Counts:
    """Copy every row of every table into an empty database of the same schema, in one transaction on each side.

    `copied` is called with the name of a table and how many more of its rows were copied. Before the commit, the counts
    of both sides are compared. Conflict where the target is not empty; SetupError where it refuses a row. Then the
    target stays empty.
    """
    try:
        with source.read() as reading, target.write() as writing:
            filled = [name for name, count in count_rows(writing).items() if count]
            if filled:
                raise Conflict(f"The target has data already, in {', '.join(filled)}. Nothing was copied.")
            for table in metadata.sorted_tables:
                _copy_table(reading, writing, table, copied)
                _set_sequence(writing, table)
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


def _set_sequence(writing: Transaction, table: sa.Table) -> None:
    """On PostgreSQL, let the sequence of the table's ids go on after the copied rows."""
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
