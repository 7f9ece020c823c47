"""`flagpost backup`, `flagpost restore` and `flagpost copy-to`: an operator's copies of everything.

The secrets in a database are encrypted, and the key is not in it: a copy without its key lacks the tokens and
credentials for Jira, which then have to be entered again.
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
    """Copy the SQLite database, in use or not, to a new file, and its key file beside it, if asked. The new files."""
    source = _sqlite_file(settings, "Back PostgreSQL up with pg_dump: docs/how-to/run.md says how.")
    if not source.exists():
        raise SetupError(f"There is no database at {source}.")
    transfer.copy_file(source, target)
    if not with_key:
        return [target]
    key = key_file(source)
    if not key.exists():
        raise SetupError(f"{target} was written. There is no key file: the keys are in FLAGPOST_SECRET_KEYS.")
    _copy_key(key, key_file(target))
    return [target, key_file(target)]


def restore(settings: Settings, source: Path) -> Counts:
    """Put a backup where the settings say the database is, and bring it to this version's schema; what it holds.

    Conflict where there is a database already, SetupError where the file is no database of Flagpost's, or a newer one.
    """
    target = _sqlite_file(settings, "Restore PostgreSQL with pg_restore: docs/how-to/run.md says how.")
    if target.exists() and target.stat().st_size:
        raise Conflict(f"There is a database at {target} already. Move it away first.")
    _require_known(source)
    transfer.copy_file(source, target)
    if key_file(source).exists() and not settings.secret_keys and not key_file(target).exists():
        _copy_key(key_file(source), key_file(target))
    with closing(open_database(settings)) as database, database.read() as tx:
        return transfer.count_rows(tx)


def copy_to(settings: Settings, target_url: str, out: Console) -> Counts:
    """Carry everything over into another, empty database, and show how far it is. SetupError where that cannot be."""
    with closing(open_database(settings)) as source, closing(Database(target_url)) as target:
        migrate.upgrade(target)
        with source.read() as tx:
            total = sum(transfer.count_rows(tx).values())
        with Progress(console=out, transient=True) as bar:
            task = bar.add_task("Copying", total=total)
            return transfer.copy_all(source, target, lambda _, rows: bar.advance(task, rows))


def key_file(database: Path) -> Path:
    """The file beside a SQLite database that holds the key to its secrets, where no key is set."""
    return database.with_suffix(".key")


def _copy_key(source: Path, target: Path) -> None:
    if target.exists():
        raise Conflict(f"{target} is there already. Nothing was overwritten.")
    shutil.copyfile(source, target)
    target.chmod(0o600)


def _sqlite_file(settings: Settings, otherwise: str) -> Path:
    if settings.sqlite_file is None:
        raise SetupError(otherwise)
    return settings.sqlite_file


def _require_known(file: Path) -> None:
    """A database of Flagpost's, of this version or an older one."""
    if not file.is_file():
        raise SetupError(f"There is no file {file}.")
    with closing(Database(f"sqlite:///{file}")) as database:
        revision = migrate.current_revision(database)
    if revision is None:
        raise SetupError(f"{file} is no database of Flagpost's.")
    migrate.require_known(revision, str(file))
