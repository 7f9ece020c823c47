"""A move under way: from which account, into which installation, and what has become of it so far."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

from flagpost.actions.access import Actor
from flagpost.actions.context import Context
from flagpost.commands.split_migration.account import SplitAccount
from flagpost.commands.split_migration.api import SplitError
from flagpost.commands.split_migration.report import Report

_Item = TypeVar("_Item")
_WHOLE_MOVE_ENDS = (0, 429, 503)  # no answer, or none for now: so it goes for everything else, until the next run


class Steps(Protocol):
    """Goes through a list and shows how far it is."""

    def __call__(self, items: Iterable[_Item], what: str) -> Iterator[_Item]:
        """Each of these, in order."""


@dataclass(frozen=True)
class Move:
    """A move under way. `sdk_url` None: seeds are not brought."""

    ctx: Context
    actor: Actor
    account: SplitAccount
    report: Report
    steps: Steps
    sdk_url: str | None = None

    def unless_refused(self, what: str, read: Callable[[], Iterable[_Item]]) -> list[_Item] | None:
        """What Split gives; None, and a note of it, where this key or this account does not.

        None is not *nothing*: what was brought before must not go because it could not be read this time.
        """
        try:
            return list(read())
        except SplitError as error:
            if error.answered in _WHOLE_MOVE_ENDS:
                raise
            self.report.look_at(f"{what}: could not be read. {error.message}")
            return None
