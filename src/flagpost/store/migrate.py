"""Bringing a database to this version's schema.

Migrations expand before they contract: the version before must run on the new schema. On PostgreSQL a migration waits
at most a few seconds for a lock, so that a long query of somebody else's makes it fail instead of halting everyone.
"""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from flagpost.errors import DatabaseUnavailable, SetupError
from flagpost.store.db import Database

if TYPE_CHECKING:
    from alembic.config import Config

_HERE = Path(__file__).parent / "migrations"


def upgrade(database: Database) -> None:
    """Apply what is missing, all or nothing. Raise SetupError where the database cannot be reached or is locked."""
    from alembic import command  # a tenth of a second, which a start with nothing to migrate does not need

    try:
        with database.engine.begin() as connection:
            if not database.is_sqlite:
                connection.execute(sa.text("SET LOCAL lock_timeout = '4s'"))
            command.upgrade(_config(connection), "head")
    except DBAPIError as error:
        raise SetupError(f"The database could not be migrated: {error.orig}") from error


def current_revision(database: Database) -> str | None:
    """The newest migration the database has; None where it has none. SetupError where it cannot be reached."""
    try:
        with database.read() as connection:
            if not sa.inspect(connection).has_table("alembic_version"):
                return None
            found: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
            return found
    except DatabaseUnavailable as error:
        raise SetupError(f"The database cannot be reached: {error.reason}") from error
    except DBAPIError as error:
        raise SetupError(f"The database cannot be reached: {error.orig}") from error


@cache
def newest_revision() -> str:
    """The newest migration this version knows: their files are named by their numbers, in order."""
    return max(file.name.partition("_")[0] for file in (_HERE / "versions").glob("[0-9]*.py"))


def is_current(database: Database) -> bool:
    """Whether the database has exactly the schema this version wants."""
    return current_revision(database) == newest_revision()


def _config(connection: Connection) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_HERE))
    config.attributes["connection"] = connection
    return config
