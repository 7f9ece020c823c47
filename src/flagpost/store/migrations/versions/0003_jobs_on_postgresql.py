"""The queue of `flagpost.jobs.postgres`, in a schema of its own; nothing on SQLite.

It is procrastinate's own schema as of 3.10, to which pyproject.toml holds the dependency: a newer one brings its
changes as a migration here.
"""

from alembic import op
from procrastinate.schema import SchemaManager

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Apply the change."""
    connection = op.get_bind()
    if connection.dialect.name != "postgresql":
        return
    connection.exec_driver_sql("CREATE SCHEMA flagpost_jobs")
    connection.exec_driver_sql("SET LOCAL search_path TO flagpost_jobs")
    connection.connection.cursor().execute(SchemaManager.get_schema())  # many statements, and signs of per cent
    connection.exec_driver_sql("SET LOCAL search_path TO DEFAULT")
