"""Write the first migration anew from the tables. Only before the first release: later changes get their own file."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.config import Config

from flagpost.store.db import Database

MIGRATIONS = Path(__file__).parents[1] / "src/flagpost/store/migrations"


def main() -> None:
    """Replace `versions/0001_first_schema.py` by what Alembic finds missing in an empty database."""
    for old in (MIGRATIONS / "versions").glob("*.py"):
        old.unlink()
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/empty.db")
        with database.engine.connect() as connection:
            config = Config()
            config.set_main_option("script_location", str(MIGRATIONS))
            config.attributes["connection"] = connection
            config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
            command.revision(config, "first schema", autogenerate=True, rev_id="0001")
        database.close()
    for written in (MIGRATIONS / "versions").glob("*.py"):  # Alembic renders SQLite's idea of false
        text = written.read_text()
        written.write_text(re.sub(r"(sa.Boolean\(\), server_default=)sa.text\(.0.\)", r"\1sa.false()", text))
    for arguments in (["check", "--fix", "--silent"], ["format", "--quiet"]):
        subprocess.run([sys.executable, "-m", "ruff", *arguments, str(MIGRATIONS / "versions")], check=False)


if __name__ == "__main__":
    main()
