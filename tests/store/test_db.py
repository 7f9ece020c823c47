"""What a transaction promises, on both stores."""

import threading

import pytest
import sqlalchemy as sa

from flagpost.errors import SetupError
from flagpost.store import tables
from flagpost.store.db import Database


def _insert(tx: sa.Connection, name: str) -> None:
    tx.execute(sa.insert(tables.accounts).values(id=name, name=name, created_at=1))


def _names(database: Database) -> list[str]:
    with database.read() as tx:
        return list(tx.scalars(sa.select(tables.accounts.c.name).order_by(tables.accounts.c.name)))


def test_a_write_is_kept_when_its_block_ends(database: Database) -> None:
    with database.write() as tx:
        _insert(tx, "kept")
    assert _names(database) == ["kept"]


def test_a_write_that_raises_leaves_nothing_behind(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.write() as tx:
        _insert(tx, "undone")
        raise ZeroDivisionError
    assert _names(database) == []


def test_a_reader_does_not_see_what_is_not_committed_and_does_not_wait(database: Database) -> None:
    with database.write() as tx:
        _insert(tx, "later")
        assert _names(database) == []
    assert _names(database) == ["later"]


def test_many_threads_write_at_once_and_none_is_turned_away(database: Database) -> None:
    failures: list[Exception] = []

    def write(number: int) -> None:
        try:
            for step in range(5):
                with database.write() as tx:
                    tx.scalar(sa.select(sa.func.count()).select_from(tables.accounts))
                    _insert(tx, f"{number}-{step}")
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(_names(database)) == 40


def test_foreign_keys_are_enforced(database: Database) -> None:
    row = {"id": "p", "account_id": "nobody", "name": "P", "created_at": 1}
    with pytest.raises(sa.exc.IntegrityError), database.write() as tx:
        tx.execute(sa.insert(tables.projects).values(row))


@pytest.mark.parametrize("url", ["mysql://localhost/x", "sqlite://", "sqlite:///:memory:", "not a url"])
def test_a_database_that_cannot_serve_is_refused_with_the_reason(url: str) -> None:
    with pytest.raises(SetupError, match=r"SQLite|file|cannot be read"):
        Database(url)
