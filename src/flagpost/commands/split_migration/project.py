"""The migration of one project."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from flagpost.actions.access import Actor
from flagpost.actions.context import Context
from flagpost.actions.imports.split_account import Outcome
from flagpost.commands.split_migration.account import SplitAccount, SplitEnvironment, Workspace
from flagpost.commands.split_migration.migration import Migration
from flagpost.commands.split_migration.principals import PrincipalMapping
from flagpost.store.records import Environment, Page, Project

_Item = TypeVar("_Item")
_P = ParamSpec("_P")
_PAGE_SIZE = 50


def all_pages(page: Callable[[int, int], Page[_Item]]) -> Iterator[_Item]:
    """All items of a list of this installation that does not change meanwhile. `page` takes an offset and a limit."""
    offset = 0
    while items := page(offset, _PAGE_SIZE).items:
        yield from items
        offset += len(items)


@dataclass
class ProjectMigration:
    """A project in Split (`source`) and in this installation (`target`).

    `environments` are pairs of both. `flag_sets` maps Split's ids to ours; None if Split did not list the flag sets.
    """

    migration: Migration
    principals: PrincipalMapping
    source: Workspace
    target: Project
    environments: list[tuple[SplitEnvironment, Environment]] = field(default_factory=list)
    flag_sets: dict[str, str] | None = None

    @property
    def ctx(self) -> Context:
        """The context of this installation."""
        return self.migration.ctx

    @property
    def actor(self) -> Actor:
        """The actor of the migration."""
        return self.migration.actor

    @property
    def account(self) -> SplitAccount:
        """The account in Split."""
        return self.migration.account

    def attempt(self, kind: str, name: str, run: Callable[_P, Outcome], /, *args: _P.args, **kwargs: _P.kwargs) -> bool:
        """Import one object of this project. False if it was refused."""
        return self.migration.report.attempt(kind, self.named(name), run, *args, **kwargs)

    def progress(self, items: Iterable[_Item], what: str) -> Iterator[_Item]:
        """Each item, in order, while the progress is shown."""
        return self.migration.progress(items, self.named(what))

    def read(self, what: str, read: Callable[[], Iterable[_Item]]) -> list[_Item] | None:
        """The items that Split lists of this project; None, with a warning, if Split refuses to list them."""
        return self.migration.read(self.named(what), read)

    def warn(self, line: str) -> None:
        """Report something about this project that a person has to check."""
        self.migration.report.warn(self.named(line))

    def named(self, what: str) -> str:
        """The name of an object of this project, as the report shows it."""
        return f"{self.source.name} / {what}"
