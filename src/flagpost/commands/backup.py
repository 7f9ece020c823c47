"""`flagpost backup`, `flagpost restore` and `flagpost copy-to`: copies of all data.

The secrets in a database are encrypted, and the key is not in it. Without the key, the tokens and credentials for Jira
in a copy cannot be read and have to be entered again.
"""

import shutil
from contextlib import closing
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from flagpost.app import open_database
from flagpost.errors import Conflict, SetupError
from flagpost.settings import Settings
from flagpost.store import migrate, transfer
from flagpost.store.db import Database
from flagpost.store.transfer import Counts


def back_up(settings: Settings, target: Path, *, with_key: bool) -> list[Path]:
    """Copy the SQLite database, in use or not, to a new file, and with `with_key` its key file beside it.

    Gives the new files.
    """
    source = _sqlite_file(settings, "Back PostgreSQL up with pg_dump: docs/how-to/run.md says how.")
    if not source.exists():
        raise SetupError(f"No database exists at {source}.")
    transfer.copy_file(source, target)
    if not with_key:
        return [target]
    key = key_file(source)
    if not key.exists():
        raise SetupError(f"{target} was written. No key file exists: the keys are in FLAGPOST_SECRET_KEYS.")
    _copy_key(key, key_file(target))
    return [target, key_file(target)]


def restore(settings: Settings, source: Path) -> Counts:
    """Copy a backup to the database of the settings, and migrate it to the schema of this version.

    Gives the row counts. Conflict if that database exists already. SetupError if the file is not a database of
    Flagpost, or if it comes from a newer version.
    """
    target = _sqlite_file(settings, "Restore PostgreSQL with pg_restore: docs/how-to/run.md says how.")
    if target.exists() and target.stat().st_size:
        raise Conflict(f"A database exists at {target} already. Move it away first.")
    _require_restorable(source)
    transfer.copy_file(source, target)
    if key_file(source).exists() and not settings.secret_keys and not key_file(target).exists():
        _copy_key(key_file(source), key_file(target))
    with closing(open_database(settings)) as database, database.read() as tx:
        return transfer.count_rows(tx)


def copy_to(settings: Settings, target_url: str, out: Console) -> Counts:
    """Copy all data into another, empty database, with a progress bar. Gives the row counts."""
    with closing(open_database(settings)) as source, closing(Database(target_url)) as target:
        migrate.upgrade(target)
        with source.read() as tx:
            total = sum(transfer.count_rows(tx).values())
        with Progress(console=out, transient=True) as bar:
            task = bar.add_task("Copying", total=total)
            return transfer.copy_all(source, target, lambda _, rows: bar.advance(task, rows))


def key_file(database: Path) -> Path:
    """The file beside a SQLite database that holds the key to its secrets, if no key is set."""
    return database.with_suffix(".key")


def _copy_key(source: Path, target: Path) -> None:
    if target.exists():
        raise Conflict(f"{target} exists already. Nothing was overwritten.")
    shutil.copyfile(source, target)
    target.chmod(0o600)


def _sqlite_file(settings: Settings, otherwise: str) -> Path:
    if settings.sqlite_file is None:
        raise SetupError(otherwise)
    return settings.sqlite_file


def _require_restorable(file: Path) -> None:
    """A database of Flagpost's, of this version or an older one."""
    if not file.is_file():
        raise SetupError(f"The file {file} does not exist.")
    with closing(Database(f"sqlite:///{file}")) as database:
        revision = migrate.current_revision(database)
    if revision is None:
        raise SetupError(f"{file} is not a database of Flagpost.")
    migrate.require_known(revision, str(file))
