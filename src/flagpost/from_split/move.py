"""A move of one or more projects: whose it is, what it is for, and in which order things are brought over."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import ParamSpec, Protocol, TypeVar

from flagpost.actions.access import Actor
from flagpost.actions.carry_over import Outcome
from flagpost.actions.context import Context
from flagpost.from_split.account import SplitAccount, SplitEnvironment, Workspace
from flagpost.from_split.api import SplitError
from flagpost.from_split.people import WhoIsWho
from flagpost.from_split.report import Report
from flagpost.store.records import Environment, Project

_Item = TypeVar("_Item")
_P = ParamSpec("_P")


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

    def unless_refused(self, what: str, read: Callable[[], Iterable[_Item]]) -> list[_Item]:
        """What is worth having, and nothing where this key, or this account, does not give it; that is noted."""
        try:
            return list(read())
        except SplitError as error:
            if not 400 <= error.answered < 500:
                raise
            self.report.look_at(f"{what}: could not be read. {error.message}")
            return []


@dataclass
class MovedProject:
    """One project on its way. `places`: its environments there and here; `flag_sets`: ids of here by those of there."""

    move: Move
    who: WhoIsWho
    there: Workspace
    here: Project
    places: list[tuple[SplitEnvironment, Environment]] = field(default_factory=list)
    flag_sets: dict[str, str] = field(default_factory=dict)

    def attempt(
        self, kind: str, name: str, bring: Callable[_P, Outcome], /, *args: _P.args, **kwargs: _P.kwargs
    ) -> bool:
        """Bring over something of this project; False where it was refused."""
        return self.move.report.attempt(kind, self.named(name), bring, *args, **kwargs)

    def steps(self, items: Iterable[_Item], what: str) -> Iterator[_Item]:
        """Each of these, in order, while how far it is is shown."""
        return self.move.steps(items, self.named(what))

    def unless_refused(self, what: str, read: Callable[[], Iterable[_Item]]) -> list[_Item]:
        """What Split gives of this project, and nothing where it refuses."""
        return self.move.unless_refused(self.named(what), read)

    def look_at(self, line: str) -> None:
        """Note something about this project that somebody has to look at."""
        self.move.report.look_at(self.named(line))

    def named(self, what: str) -> str:
        """Something of this project, as the report names it."""
        return f"{self.there.name} / {what}"
