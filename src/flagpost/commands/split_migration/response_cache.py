"""Split's responses, cached in a file until the migration has finished.

Reading a large account takes hours, at two requests a second. Whatever stops the migration (Ctrl-C, a lost network, a
reboot), the pages that were read stay in the file, and the next run continues from there. The keys of segments take the
longest and are kept for a day. Everything else is kept for an hour, so that a continued run does not import
yesterday's state. Only the owner of the file can read it, and the API key is not in it. The file is deleted when the
migration has finished.
"""

import hashlib
import json
import sqlite3
import time
from pathlib import Path
from typing import Any

from flagpost.errors import SetupError

KEPT_SECONDS, KEYS_KEPT_SECONDS = 3_600, 86_400
_APPLICATION_ID = 0x46505350  # SQLite: marks a file as a response cache


class ResponseCache:
    """The response bodies of one account, by path. SetupError if the file holds something else."""

    def __init__(self, file: Path, account: str, *, fresh: bool = False) -> None:
        self._file = file
        try:
            self._database = _open(file)
            self._delete_unusable(hashlib.sha256(account.encode()).hexdigest(), fresh)
        except (sqlite3.Error, OSError) as error:
            raise SetupError(f"{file} cannot be used to cache Split's responses: {error}.") from None

    def _delete_unusable(self, account: str, fresh: bool) -> None:
        """Delete what is too old or of another account; with `fresh`, everything."""
        if fresh or self._database.execute("SELECT name FROM account").fetchall() != [(account,)]:
            self._database.executescript("DELETE FROM responses; DELETE FROM account")
            self._database.execute("INSERT INTO account VALUES (?)", (account,))
        self._database.execute("DELETE FROM responses WHERE until < ?", (time.time(),))

    @property
    def count(self) -> int:
        """How many responses are cached. More than 0 when a run starts means that it continues another one."""
        count: int = self._database.execute("SELECT count(*) FROM responses").fetchone()[0]
        return count

    def get(self, path: str) -> Any:
        """The body of the response to this path; None if there is none."""
        row = self._database.execute("SELECT body FROM responses WHERE path = ?", (path,)).fetchone()
        return json.loads(row[0]) if row else None

    def put(self, path: str, body: Any) -> None:
        """Cache a body. It is on disk when this returns."""
        seconds = KEYS_KEPT_SECONDS if path.partition("?")[0].endswith("/keys") else KEPT_SECONDS
        row = (path, time.time() + seconds, json.dumps(body))
        self._database.execute("INSERT OR REPLACE INTO responses VALUES (?, ?, ?)", row)

    def close(self, *, delete: bool) -> None:
        """Close the file and, with `delete`, delete it."""
        self._database.close()
        if delete:
            self._file.unlink(missing_ok=True)


def _open(file: Path) -> sqlite3.Connection:
    """Open the file, or create it. OSError if it holds something else; then it stays as it is."""
    file.touch(mode=0o600, exist_ok=True)
    database = sqlite3.connect(file, isolation_level=None)
    if file.stat().st_size and database.execute("PRAGMA application_id").fetchone() != (_APPLICATION_ID,):
        database.close()
        raise OSError("it holds something else")
    file.chmod(0o600)
    database.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
    database.execute("CREATE TABLE IF NOT EXISTS responses (path TEXT PRIMARY KEY, until REAL, body TEXT)")
    database.execute("CREATE TABLE IF NOT EXISTS account (name TEXT)")
    return database
