"""`flagpost send-again` and `flagpost drift-check`: ask for it, and follow on the terminal how far it is.

The work is done by whatever process delivers. This one looks at the rows that say how far it is, so it can be stopped
and nothing stops with it.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from flagpost.actions.access import Actor
from flagpost.actions.context import Context
from flagpost.actions.jira import reconciliation, resync
from flagpost.actions.jira.reconciliation import CheckReport
from flagpost.actions.jira.status import get_integration
from flagpost.app import operator_context
from flagpost.errors import Conflict
from flagpost.formatting import counted
from flagpost.settings import Settings
from flagpost.store.jira import reconciliations
from flagpost.store.jira import resyncs as rows

_LOOK_SECONDS = 0.5
_PATIENCE_SECONDS = 15.0
_HELD_UP = "Nothing moves. Does `flagpost serve` or `flagpost worker` run on this database?"


@dataclass(frozen=True, slots=True)
class _Stand:
    """How far something is, in flags; `more` is shown beside the bar. `over`: it is."""

    done: int
    total: int
    more: str
    over: bool


def send_again(settings: Settings, project: str | None, flag: str | None, *, wait: bool) -> None:
    """Send everything, a project or a flag again, with a bar until Jira has heard of all of it."""
    with operator_context(settings) as (ctx, operator):
        asked = resync.send_again(ctx, operator, project, flag).backfill
        if not wait:
            print("It is sent as soon as Jira takes it.")
            return
        if _follow(ctx, operator, "Sending", lambda: _stand(resync.get_resync(ctx, operator, asked.id))):
            ended = resync.get_resync(ctx, operator, asked.id).backfill
            refused = get_integration(ctx, operator).refused_count
            print(_ended(ended) + (f" Jira refuses {counted(refused, 'flag')} now." if refused else ""))


def cancel(settings: Settings) -> None:
    """End every back-fill that is under way. Conflict where there is none."""
    with operator_context(settings) as (ctx, operator):
        running = [one.backfill for one in resync.list_resyncs(ctx, operator) if one.under_way]
        if not running:
            raise Conflict("Nothing is being sent again.")
        for one in running:
            resync.cancel(ctx, operator, one.id)
            print(f"Cancelled: {one.name}. Changes that Jira has yet to hear of are sent all the same.")


def check_drift(settings: Settings, project: str | None, flag: str | None, *, wait: bool) -> bool:
    """Have Jira read back, with a bar, and print what differs; whether all was as it should be, as far as is known."""
    with operator_context(settings) as (ctx, operator):
        asked = reconciliation.ask_for_check(ctx, operator, project, flag).check
        if not wait:
            print("The check begins within seconds.")
            return True
        if not _follow(
            ctx, operator, "Reading back", lambda: _check_stand(reconciliation.get_check(ctx, operator, asked.id))
        ):
            return True
        report = reconciliation.get_check(ctx, operator, asked.id)
    for one in report.findings:
        print(f"{one.flag_name}: {one.words} {'It is sent again.' if one.repaired else ''}".rstrip())
    print(_checked(report))
    return report.check.differed == 0 and report.check.outcome in (reconciliations.DONE, reconciliations.BUDGET)


def _follow(ctx: Context, operator: Actor, what: str, look: Callable[[], _Stand]) -> bool:
    """Show a bar until it is over; False where somebody stopped looking."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[more]}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None, more="")
        try:
            _until_over(ctx, operator, bar, task, look)
        except KeyboardInterrupt:
            print("It goes on without this command.")
            return False
    return True


def _until_over(ctx: Context, operator: Actor, bar: Progress, task: TaskID, look: Callable[[], _Stand]) -> None:
    seen, moved_at = -1, time.monotonic()
    while not (now := look()).over:
        if now.done != seen:
            seen, moved_at = now.done, time.monotonic()
        stuck = time.monotonic() - moved_at > _PATIENCE_SECONDS
        more = (get_integration(ctx, operator).reason or _HELD_UP) if stuck else now.more
        bar.update(task, completed=now.done, total=now.total or None, more=more)
        time.sleep(_LOOK_SECONDS)


def _stand(progress: rows.Progress) -> _Stand:
    left = progress.seconds_left
    more = f"{progress.rate:.0f} a second" + (f", {counted(left, 'second')} left" if left is not None else "")
    return _Stand(progress.done, progress.backfill.total, more, not progress.under_way)


def _ended(one: rows.Backfill) -> str:
    if one.outcome == rows.CANCELLED:
        return f"Cancelled by {one.ended_by}."
    if one.outcome == rows.REPLACED:
        return "A newer one took over what was left of it."
    return f"Jira has heard of {counted(one.total, 'flag')} again."


def _check_stand(report: CheckReport) -> _Stand:
    one = report.check
    more = f"{one.differed} differ" + (f". {one.words}" if one.words else "")
    return _Stand(one.read + one.waiting, one.total, more, one.outcome is not None)


def _checked(report: CheckReport) -> str:
    one = report.check
    parts = [f"{counted(one.read, 'flag')} read back, {one.differed} differed, {one.repaired} sent again."]
    parts += (
        [f"{counted(one.waiting, 'flag')} left out: a change is on its way, or Jira refused it."] if one.waiting else []
    )
    parts += [f"{counted(one.later, 'flag')} told moments ago, and read again in a minute."] if one.later else []
    return " ".join([*parts, one.words]).strip()
