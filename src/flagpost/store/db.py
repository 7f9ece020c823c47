"""The database: how it is opened, and what a transaction is on each of the two stores.

SQLite. Any number of threads read at once (WAL); writers take turns. A transaction that starts as a reader and then
writes can fail with "database is locked" however long it waits, so a write transaction is one from its first statement
(BEGIN IMMEDIATE), and writers of this process queue for the single connection of the writer's pool, which is
fair, instead of polling SQLite's file lock. `synchronous=FULL`: a commit that was acknowledged survives a power cut.

PostgreSQL. A read transaction is REPEATABLE READ, READ ONLY: all its statements see the state of one moment, as on
SQLite, so that a count agrees with its list and a flag's state with its version. It never waits for a writer and never
fails for one. A write transaction is READ COMMITTED, where each statement sees what is committed when it begins: after
it has waited for a row lock (`store.locks`) it has to read what the other transaction left, and under REPEATABLE READ
it would fail instead. Two transactions that look for a row, find none and insert it at once both try: the table's
unique key lets one of them through, and the other raises `ConcurrentModification`.

Wherever a transaction is opened, a database that is unavailable or full raises `DatabaseUnavailable` or `DiskFull`.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import sqlalchemy as sa
import tenacity
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from flagpost.errors import ConcurrentModification, DatabaseUnavailable, DiskFull, SetupError, TransactionBroken
from flagpost.telemetry.metrics import DATABASE_SECONDS, timed

T = TypeVar("T")
Transaction = Connection
"""The first parameter of every function of the store. Actions open and commit it; the store never does."""
StoreError = (DBAPIError, DatabaseUnavailable)
"""Errors of a statement or a connection: the database is unavailable or full, or refused the statement."""
Condition = sa.ColumnElement[bool]
"""A condition of a query. Layers above the store pass it on and do not look inside."""

_READERS = 16
_READ_SECONDS = DATABASE_SECONDS.labels("read").observe
_WRITE_SECONDS = DATABASE_SECONDS.labels("write").observe
_UNAVAILABLE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
}
_DISK_FULL = "53100"  # PostgreSQL's disk_full
_BROKEN = {"40P01", "40001"}  # its deadlock_detected and serialization_failure
_TRIES = 5
_KEY_VIOLATIONS = {"23503", "23505"}  # its foreign_key_violation and unique_violation
_TRY_LOCK = sa.text("SELECT pg_try_advisory_lock(hashtextextended(:name, 0))")
_UNLOCK = sa.text("SELECT pg_advisory_unlock(hashtextextended(:name, 0))")
_KEEPALIVE = "-c tcp_keepalives_idle=5 -c tcp_keepalives_interval=3 -c tcp_keepalives_count=3"


class Database:
    """One store, SQLite or PostgreSQL, open for reading and writing from any thread.

    On SQLite a statement waits `busy_seconds` for a lock of another process. PostgreSQL has settings of its own.
    """

    def __init__(self, url: str, *, busy_seconds: float = 10.0) -> None:
        self.url = _parsed(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            self._writer = _sqlite_engine(self.url, "BEGIN IMMEDIATE", 1, busy_seconds)
            self._reader = _sqlite_engine(self.url, "BEGIN", _READERS, busy_seconds)
            sa.event.listen(self._reader, "connect", _refuse_writes)
        else:
            self._writer = self._reader = sa.create_engine(
                self.url, pool_size=_READERS, pool_pre_ping=True, connect_args={"options": _KEEPALIVE}
            )

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """A transaction whose statements all see the state of one moment, on either store; the store refuses writes."""
        with _translated_errors(), timed(_READ_SECONDS), self._reader.connect() as tx:
            if not self.is_sqlite:
                tx.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with tx.begin():
                yield tx

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """A transaction that is committed when the block ends, and undone when it raises."""
        with _translated_errors(), _concurrent_modifications(), timed(_WRITE_SECONDS), self._writer.begin() as tx:
            yield tx

    def transact(self, work: Callable[[Transaction], T]) -> T:
        """The result of this work, done in one write transaction; done again where PostgreSQL broke it off.

        PostgreSQL ends one of two transactions that wait for each other, and says that it can be tried again
        (SQLSTATE 40P01 and 40001). So the work touches nothing but the database. TransactionBroken where it was broken
        off as often as it was tried.
        """
        for attempt in _tries():
            with attempt, self.write() as tx:
                result = work(tx)
        return result

    @contextmanager
    def advisory_lock(self, name: str) -> Iterator[bool]:
        """Try to lock a name for the block, over all processes and hosts. Gives whether the block holds the lock.

        PostgreSQL: a session's advisory lock. It belongs to a connection and ends with it, whatever happened to its
        process; the server closes the connection of a host that has vanished within seconds. SQLite: always True,
        because there is one process. A caller that has to exclude other threads of that process does so itself.
        """
        if self.is_sqlite:
            yield True
            return
        with self._reader.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            held = bool(connection.scalar(_TRY_LOCK, {"name": name}))
            try:
                yield held
            finally:
                if held:
                    connection.execute(_UNLOCK, {"name": name})

    @property
    def conninfo(self) -> str:
        """The address for psycopg itself, without SQLAlchemy."""
        return self.url.set(drivername="postgresql").render_as_string(hide_password=False)

    @property
    def engine(self) -> Engine:
        """For migrations, which manage their own transactions."""
        return self._writer

    def close(self) -> None:
        """Give all connections back; the database can be used again afterwards."""
        self._writer.dispose()
        self._reader.dispose()


def _tries() -> tenacity.Retrying:
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(TransactionBroken),
        stop=tenacity.stop_after_attempt(_TRIES),
        wait=tenacity.wait_random_exponential(multiplier=0.01, max=0.5),
        reraise=True,
    )


@contextmanager
def _concurrent_modifications() -> Iterator[None]:
    """Raise ConcurrentModification for a violated key: another transaction wrote after this one had read.

    SQLite has one writer, so that a violated key there is a programming error, and stays one.
    """
    try:
        yield
    except IntegrityError as error:
        if getattr(error.orig, "sqlstate", None) in _KEY_VIOLATIONS:
            raise ConcurrentModification from error
        raise


@contextmanager
def _translated_errors() -> Iterator[None]:
    """Raise DatabaseUnavailable or a subclass of it where the database is unavailable, full, or broke off.

    Every other error is a programming error, and stays as it is.
    """
    try:
        yield
    except PoolTimeout as error:
        raise DatabaseUnavailable(str(error)) from error
    except (InterfaceError, OperationalError) as error:
        translated = _translate(error.orig)
        if translated is None:
            raise
        raise translated from error


def _translate(error: BaseException | None) -> DatabaseUnavailable | None:
    """The error to raise for a driver's error; None where the statement was wrong, and not the database.

    sqlite3 calls a wrong statement operational too, so there the code decides (https://www.sqlite.org/rescode.html).
    """
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_FULL:
            return DiskFull(str(error))
        return DatabaseUnavailable(str(error)) if code in _UNAVAILABLE else None
    state = getattr(error, "sqlstate", None)
    if state in _BROKEN:
        return TransactionBroken(str(error))
    if state == _DISK_FULL:
        return DiskFull(str(error))
    return DatabaseUnavailable(str(error))


def _parsed(url: str) -> sa.URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise SetupError(f"The database URL cannot be read: {url!r}. Example: sqlite:///flagpost.db") from None
    backend = parsed.get_backend_name()
    if backend == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise SetupError(f"Flagpost keeps its data in SQLite or PostgreSQL, not in {backend}.")
    if parsed.database in (None, "", ":memory:"):
        raise SetupError("Flagpost needs a database file, not one in memory: sqlite:///flagpost.db")
    return parsed


def _sqlite_engine(url: sa.URL, begin: str, size: int, busy_seconds: float) -> Engine:
    engine = sa.create_engine(
        url, poolclass=sa.QueuePool, pool_size=size, max_overflow=0, connect_args={"check_same_thread": False}
    )

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver starts no transaction of its own; `begin` below does
        busy = f"busy_timeout={round(busy_seconds * 1000)}"
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", busy):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _refuse_writes(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA query_only=ON")


def insert_new(tx: Transaction, table: sa.Table, **values: Any) -> bool:
    """Insert a row unless one with its key exists. Whether it was inserted.

    The answer comes from RETURNING, because the drivers differ in the `rowcount` of an INSERT.
    """
    new = insert_or(tx, table).values(**values).on_conflict_do_nothing()
    return tx.execute(new.returning(sa.literal(1))).first() is not None


def insert_or(tx: Transaction, table: sa.Table) -> Any:
    """An INSERT that can say what to do where the row exists (`on_conflict_do_…`), on either store."""
    return sqlite.insert(table) if tx.dialect.name == "sqlite" else postgresql.insert(table)
