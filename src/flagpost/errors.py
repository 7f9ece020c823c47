"""Every error that Flagpost raises on purpose, in one tree.

    FlagpostError
    ├── InvalidInput        400  the input is wrong; carries one Problem per field
    ├── NotSignedIn         401
    ├── NotAllowed          403
    │   └── ApprovalRequired 403  the change has to go through a change request
    ├── NotFound            404  missing, or not visible to the caller
    ├── Conflict            409
    │   ├── StaleVersion    409  the save was based on an older version; carries the current one
    │   └── ConcurrentModification   409  another transaction created or deleted the row at this moment
    ├── TooLarge            413
    ├── TooManyRequests     429
    ├── Unavailable         503  not possible now; the request can succeed later
    │   └── DatabaseUnavailable 503  the database cannot be used now
    │       ├── TransactionBroken 503  the database cancelled the transaction; nothing was saved
    │       └── DiskFull    507  the database's disk is full; nothing was saved
    ├── SetupError               the operator has to correct a setting, a file or the database
    ├── SplitError               Split refused or failed; in `flagpost.commands.split_migration`
    └── JiraError           502  Jira refused or failed; see its subclasses in `flagpost.jira`

The docstring of a class is its message when none is given. `permanent` is True if repeating the request unchanged can
never succeed: code that retries gives up only then. It is False unless a class says otherwise, so that an error which
its author did not think about is retried. One place renders errors: `flagpost.web.render`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with the input.

    `path` locates it in the input as the caller sent it, for example ``rules[2].buckets``. An empty path means all of
    the input.
    """

    path: str
    message: str


class FlagpostError(Exception):
    """Something went wrong in Flagpost."""

    status = 500
    permanent = False

    def __init__(self, message: str | None = None) -> None:
        self.message = message or (type(self).__doc__ or "").strip().partition("\n\n")[0]
        super().__init__(self.message)


class InvalidInput(FlagpostError):
    """The input is not valid."""

    status = 400
    permanent = True

    def __init__(self, problems: Iterable[Problem] | str, path: str = "") -> None:
        found = [Problem(path, problems)] if isinstance(problems, str) else list(problems)
        self.problems = found
        super().__init__("; ".join(f"{p.path}: {p.message}" if p.path else p.message for p in found))


class NotSignedIn(FlagpostError):
    """Sign in, or send a valid key."""

    status = 401
    permanent = True


class NotAllowed(FlagpostError):
    """You are not allowed to do this."""

    status = 403
    permanent = True


class ApprovalRequired(NotAllowed):
    """Approvals are required."""


class NotFound(FlagpostError):
    """This does not exist, or you may not see it."""

    status = 404
    permanent = True


class Conflict(FlagpostError):
    """This conflicts with something that exists already."""

    status = 409
    permanent = True


class StaleVersion(Conflict):
    """A newer version was saved in the meantime; nothing was overwritten."""

    def __init__(self, current: Mapping[str, Any], current_version: int, saved_by: str, saved_at: int) -> None:
        super().__init__()
        self.current = current
        self.current_version = current_version
        self.saved_by = saved_by
        self.saved_at = saved_at


class ConcurrentModification(Conflict):
    """Another change created or deleted this at the same moment, so nothing was saved. Reload and try again."""

    permanent = False


class TooLarge(FlagpostError):
    """The request is too large."""

    status = 413
    permanent = True


class TooManyRequests(FlagpostError):
    """Too many attempts. Wait a little and try again."""

    status = 429

    def __init__(self, message: str | None = None, retry_after: int = 60) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(FlagpostError):
    """This is not possible now. Try again in a moment."""

    status = 503


class DatabaseUnavailable(Unavailable):
    """The database cannot be used just now. Check whether your change was saved, and try again in a moment."""

    retry_after = 5

    def __init__(self, reason: str = "") -> None:
        super().__init__()
        self.reason = reason
        """The database's own message, for the log and for operators."""


class TransactionBroken(DatabaseUnavailable):
    """The database broke this off, because another change was in its way. Nothing was saved; try again in a moment."""

    retry_after = 1


class DiskFull(DatabaseUnavailable):
    """The disk that the database is on is full, so nothing was saved. Try again when it has room."""

    status = 507
    retry_after = 60


class SetupError(FlagpostError):
    """Flagpost is not set up correctly."""

    permanent = True


class JiraError(FlagpostError):
    """Jira refused the request or failed."""

    status = 502
    permanent = True
