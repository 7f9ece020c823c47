"""What Split answered, kept in a file until the move is through.

A large account is read in hours, at two requests a second. Whatever stops the move (Ctrl-C, a lost network, a reboot),
what was read by then stays in the file, page by page, and the next run begins where this one ended. The keys of
segments, which take the longest by far, are kept for a day; everything else for an hour, so that a run that goes on
does not bring what was true yesterday. Nobody but the file's owner can read it; the API key is not in it. It goes once
the move is through.
"""

import hashlib
import json
import sqlite3
import time
from pathlib import Path
from typing import Any

from flagpost.errors import SetupError

KEPT_SECONDS, KEYS_KEPT_SECONDS = 3_600, 86_400
_APPLICATION_ID = 0x46505350  # SQLite: marks a file as one of these


class Answers:
    """The answers of one account, by path. SetupError where the file is not one of these."""

    def __init__(self, file: Path, account: str, *, afresh: bool = False) -> None:
        self._file = file
        try:
            self._answers = _opened(file)
            self._forget_what_is_not(hashlib.sha256(account.encode()).hexdigest(), afresh)
        except (sqlite3.Error, OSError) as error:
            raise SetupError(f"{file} cannot be used to keep what Split answers: {error}.") from None

    def _forget_what_is_not(self, account: str, afresh: bool) -> None:
        if afresh or self._answers.execute("SELECT name FROM account").fetchall() != [(account,)]:
            self._answers.executescript("DELETE FROM answers; DELETE FROM account")
            self._answers.execute("INSERT INTO account VALUES (?)", (account,))
        self._answers.execute("DELETE FROM answers WHERE until < ?", (time.time(),))

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
        lasting = KEYS_KEPT_SECONDS if path.partition("?")[0].endswith("/keys") else KEPT_SECONDS
        row = (path, time.time() + lasting, json.dumps(body))
        self._answers.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", row)

    def close(self, *, forget: bool) -> None:
        """Be done with the file; with `forget`, it goes."""
        self._answers.close()
        if forget:
            self._file.unlink(missing_ok=True)


def _opened(file: Path) -> sqlite3.Connection:
    """The file, made where there is none; one that is something else is left as it is."""
    file.touch(mode=0o600, exist_ok=True)
    answers = sqlite3.connect(file, isolation_level=None)
    if file.stat().st_size and answers.execute("PRAGMA application_id").fetchone() != (_APPLICATION_ID,):
        answers.close()
        raise OSError("it holds something else")
    file.chmod(0o600)
    answers.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
    answers.execute("CREATE TABLE IF NOT EXISTS answers (path TEXT PRIMARY KEY, until REAL, body TEXT)")
    answers.execute("CREATE TABLE IF NOT EXISTS account (name TEXT)")
    return answers
