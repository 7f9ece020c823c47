"""A migration in progress: from which account, into which installation, and its report."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

from flagpost.actions.access import Actor
from flagpost.actions.context import Context
from flagpost.commands.split_migration.account import SplitAccount
from flagpost.commands.split_migration.api import SplitError
from flagpost.commands.split_migration.report import Report

_Item = TypeVar("_Item")
_FATAL = (0, 429, 503)  # no response, or too busy: every other request would fail too, until the next run


class ProgressBar(Protocol):
    """Iterates over a list and shows the progress."""

    def __call__(self, items: Iterable[_Item], what: str) -> Iterator[_Item]:
        """Each item, in order."""


@dataclass(frozen=True)
class Migration:
    """A migration in progress. With `sdk_url` None, seeds are not imported."""

    ctx: Context
    actor: Actor
    account: SplitAccount
    report: Report
    progress: ProgressBar
    sdk_url: str | None = None

    def read(self, what: str, read: Callable[[], Iterable[_Item]]) -> list[_Item] | None:
        """The items that Split lists; None, with a warning in the report, if Split refuses to list them.

        None is not an empty list: what was imported before stays if it could not be read this time. Raises SplitError
        if Split is away.
        """
        try:
            return list(read())
        except SplitError as error:
            if error.split_status in _FATAL:
                raise
            self.report.warn(f"{what}: could not be read. {error.message}")
            return None
