"""`flagpost migrate-from split`: copies a Split account (Harness FME), project by project, through its Admin API.

Nothing there is changed, but for the SDK keys that `keep_shares` makes and removes again. Nothing is lost when it is
stopped: what was read is kept (`answers`), and what was brought is there, as each thing is one transaction; the next
run reads on where this one was, and finds the rest unchanged. `actions.imports.split_account` says why it can run
again later.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress

from flagpost.actions.access import split_migration
from flagpost.app import operator_context
from flagpost.commands.split_migration.account import SplitAccount, Workspace
from flagpost.commands.split_migration.answers import Answers
from flagpost.commands.split_migration.api import BASE_URL, REQUESTS_A_SECOND, SDK_URL, SplitApi
from flagpost.commands.split_migration.flags import bring_flags
from flagpost.commands.split_migration.move import Move
from flagpost.commands.split_migration.people import WhoIsWho
from flagpost.commands.split_migration.places import (
    bring_approvals,
    bring_environments,
    bring_flag_sets,
    bring_traffic_types,
    bring_view,
    find_or_make_project,
)
from flagpost.commands.split_migration.report import Report
from flagpost.commands.split_migration.targeting import bring_segments
from flagpost.errors import InvalidInput, SetupError
from flagpost.settings import Settings

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to move, and from where. `sdk_url` is needed for `keep_shares` where `base_url` is not Split's own."""

    api_key: str
    base_url: str = BASE_URL
    workspaces: Sequence[str] = ()
    create_people: bool = False
    keep_shares: bool = False
    sdk_url: str | None = None
    requests_a_second: float = REQUESTS_A_SECOND
    answers: Path = Path("flagpost-from-split.answers")
    afresh: bool = False


def run(settings: Settings, wanted: Wanted) -> int:
    """Move, with a bar on the terminal and the report on standard output; how many things were refused."""
    sdk_url = _sdk_url(wanted)
    if not wanted.requests_a_second > 0:
        raise InvalidInput("At least some requests have to be sent in a second.", "--requests-a-second")
    report, out = Report(), Console(soft_wrap=True, highlight=False)
    try:
        with _bar() as bar, _kept_answers(wanted, out) as answers:
            _run(settings, wanted, bar, answers, report, sdk_url)
    finally:
        if report.has_something:
            report.show(out)
    return report.refused


def _run(
    settings: Settings, wanted: Wanted, bar: Progress, answers: Answers, report: Report, sdk_url: str | None
) -> None:
    def waiting(seconds: float, why: str) -> None:
        bar.console.print(f"{why}. Asking again in {seconds:.0f} s.", style="yellow", markup=False)

    api = SplitApi(wanted.base_url, wanted.api_key, answers, wanted.requests_a_second, waiting)
    with closing(api), operator_context(settings) as (ctx, operator):
        account = SplitAccount(api, report.look_at)
        move_all(Move(ctx, split_migration(operator.account_id), account, report, _Steps(bar), sdk_url), wanted)


def move_all(move: Move, wanted: Wanted) -> None:
    """Move these projects, or all that the key can see. InvalidInput where it sees no such one."""
    chosen = _chosen(move.account.workspaces(), wanted.workspaces)
    users = move.unless_refused("users", move.account.people)
    groups = move.unless_refused("groups", move.account.groups)
    who = WhoIsWho(move, users, groups, create=wanted.create_people)
    for there in chosen:
        if project := find_or_make_project(move, who, there):
            bring_view(project)
            bring_environments(project)
            bring_traffic_types(project)
            bring_flag_sets(project)
            bring_segments(project)
            bring_flags(project)
            bring_approvals(project)


def _chosen(there: Sequence[Workspace], names: Sequence[str]) -> list[Workspace]:
    seen = {name for one in there for name in (one.id, one.name)}
    if unknown := [name for name in names if name not in seen]:
        shown = ", ".join(one.name for one in there) or "none"
        raise InvalidInput(f"The key sees no project {', '.join(unknown)}. It sees: {shown}.", "--workspace")
    chosen = [one for one in there if not names or one.id in names or one.name in names]
    if alike := [one for one in chosen if sum(other.name == one.name for other in chosen) > 1]:
        which = ", ".join(f"{one.name} ({one.organizationIdentifier or 'no organisation'}): {one.id}" for one in alike)
        raise InvalidInput(
            f"Some projects have the same name, and would become one here: {which}. Rename all but one there, or move "
            "one of them, by its id.",
            "--workspace",
        )
    return chosen


def _sdk_url(wanted: Wanted) -> str | None:
    if not wanted.keep_shares:
        return None
    if wanted.sdk_url is None and wanted.base_url.rstrip("/") != BASE_URL:
        raise SetupError("--keep-shares needs --sdk-url: the address that applications there get their flags from.")
    return wanted.sdk_url or SDK_URL


@contextmanager
def _kept_answers(wanted: Wanted, out: Console) -> Iterator[Answers]:
    """They go when the move is through, and stay when it is not."""
    account, through = f"{wanted.base_url}\n{wanted.api_key}", False
    answers = Answers(wanted.answers, account, afresh=wanted.afresh)
    if answers.count:
        out.print(f"Going on with {answers.count:,} answers of the run before, in {wanted.answers}.", markup=False)
    try:
        yield answers
        through = True
    finally:
        answers.close(forget=through)


def _bar() -> Progress:
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)


class _Steps:
    """How far a list is, as a bar that goes when it is through."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar

    def __call__(self, items: Iterable[_Item], what: str) -> Iterator[_Item]:
        listed = list(items)
        task = self._bar.add_task(what, total=len(listed))
        for one in listed:
            yield one
            self._bar.advance(task)
        self._bar.remove_task(task)
