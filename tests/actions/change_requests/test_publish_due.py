"""A scheduled, approved change ends for permanent reasons only: a database that is busy or away defers it."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from flagpost import errors
from flagpost.actions.access import Actor
from flagpost.actions.change_requests import requests as change_requests
from flagpost.actions.change_requests import reviews
from flagpost.actions.change_requests.requests import Proposal
from flagpost.actions.context import Context
from flagpost.actions.unit_of_work import Change
from flagpost.store.change_requests.requests import ChangeRequest
from flagpost.store.db import Database
from flagpost.store.schema.change_requests import change_requests as table
from tests.actions.change_requests.test_requests import CHANGED, ask, bob, serves, shop, status
from tests.conftest import AccountFixture, Clock

__all__ = ["bob", "shop"]  # fixtures
BUSY_SECONDS = 0.2
ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
TRANSIENT = [
    errors.DatabaseUnavailable("busy"),
    errors.DiskFull(),
    errors.ConcurrentModification(),
    errors.TooManyRequests(),
]
PERMANENT = [errors.Conflict("It has changed since."), errors.NotFound(), errors.InvalidInput("No such segment.")]


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A database that waits for locks for a moment only."""
    if database_url.startswith("postgresql"):
        _alter(database_url, f"SET lock_timeout = {round(BUSY_SECONDS * 1000)}")
    with closing(Database(database_url, busy_seconds=BUSY_SECONDS)) as database:
        yield database
    if database_url.startswith("postgresql"):
        _alter(database_url, "RESET lock_timeout")  # the next test has the same database


def _alter(url: str, what: str) -> None:
    with _autocommit(url) as connection:
        name = connection.dialect.identifier_preparer.quote(str(connection.engine.url.database))
        connection.exec_driver_sql(f"ALTER DATABASE {name} {what}")


@contextmanager
def _autocommit(url: str) -> Iterator[sa.Connection]:
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@contextmanager
def _held_by_another_process(database: Database, id: str) -> Iterator[None]:
    """SQLite: its write lock. PostgreSQL: the lock of the change request's row."""
    if database.is_sqlite:
        with closing(sqlite3.connect(str(database.url.database), isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")
    else:
        engine = sa.create_engine(database.url, poolclass=sa.NullPool)
        with engine.begin() as other:
            other.execute(sa.select(table.c.id).where(table.c.id == id).with_for_update())
            yield
        engine.dispose()


@pytest.fixture
def due(ctx: Context, account: AccountFixture, clock: Clock, shop: str, bob: Actor) -> str:
    """An approved change whose time has come."""
    id = ask(ctx, account.admin, shop, scheduled_for=clock.now + 1000)
    reviews.decide(ctx, bob, id, "APPROVED")
    clock.forward(seconds=1)
    return id


def test_a_change_whose_moment_finds_the_database_busy_is_published_in_a_later_round(
    ctx: Context, account: AccountFixture, shop: str, due: str
) -> None:
    with _held_by_another_process(ctx.db, due):
        reviews.publish_due(ctx)
    assert (status(ctx, account.admin, due), serves(ctx, account.admin, shop)) == ("SCHEDULED", "off")
    reviews.publish_due(ctx)
    assert (status(ctx, account.admin, due), serves(ctx, account.admin, shop)) == ("PUBLISHED", "on")


@ON_POSTGRESQL
def test_a_change_whose_connection_is_cut_while_it_is_published_is_published_in_a_later_round(
    ctx: Context, database_url: str, account: AccountFixture, shop: str, due: str
) -> None:
    with _autocommit(database_url) as killer:

        def cut(connection: sa.Connection, _cursor: Any, statement: str, *_: Any) -> None:
            if statement.startswith("UPDATE"):
                sa.event.remove(ctx.db.engine, "before_cursor_execute", cut)
                dbapi: Any = connection.connection.dbapi_connection
                pid = dbapi.info.backend_pid
                killer.execute(sa.text("SELECT pg_terminate_backend(:pid, 10000)"), {"pid": pid})

        sa.event.listen(ctx.db.engine, "before_cursor_execute", cut)
        reviews.publish_due(ctx)
    assert (status(ctx, account.admin, due), serves(ctx, account.admin, shop)) == ("SCHEDULED", "off")
    reviews.publish_due(ctx)
    assert (status(ctx, account.admin, due), serves(ctx, account.admin, shop)) == ("PUBLISHED", "on")


def _raising(error: Exception) -> Callable[..., None]:
    def refuse(*_: Any) -> None:
        raise error

    return refuse


@ON_SQLITE
@pytest.mark.parametrize("error", TRANSIENT, ids=lambda one: type(one).__name__)
def test_an_error_that_is_not_permanent_leaves_a_change_scheduled(
    ctx: Context, account: AccountFixture, due: str, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(reviews, "_publish", _raising(error))
    reviews.publish_due(ctx)
    assert status(ctx, account.admin, due) == "SCHEDULED"


@ON_SQLITE
@pytest.mark.parametrize("error", PERMANENT, ids=lambda one: type(one).__name__)
def test_a_permanent_error_ends_a_change(
    ctx: Context, account: AccountFixture, due: str, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(reviews, "_publish", _raising(error))
    reviews.publish_due(ctx)
    assert status(ctx, account.admin, due) == "REJECTED"


@ON_SQLITE
def test_a_change_that_fails_for_an_unknown_reason_is_reported_and_holds_up_no_other(
    ctx: Context,
    account: AccountFixture,
    clock: Clock,
    shop: str,
    bob: Actor,
    due: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proposal = Proposal("flag", "pay", "CREATE", CHANGED, "Go", "All of it", scheduled_for=clock.now + 1000)
    later = change_requests.submit(ctx, account.admin, shop, "Staging", proposal).request.id
    reviews.decide(ctx, bob, later, "APPROVED")
    clock.forward(seconds=1)
    publish = reviews._publish

    def fail_for_the_first(change: Change, request: ChangeRequest) -> None:
        if request.id == due:
            raise RuntimeError("broken")
        publish(change, request)

    monkeypatch.setattr(reviews, "_publish", fail_for_the_first)
    with pytest.raises(ExceptionGroup) as raised:
        reviews.publish_due(ctx)
    assert [str(one) for one in raised.value.exceptions] == ["broken"]
    assert (status(ctx, bob, due), status(ctx, bob, later)) == ("SCHEDULED", "PUBLISHED")
