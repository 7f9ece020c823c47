"""Bringing a database to this version's schema.

Migrations expand before they contract: the version before must run on the new schema. One release adds a column or a
table, fills it and writes both; only the next one, when no process of the version before is left, drops what is no
longer used. `tools/new_migration.py` writes a migration. On PostgreSQL a migration waits at most a few seconds for a
lock, so that a long query of another client makes it fail instead of halting every other query of that table.
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
    """Apply the missing migrations, all or none of them.

    Raise SetupError where the database cannot be reached, is locked, or has a schema of another line of versions.
    """
    from alembic import command  # a tenth of a second, which a start with nothing to migrate does not need

    try:
        with database.engine.begin() as connection:
            require_known(_revision(connection))
            if not database.is_sqlite:
                connection.execute(sa.text("SET LOCAL lock_timeout = '4s'"))
            command.upgrade(_config(connection), "head")
    except DBAPIError as error:
        raise SetupError(f"The database could not be migrated: {error.orig}") from error


def current_revision(database: Database) -> str | None:
    """The newest migration the database has; None where it has none. SetupError where it cannot be reached."""
    try:
        with database.read() as tx:
            return _revision(tx)
    except DatabaseUnavailable as error:
        raise SetupError(f"The database cannot be reached: {error.reason}") from error
    except DBAPIError as error:
        raise SetupError(f"The database cannot be reached: {error.orig}") from error


def _revision(connection: Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return found


def require_known(revision: str | None, what: str = "the database") -> None:
    """Raise SetupError where this version has no migration of this number; None, an empty database, is fine."""
    if revision is not None and revision not in _revisions():
        raise SetupError(
            f"Another version of Flagpost made {what}: its schema is {revision}, and this version knows none after "
            f"{newest_revision()}. Install the version that made it, or a newer one. What a version before 0.2.0 made "
            "cannot be upgraded: begin with an empty database."
        )


@cache
def newest_revision() -> str:
    """The newest migration this version knows."""
    return max(_revisions())


@cache
def _revisions() -> frozenset[str]:
    """Every migration this version knows: their files are named by their numbers, in order."""
    return frozenset(file.name.partition("_")[0] for file in (_HERE / "versions").glob("[0-9]*.py"))


def is_current(database: Database) -> bool:
    """Whether the database has exactly the schema this version wants."""
    return current_revision(database) == newest_revision()


def is_ahead(database: Database) -> bool:
    """Whether a later version has migrated the database. A process that runs already goes on: migrations expand."""
    revision = current_revision(database)
    return revision is not None and revision > newest_revision()


def _config(connection: Connection) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_HERE))
    config.attributes["connection"] = connection
    return config
