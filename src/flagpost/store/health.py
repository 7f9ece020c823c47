"""Whether the database can be used."""

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from flagpost.errors import DatabaseUnavailable, SetupError
from flagpost.store import migrate
from flagpost.store.db import Database


def trouble(database: Database) -> str | None:
    """Why the database cannot be used, in words for an operator; None where it can."""
    try:
        with database.read() as tx:
            tx.execute(sa.text("SELECT 1"))
        if not (migrate.is_current(database) or migrate.is_ahead(database)):
            return "The database's schema is not this version's. Run: flagpost migrate"
    except SetupError as error:
        return error.message
    except DatabaseUnavailable as error:
        return f"The database cannot be reached: {error.reason}"
    except SQLAlchemyError as error:
        return f"The database cannot be reached: {getattr(error, 'orig', None) or error}"
    return None
