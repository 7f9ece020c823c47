"""The migrations, on both stores."""

import re
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from flagpost.errors import SetupError
from flagpost.settings import load
from flagpost.store import migrate
from flagpost.store.db import Database
from flagpost.store.schema.metadata import metadata

_COLUMNS = """SELECT table_name, column_name, data_type, character_maximum_length, is_nullable, column_default
    FROM information_schema.columns WHERE table_schema = :schema"""
_CONSTRAINTS = """SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = CAST(:schema AS regnamespace)"""
_HINT = "A table changed without a migration. Until 0.2.0 is released: python tools/new_migration.py --first"
_INDEXES = "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = :schema"


@pytest.fixture
def postgres_url(fresh_postgres_url: str) -> str:
    """These tests change the schema."""
    return fresh_postgres_url


def test_the_migrations_build_exactly_the_tables_of_the_code(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == [], _HINT


def test_on_sqlite_every_statement_is_what_the_tables_of_the_code_say(
    sqlite_database: Database, tmp_path: Path
) -> None:
    """Defaults, conditions of partial indexes and actions of foreign keys too, which Alembic does not compare."""
    other = Database(f"sqlite:///{tmp_path}/metadata.db")
    with other.engine.begin() as connection:
        metadata.create_all(connection)
    assert _sqlite_statements(sqlite_database) == _sqlite_statements(other), _HINT
    other.close()


def _sqlite_statements(database: Database) -> dict[str, list[str]]:
    """The lines of each statement in some order, since the order of constraints means nothing."""
    query = sa.text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name != 'alembic_version'")
    with database.read() as tx:
        return {name: sorted(re.split(r",?\s*\n\s*", sql)) for name, sql in tx.execute(query)}


def test_on_postgresql_every_object_is_what_the_tables_of_the_code_say(postgres_url: str) -> None:
    """Defaults, conditions of partial indexes and actions of foreign keys too, which Alembic does not compare."""
    database = Database(postgres_url)
    with database.engine.begin() as connection:
        migrated = _postgresql_objects(connection, "public")
        connection.exec_driver_sql("CREATE SCHEMA other")
        connection.exec_driver_sql("SET LOCAL search_path TO other")
        metadata.create_all(connection)
        assert migrated == _postgresql_objects(connection, "other"), _HINT
    database.close()


def _postgresql_objects(connection: sa.Connection, schema: str) -> set[tuple[str, ...]]:
    rows = (
        row
        for text in (_COLUMNS, _CONSTRAINTS, _INDEXES)
        for row in connection.execute(sa.text(text), {"schema": schema})
    )
    objects = {tuple(str(value).replace(f"{schema}.", "") for value in row) for row in rows}
    return {one for one in objects if "alembic_version" not in one}


def test_a_migrated_database_is_current_and_migrating_again_changes_nothing(database: Database) -> None:
    assert migrate.is_current(database)
    migrate.upgrade(database)
    assert migrate.is_current(database)


def test_an_empty_database_is_not_current_until_it_is_migrated(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/new.db")
    assert migrate.current_revision(database) is None
    assert not migrate.is_current(database)
    migrate.upgrade(database)
    assert migrate.is_current(database)
    database.close()


@pytest.mark.parametrize("revision", ["0000", "9999", "a1b2c3"])
def test_a_database_of_another_line_of_versions_is_refused_and_left_alone(database: Database, revision: str) -> None:
    with database.write() as tx:
        tx.execute(sa.text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
    with pytest.raises(SetupError, match=f"its schema is {revision}, and this version knows none after"):
        migrate.upgrade(database)
    assert migrate.current_revision(database) == revision


def test_a_start_on_such_a_database_says_the_same(database: Database) -> None:
    from flagpost.app import open_database

    with database.write() as tx:
        tx.execute(sa.text("UPDATE alembic_version SET version_num = '0000'"))
    with pytest.raises(SetupError, match="begin with an empty database"):
        open_database(load(database_url=database.url.render_as_string(hide_password=False)))


def test_a_migration_that_fails_changes_nothing(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE alembic_version"))
    with pytest.raises((sa.exc.DBAPIError, SetupError)):
        migrate.upgrade(database)
    assert migrate.current_revision(database) is None


def test_the_newest_revision_is_alembics_head() -> None:
    from alembic.script import ScriptDirectory

    assert ScriptDirectory(str(migrate._HERE)).get_current_head() == migrate.newest_revision()
