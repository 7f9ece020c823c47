"""Bringing a database to this version's schema.

Migrations expand before they contract: the version before must run on the new schema. On PostgreSQL a migration waits
at most a few seconds for a lock, so that a long query of somebody else's makes it fail instead of halting everyone.
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from flagpost.errors import SetupError
from flagpost.store.db import Database

_HERE = Path(__file__).parent / "migrations"


def upgrade(database: Database) -> None:
    """Apply what is missing, all or nothing. Raise SetupError where the database cannot be reached or is locked."""
    try:
        with database.engine.begin() as connection:
            if not database.is_sqlite:
                connection.execute(sa.text("SET LOCAL lock_timeout = '4s'"))
            command.upgrade(_config(connection), "head")
    except DBAPIError as error:
        raise SetupError(f"The database could not be migrated: {error.orig}") from error


def current_revision(database: Database) -> str | None:
    """The newest migration the database has; None where it has none."""
    with database.read() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def newest_revision() -> str | None:
    """The newest migration this version knows."""
    return ScriptDirectory(str(_HERE)).get_current_head()


def is_current(database: Database) -> bool:
    """Whether the database has exactly the schema this version wants."""
    return current_revision(database) == newest_revision()


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_HERE))
    config.attributes["connection"] = connection
    return config
