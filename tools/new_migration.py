"""Write a migration: what Alembic finds different between the migrations and the tables. Read it before use.

    python tools/new_migration.py "expiry of keys"     the next migration
    python tools/new_migration.py --first              the first schema anew, in place of all migrations

`--first` is for as long as 0.2.0 is not released: run it after a change of a table. After that release the first schema
is frozen, and every change of a table is a migration that expands before it contracts: `flagpost.store.migrate` says
how.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import produce_migrations, render_python_code
from alembic.autogenerate.api import AutogenContext
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import ops

from flagpost.store import migrate
from flagpost.store.db import Database
from flagpost.store.schema.metadata import metadata

MIGRATIONS = Path(__file__).parents[1] / "src/flagpost/store/migrations"
FIRST = MIGRATIONS / "versions/0001_first_schema.py"
HEAD = '''"""The first schema: every table, and on PostgreSQL the queue of `flagpost.jobs.postgres`.

The queue has a schema of its own. Its text is procrastinate's, of version 3.10, to which pyproject.toml holds the
dependency: a newer one brings its changes as a migration. Written by `python tools/new_migration.py --first`.
"""

import sqlalchemy as sa
from alembic import op
from procrastinate.schema import SchemaManager

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create every table, those that others refer to first."""
'''
QUEUE = """

def _create_queue() -> None:
    connection = op.get_bind()
    if connection.dialect.name != "postgresql":
        return
    connection.exec_driver_sql("CREATE SCHEMA flagpost_jobs")
    connection.exec_driver_sql("SET LOCAL search_path TO flagpost_jobs")
    connection.connection.cursor().execute(SchemaManager.get_schema())  # many statements, and signs of per cent
    connection.exec_driver_sql("SET LOCAL search_path TO DEFAULT")
"""


def main() -> None:
    """Write the file that the command line asks for."""
    if len(sys.argv) != 2:
        sys.exit('Say what it is for: python tools/new_migration.py "expiry of keys"')
    if sys.argv[1] == "--first":
        write_first_schema()
    else:
        write_next(sys.argv[1])
    for arguments in (["check", "--fix", "--silent"], ["format", "--quiet"]):
        subprocess.run([sys.executable, "-m", "ruff", *arguments, str(MIGRATIONS / "versions")], check=False)


def write_first_schema() -> None:
    """Replace all migrations by one that creates every table of today."""
    with _database() as database, database.engine.connect() as connection:
        text = first_schema(connection)
    for file in FIRST.parent.glob("[0-9]*.py"):
        file.unlink()
    FIRST.write_text(text)


def first_schema(connection: sa.Connection) -> str:
    """The module that creates, in an empty database, what the code's tables say: a function a table."""
    script = produce_migrations(MigrationContext.configure(connection), metadata)
    tables: dict[str, list[ops.MigrateOperation]] = {}
    for operation in _flat(script.upgrade_ops):
        tables.setdefault(operation.table_name, []).append(operation)
    calls = "".join(f"    _create_{name}()\n" for name in tables) + "    _create_queue()\n"
    bodies = (f"\n\ndef _create_{name}() -> None:\n{_code(found)}\n" for name, found in tables.items())
    return HEAD + calls + "".join(bodies) + QUEUE


def _flat(container: ops.OpContainer) -> Iterator[ops.CreateTableOp | ops.CreateIndexOp]:
    for operation in container.ops:
        if isinstance(operation, ops.OpContainer):
            yield from _flat(operation)
        else:
            yield operation


def _code(operations: list[ops.MigrateOperation]) -> str:
    lines = render_python_code(ops.UpgradeOps(operations), render_item=render_item).splitlines()
    return "\n".join(f"    {line}".rstrip() for line in lines if not line.lstrip().startswith("#"))


def render_item(kind: str, item: Any, _context: AutogenContext) -> str | Literal[False]:
    """A default of false for both stores: Alembic would write it as the store says it that it looks at."""
    is_false = kind == "server_default" and isinstance(item.arg, sa.sql.elements.False_)
    return "sa.false()" if is_false else False


def write_next(purpose: str) -> None:
    """Add `versions/NNNN_what_it_is_for.py`."""
    number = f"{int(migrate.newest_revision()) + 1:04}"
    with _database() as database:
        migrate.upgrade(database)
        with database.engine.begin() as connection:
            config = Config()
            config.set_main_option("script_location", str(MIGRATIONS))
            config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
            config.attributes.update(connection=connection, render_item=render_item)
            command.revision(config, purpose, autogenerate=True, rev_id=number)


@contextmanager
def _database() -> Iterator[Database]:
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/newest.db")
        try:
            yield database
        finally:
            database.close()


if __name__ == "__main__":
    main()
