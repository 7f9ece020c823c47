"""The migrations, on both stores."""

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from flagpost.errors import SetupError
from flagpost.store import migrate
from flagpost.store.db import Database
from flagpost.store.schema.metadata import metadata


@pytest.fixture
def postgres_url(fresh_postgres_url: str) -> str:
    """These tests change the schema."""
    return fresh_postgres_url


def test_the_migrations_build_exactly_the_tables_of_the_code(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_a_migrated_database_is_current_and_migrating_again_changes_nothing(database: Database) -> None:
    assert migrate.is_current(database)
    migrate.upgrade(database)
    assert migrate.is_current(database)


def test_an_empty_database_is_not_current_until_it_is_migrated(tmp_path) -> None:
    database = Database(f"sqlite:///{tmp_path}/new.db")
    assert migrate.current_revision(database) is None
    assert not migrate.is_current(database)
    migrate.upgrade(database)
    assert migrate.is_current(database)
    database.close()


def test_a_migration_that_fails_changes_nothing(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE alembic_version"))
    with pytest.raises((sa.exc.DBAPIError, SetupError)):
        migrate.upgrade(database)
    assert migrate.current_revision(database) is None


def test_the_newest_revision_is_alembics_head() -> None:
    from alembic.script import ScriptDirectory

    assert ScriptDirectory(str(migrate._HERE)).get_current_head() == migrate.newest_revision()
