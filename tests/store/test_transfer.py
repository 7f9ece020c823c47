"""Everything is carried over, whatever the table, and nothing where something is wrong."""

import datetime
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.stores import SqliteTemplate

from flagpost.errors import Conflict, SetupError
from flagpost.store import transfer
from flagpost.store.db import Database
from flagpost.store.schema.metadata import metadata
from flagpost.store.transfer import copy_all, copy_file

pytestmark = pytest.mark.slow


def value_for(column: sa.Column[Any], number: int) -> Any:
    """Something of the column's type that tells rows apart."""
    kind = column.type
    if isinstance(kind, sa.Boolean):
        return bool(number % 2)
    if isinstance(kind, sa.JSON):
        return {"text": "ä “quoted”", "number": number, "list": [1, None]}
    if isinstance(kind, sa.LargeBinary):
        return bytes([0, 255, number])
    if isinstance(kind, sa.Integer):
        return number
    assert not isinstance(kind, sa.DateTime), datetime
    return f"{number}-é{'x' * 20}"[: getattr(kind, "length", None) or 30]


def fill(database: Database) -> None:
    """Two rows in every table, found from the tables' own description, so that no new one is forgotten."""
    with database.write() as tx:
        for table in metadata.sorted_tables:
            for number in (1, 2):
                tx.execute(sa.insert(table).values(row_for(table, number)))


def row_for(table: sa.Table, number: int) -> dict[str, Any]:
    row = {column.name: value_for(column, number) for column in table.columns}
    for key in table.foreign_keys:
        row[key.parent.name] = value_for(key.column, number)
    return row


def everything(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    with database.read() as tx:
        return {
            table.name: sorted(tuple(map(str, row)) for row in tx.execute(sa.select(table)))
            for table in metadata.sorted_tables
        }


@pytest.fixture
def both(sqlite_url: str, postgres_url: str) -> Any:
    sqlite, postgres = Database(sqlite_url), Database(postgres_url)
    yield sqlite, postgres
    sqlite.close()
    postgres.close()


def test_every_row_of_every_table_goes_to_postgresql_and_back(
    both: tuple[Database, Database], sqlite_template: SqliteTemplate, tmp_path: Path
) -> None:
    sqlite, postgres = both
    back = Database(sqlite_template.new_url(tmp_path))
    fill(sqlite)
    seen: list[str] = []
    counts = copy_all(sqlite, postgres, lambda table, _: seen.append(table))
    assert set(counts.values()) == {2}
    assert set(seen) == {table.name for table in metadata.sorted_tables}
    assert everything(postgres) == everything(sqlite)
    copy_all(postgres, back, lambda _table, _rows: None)
    assert everything(back) == everything(sqlite)
    back.close()


def test_numbers_are_given_out_after_those_that_came_along(both: tuple[Database, Database]) -> None:
    sqlite, postgres = both
    fill(sqlite)
    copy_all(sqlite, postgres, lambda _table, _rows: None)
    audit = metadata.tables["audit_entries"]
    row = row_for(audit, 2)
    del row["id"]
    with postgres.write() as tx:
        assert tx.scalar(sa.insert(audit).values(row).returning(audit.c.id)) == 3


def test_what_is_written_to_the_source_meanwhile_is_left_out_of_the_copy(postgres_url: str, sqlite_url: str) -> None:
    postgres, sqlite = Database(postgres_url), Database(sqlite_url)
    fill(postgres)

    def write_meanwhile(table: str, _rows: int) -> None:
        if table == "accounts":
            with postgres.write() as tx:
                tx.execute(
                    sa.insert(metadata.tables["users"]).values(
                        row_for(metadata.tables["users"], 1) | {"id": "3", "email": "3"}
                    )
                )

    counts = copy_all(postgres, sqlite, write_meanwhile)
    assert set(counts.values()) == {2}
    sqlite.close()
    postgres.close()


def test_a_target_that_has_data_is_left_alone(both: tuple[Database, Database]) -> None:
    sqlite, postgres = both
    fill(sqlite)
    fill(postgres)
    before = everything(postgres)
    with pytest.raises(Conflict, match="has data already"):
        copy_all(sqlite, postgres, lambda _table, _rows: None)
    assert everything(postgres) == before


def test_a_failure_in_the_middle_leaves_the_target_empty(both: tuple[Database, Database]) -> None:
    sqlite, postgres = both
    fill(sqlite)
    names = metadata.tables["rollout_statuses"]
    with sqlite.write() as tx:
        tx.execute(sa.update(names).values(name="not for\x00PostgreSQL"))
    with pytest.raises(SetupError, match="Nothing was copied"):
        copy_all(sqlite, postgres, lambda _table, _rows: None)
    with postgres.read() as tx:
        assert not any(transfer.count_rows(tx).values())


def test_a_file_that_is_being_written_is_copied_as_it_was_at_one_moment(sqlite_url: str, tmp_path: Path) -> None:
    database = Database(sqlite_url)
    accounts = metadata.tables["accounts"]
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            with database.write() as tx:  # always two, or none
                for half in ("a", "b"):
                    tx.execute(sa.insert(accounts).values(id=f"{number}{half}", name="x", created_at=number))
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    for number in range(5):
        copy_file(Path(sqlite_url.removeprefix("sqlite:///")), tmp_path / f"copy{number}.db")
    stop.set()
    writer.join()
    database.close()
    sizes = []
    for number in range(5):
        connection = sqlite3.connect(tmp_path / f"copy{number}.db")
        sizes.append(connection.execute("SELECT count(*) FROM accounts").fetchone()[0])
        connection.close()
    assert all(size % 2 == 0 for size in sizes)
    assert sizes == sorted(sizes)
    assert (tmp_path / "copy0.db").stat().st_mode & 0o777 == 0o600


def test_a_copy_that_is_there_already_is_not_overwritten(sqlite_url: str, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    target.write_text("mine")
    with pytest.raises(Conflict, match="exists already"):
        copy_file(Path(sqlite_url.removeprefix("sqlite:///")), target)
    assert target.read_text() == "mine"
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []


def test_what_is_no_database_is_not_copied(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("not a database, but long enough to be looked at" * 50)
    with pytest.raises(SetupError, match="could not be copied"):
        copy_file(tmp_path / "text.db", tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()
