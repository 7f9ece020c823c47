"""Whether the database can be used: also while the next version has migrated it, as in a rolling update."""

import pytest
import sqlalchemy as sa

from flagpost.store import health, migrate
from flagpost.store.db import Database


@pytest.fixture
def postgres_url(fresh_postgres_url: str) -> str:
    """These tests change the schema's number."""
    return fresh_postgres_url


def set_revision(database: Database, revision: str) -> None:
    with database.engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})


def test_a_current_database_can_be_used(database: Database) -> None:
    assert health.trouble(database) is None


def test_a_running_process_goes_on_when_the_next_version_has_migrated_its_database(database: Database) -> None:
    """Else a rolling update would take every process of the version before out of service at once."""
    set_revision(database, f"{int(migrate.newest_revision()) + 1:04}")
    assert not migrate.is_current(database)
    assert health.trouble(database) is None


def test_an_older_schema_is_trouble_that_names_the_command(database: Database) -> None:
    set_revision(database, "0000")
    assert "flagpost migrate" in str(health.trouble(database))
