"""What Split answered, kept in a file until the move is through.

A large account is read in hours, at two requests a second. Whatever stops the move (Ctrl-C, a lost network, a reboot),
what was read by then stays in the file, page by page, and the next run begins where this one ended. The file holds the
keys of segments, so nobody but its owner can read it; the API key is not in it. It goes once the move is through.
"""

import hashlib
import json
import sqlite3
import time
from pathlib import Path
from typing import Any

from flagpost.errors import SetupError

KEPT_SECONDS = 86_400
"""After a day, what was answered is too old to be moved: everything is read anew."""


class Answers:
    """The answers of one account, by path. SetupError where the file is not one of these."""

    def __init__(self, file: Path, account: str) -> None:
        self._file = file
        try:
            file.touch(mode=0o600, exist_ok=True)
            self._answers = sqlite3.connect(file, isolation_level=None)
            self._answers.execute("CREATE TABLE IF NOT EXISTS answers (path TEXT PRIMARY KEY, at REAL, body TEXT)")
            self._forget_what_is_not(hashlib.sha256(account.encode()).hexdigest())
        except (sqlite3.Error, OSError) as error:
            raise SetupError(f"{file} cannot be used to keep what Split answers: {error}.") from None

    def _forget_what_is_not(self, account: str) -> None:
        self._answers.execute("CREATE TABLE IF NOT EXISTS account (name TEXT)")
        if self._answers.execute("SELECT name FROM account").fetchall() != [(account,)]:
            self._answers.executescript("DELETE FROM answers; DELETE FROM account")
            self._answers.execute("INSERT INTO account VALUES (?)", (account,))
        self._answers.execute("DELETE FROM answers WHERE at < ?", (time.time() - KEPT_SECONDS,))

    @property
    def count(self) -> int:
        """How many there are: not 0 at the start of a run that goes on with another one."""
        count: int = self._answers.execute("SELECT count(*) FROM answers").fetchone()[0]
        return count

    def find(self, path: str) -> Any:
        """What was answered to this path; None where it was not asked yet."""
        row = self._answers.execute("SELECT body FROM answers WHERE path = ?", (path,)).fetchone()
        return json.loads(row[0]) if row else None

    def keep(self, path: str, body: Any) -> None:
        """Note an answer; it is on disk when this returns."""
        self._answers.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", (path, time.time(), json.dumps(body)))

    def close(self, *, forget: bool) -> None:
        """Be done with the file; with `forget`, it goes."""
        self._answers.close()
        if forget:
            self._file.unlink(missing_ok=True)
