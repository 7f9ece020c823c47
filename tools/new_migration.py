"""Write the next migration: what Alembic finds different between the newest one and the tables. Read it before use.

    python tools/new_migration.py "what it is for"

A migration must leave a schema that the version before can still run on: `flagpost.store.migrate` says how.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.config import Config

from flagpost.store import migrate
from flagpost.store.db import Database

MIGRATIONS = Path(__file__).parents[1] / "src/flagpost/store/migrations"


def main() -> None:
    """Add `versions/NNNN_what_it_is_for.py`."""
    if len(sys.argv) != 2:
        sys.exit('Say what it is for: python tools/new_migration.py "expiry of keys"')
    number = f"{int(migrate.newest_revision()) + 1:04}"
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/newest.db")
        migrate.upgrade(database)
        with database.engine.begin() as connection:
            config = Config()
            config.set_main_option("script_location", str(MIGRATIONS))
            config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
            config.attributes["connection"] = connection
            command.revision(config, sys.argv[1], autogenerate=True, rev_id=number)
        database.close()
    for arguments in (["check", "--fix", "--silent"], ["format", "--quiet"]):
        subprocess.run([sys.executable, "-m", "ruff", *arguments, str(MIGRATIONS / "versions")], check=False)


if __name__ == "__main__":
    main()
