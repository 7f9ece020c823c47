"""Every error Flagpost raises on purpose, in one tree.

    FlagpostError
    ├── InvalidInput        400  what was sent is wrong; carries one Problem per field
    ├── NotSignedIn         401
    ├── NotAllowed          403
    │   └── ApprovalRequired 403  the change has to go through a change request
    ├── NotFound            404  missing, or not visible to whoever asks
    ├── Conflict            409
    │   ├── StaleVersion    409  the save was based on an older version; carries both
    │   └── ConcurrentModification   409  somebody else made, or removed, the same in the same moment
    ├── TooLarge            413
    ├── TooManyRequests     429
    ├── Unavailable         503  it cannot be done now; the same request can succeed later
    │   └── DatabaseUnavailable 503  the database cannot be used just now
    │       ├── TransactionBroken 503  it broke the transaction off; nothing was saved
    │       └── DiskFull    507  it has no room left; nothing was saved
    ├── SetupError               the operator has to mend a setting, a file or the database
    ├── SplitError               Split did not do what was asked; in `flagpost.commands.split_migration`
    └── JiraError           502  Jira did not do what was asked; see its subclasses in `flagpost.jira`

The docstring of a class is its message when none is given. `permanent` says whether trying the same thing again,
unchanged, can never help. One place renders them: `flagpost.web.render`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with what was sent.

    `path` leads into the input as its sender wrote it, for example ``rules[2].buckets``; it is empty for the whole.
    """

    path: str
    message: str


class FlagpostError(Exception):
    """Something went wrong in Flagpost."""

    status = 500
    permanent = True

    def __init__(self, message: str | None = None) -> None:
        self.message = message or (type(self).__doc__ or "").strip().partition("\n\n")[0]
        super().__init__(self.message)


class InvalidInput(FlagpostError):
    """What was sent is not valid."""

    status = 400

    def __init__(self, problems: Iterable[Problem] | str, path: str = "") -> None:
        found = [Problem(path, problems)] if isinstance(problems, str) else list(problems)
        self.problems = found
        super().__init__("; ".join(f"{p.path}: {p.message}" if p.path else p.message for p in found))


class NotSignedIn(FlagpostError):
    """Sign in, or send a valid key."""

    status = 401


class NotAllowed(FlagpostError):
    """You are not allowed to do this."""

    status = 403


class ApprovalRequired(NotAllowed):
    """Approvals are required."""


class NotFound(FlagpostError):
    """There is no such thing, or you may not see it."""

    status = 404


class Conflict(FlagpostError):
    """That clashes with what is already there."""

    status = 409


class StaleVersion(Conflict):
    """Somebody saved a newer version in the meantime; nothing was overwritten."""

    def __init__(self, current: Mapping[str, Any], current_version: int, saved_by: str, saved_at: int) -> None:
        super().__init__()
        self.current = current
        self.current_version = current_version
        self.saved_by = saved_by
        self.saved_at = saved_at


class ConcurrentModification(Conflict):
    """Somebody else made or removed the same in this moment, so nothing was saved. Look at it and try again."""


class TooLarge(FlagpostError):
    """The request is too large."""

    status = 413


class TooManyRequests(FlagpostError):
    """Too many attempts; wait a little and try again."""

    status = 429
    permanent = False

    def __init__(self, message: str | None = None, retry_after: int = 60) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(FlagpostError):
    """This cannot be done right now; try again in a moment."""

    status = 503
    permanent = False


class DatabaseUnavailable(Unavailable):
    """The database cannot be used just now. Look whether your change was made, and try again in a moment."""

    retry_after = 5

    def __init__(self, reason: str = "") -> None:
        super().__init__()
        self.reason = reason
        """What the database said, for the log and for operators."""


class TransactionBroken(DatabaseUnavailable):
    """The database broke this off, because another change was in its way. Nothing was saved; try again in a moment."""

    retry_after = 1


class DiskFull(DatabaseUnavailable):
    """The disk that the database is on is full, so nothing was saved. Once it has room, try again."""

    status = 507
    retry_after = 60


class SetupError(FlagpostError):
    """Flagpost is not set up correctly."""


class JiraError(FlagpostError):
    """Jira did not do what was asked."""

    status = 502
