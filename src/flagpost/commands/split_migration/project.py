"""One project on its way."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from flagpost.actions.imports.split_account import Outcome
from flagpost.commands.split_migration.account import SplitEnvironment, Workspace
from flagpost.commands.split_migration.move import Move
from flagpost.commands.split_migration.people import WhoIsWho
from flagpost.store.records import Environment, Page, Project

_Item = TypeVar("_Item")
_P = ParamSpec("_P")
_AT_ONCE = 50


def every(page: Callable[[int, int], Page[_Item]]) -> Iterator[_Item]:
    """Everything of a list that is here and stays as it is meanwhile; `page` is told an offset and a limit."""
    offset = 0
    while items := page(offset, _AT_ONCE).items:
        yield from items
        offset += len(items)


@dataclass
class MovedProject:
    """A project there and here. `places`: its environments there and here; `flag_sets`: ids of here by those of there.

    `flag_sets` None: they could not be read.
    """

    move: Move
    who: WhoIsWho
    there: Workspace
    here: Project
    places: list[tuple[SplitEnvironment, Environment]] = field(default_factory=list)
    flag_sets: dict[str, str] | None = None

    def attempt(
        self, kind: str, name: str, bring: Callable[_P, Outcome], /, *args: _P.args, **kwargs: _P.kwargs
    ) -> bool:
        """Bring over something of this project; False where it was refused."""
        return self.move.report.attempt(kind, self.named(name), bring, *args, **kwargs)

    def steps(self, items: Iterable[_Item], what: str) -> Iterator[_Item]:
        """Each of these, in order, while how far it is is shown."""
        return self.move.steps(items, self.named(what))

    def unless_refused(self, what: str, read: Callable[[], Iterable[_Item]]) -> list[_Item] | None:
        """What Split gives of this project; None, and a note of it, where it does not."""
        return self.move.unless_refused(self.named(what), read)

    def look_at(self, line: str) -> None:
        """Note something about this project that somebody has to look at."""
        self.move.report.look_at(self.named(line))

    def named(self, what: str) -> str:
        """Something of this project, as the report names it."""
        return f"{self.there.name} / {what}"
