"""What a transaction promises, on both stores."""

import re
import threading

import psycopg
import pytest
import sqlalchemy as sa

from flagpost.errors import ConcurrentModification, DatabaseUnavailable, DiskFull, SetupError
from flagpost.store.db import Database, _translate
from flagpost.store.schema import core


def _insert(tx: sa.Connection, name: str) -> None:
    tx.execute(sa.insert(core.accounts).values(id=name, name=name, created_at=1))


def _names(database: Database) -> list[str]:
    with database.read() as tx:
        return list(tx.scalars(sa.select(core.accounts.c.name).order_by(core.accounts.c.name)))


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


def test_all_reads_of_a_transaction_see_the_state_of_one_moment(database: Database) -> None:
    with database.read() as tx:
        counted = tx.scalar(sa.select(sa.func.count()).select_from(core.accounts))
        with database.write() as other:
            _insert(other, "in between")
        assert counted == len(tx.scalars(sa.select(core.accounts.c.id)).all()) == 0
    assert _names(database) == ["in between"]


def test_a_read_transaction_cannot_write(database: Database) -> None:
    with pytest.raises((sa.exc.DBAPIError, DatabaseUnavailable)) as said, database.read() as tx:
        _insert(tx, "by mistake")
    assert re.search("read-?only", str(said.value.__cause__))
    with database.write() as tx:
        _insert(tx, "on purpose")
    assert _names(database) == ["on purpose"]


def test_many_threads_write_at_once_and_none_is_turned_away(database: Database) -> None:
    failures: list[Exception] = []

    def write(number: int) -> None:
        try:
            for step in range(5):
                with database.write() as tx:
                    tx.scalar(sa.select(sa.func.count()).select_from(core.accounts))
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
    with pytest.raises((sa.exc.IntegrityError, ConcurrentModification)), database.write() as tx:
        tx.execute(sa.insert(core.projects).values(row))


@pytest.mark.parametrize("url", ["mysql://localhost/x", "sqlite://", "sqlite:///:memory:", "not a url"])
def test_a_database_that_cannot_serve_is_refused_with_the_reason(url: str) -> None:
    with pytest.raises(SetupError, match=r"SQLite|file|cannot be read"):
        Database(url)


def test_a_full_disk_is_said_in_words_and_what_was_there_stays(sqlite_database: Database) -> None:
    with sqlite_database.write() as tx:
        _insert(tx, "before")
        pages = tx.scalar(sa.text("PRAGMA page_count"))
        tx.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    with pytest.raises(DiskFull, match="full, so nothing was saved"), sqlite_database.write() as tx:
        _insert(tx, "x" * 1_000_000)
    assert _names(sqlite_database) == ["before"]
    with sqlite_database.write() as tx:
        tx.exec_driver_sql("PRAGMA max_page_count=1000000")
        _insert(tx, "later")
    assert _names(sqlite_database) == ["before", "later"]


def test_a_disk_that_postgresql_finds_full_is_said_in_the_same_words() -> None:
    assert isinstance(_translate(psycopg.errors.DiskFull("no space left on device")), DiskFull)


def test_a_connection_that_was_cut_is_said_in_words(postgres_url: str) -> None:
    database = Database(postgres_url)
    cut = sa.text("SELECT pg_terminate_backend(pg_backend_pid())")
    with pytest.raises(DatabaseUnavailable, match="cannot be used just now") as said, database.write() as tx:
        tx.execute(cut)
    assert "terminating connection" in said.value.reason
    _names(database)
    database.close()


def test_a_wrong_statement_is_a_mistake_and_not_a_database_that_is_away(database: Database) -> None:
    with pytest.raises(sa.exc.DBAPIError), database.read() as tx:
        tx.execute(sa.text("SELECT * FROM nowhere"))


def test_two_that_make_the_same_at_once_both_get_an_answer_and_it_is_made_once(postgres_url: str) -> None:
    database = Database(postgres_url)
    ready, overtaken = threading.Barrier(2), []

    def make() -> None:
        try:
            with database.write() as tx:
                assert tx.scalar(sa.select(core.accounts.c.id)) is None
                ready.wait()
                _insert(tx, "same")
        except ConcurrentModification as error:
            overtaken.append(error.message)

    threads = [threading.Thread(target=make) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (_names(database), len(overtaken)) == (["same"], 1)
    assert "nothing was saved" in overtaken[0]
    database.close()


def test_a_connection_that_held_an_advisory_lock_or_was_read_with_opens_transactions_again(postgres_url: str) -> None:
    """Connections go back to one pool, and what a lock or a read set there must not last."""
    database = Database(postgres_url)
    for _ in range(2):
        with database.advisory_lock("one") as held:
            assert held
        assert _names(database) == []
        with pytest.raises(ZeroDivisionError), database.write() as tx:
            assert tx.scalar(sa.text("SHOW transaction_isolation")) == "read committed"
            _insert(tx, "undone")
            raise ZeroDivisionError
    assert _names(database) == []
    database.close()
