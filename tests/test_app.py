"""Opening the database, and starting where something is in the way."""

import socket
from pathlib import Path

import pytest

from flagpost.app import open_database, running
from flagpost.errors import SetupError
from flagpost.settings import load
from flagpost.store import migrate


def test_a_new_database_is_migrated_and_for_nobody_else_to_read(tmp_path: Path) -> None:
    database = open_database(load(database_url=f"sqlite:///{tmp_path / 'new.db'}"))
    assert migrate.is_current(database)
    database.close()
    assert (tmp_path / "new.db").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("url", ["sqlite:///nowhere/there/x.db", "sqlite://", "mysql://x/y", "nonsense"])
def test_a_database_that_cannot_be_used_is_refused_in_words(tmp_path: Path, url: str) -> None:
    with pytest.raises(SetupError):
        open_database(load(database_url=url))


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        settings = load(database_url=f"sqlite:///{tmp_path / 'x.db'}", port=port)
        with pytest.raises(SetupError, match=f"Cannot listen on 127.0.0.1:{port}"), running(settings):
            raise AssertionError("it listens")


def test_the_postgresql_schema_is_not_migrated_behind_the_operators_back(fresh_postgres_url: str) -> None:
    import sqlalchemy as sa

    engine = sa.create_engine(fresh_postgres_url)
    with engine.begin() as tx:
        tx.execute(sa.text("DELETE FROM alembic_version"))  # as an empty database
    engine.dispose()
    with pytest.raises(SetupError, match="flagpost migrate"):
        open_database(load(database_url=fresh_postgres_url))
