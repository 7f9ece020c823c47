"""`flagpost resync` and `flagpost compare`: start one, and show its progress on the terminal.

A process that delivers (`serve` or `worker`) does the work. This one reads the rows that record the progress, so that
it can be stopped while the work continues.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from flagpost.actions.access import Actor
from flagpost.actions.context import Context
from flagpost.actions.jira import reconciliation, resync
from flagpost.actions.jira.reconciliation import ReconciliationReport
from flagpost.actions.jira.status import get_integration
from flagpost.app import operator_context
from flagpost.errors import Conflict
from flagpost.formatting import counted
from flagpost.settings import Settings
from flagpost.store.jira import reconciliations
from flagpost.store.jira import resyncs as rows

_POLL_SECONDS = 0.5
_STUCK_AFTER_SECONDS = 15.0
_STUCK = "No progress. Does `flagpost serve` or `flagpost worker` run on this database?"


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """The progress at one moment, in flags. `details` are shown beside the bar."""

    done: int
    total: int
    details: str
    finished: bool


def start_resync(settings: Settings, project: str | None, flag: str | None, *, wait: bool) -> None:
    """Send everything, a project or a flag again. With `wait`, show a bar until Jira has all of it."""
    with operator_context(settings) as (ctx, operator):
        started = resync.start_resync(ctx, operator, project, flag).resync
        if not wait:
            print("The flags are sent as soon as Jira accepts them.")
            return
        if _show_progress(ctx, operator, "Sending", lambda: _resync_snapshot(ctx, operator, started.id)):
            ended = resync.get_resync(ctx, operator, started.id).resync
            refused = get_integration(ctx, operator).refused_count
            print(_resync_result(ended) + (f" Jira refuses {counted(refused, 'flag')} now." if refused else ""))


def cancel_resyncs(settings: Settings) -> None:
    """Cancel every resync in progress. Conflict if there is none."""
    with operator_context(settings) as (ctx, operator):
        running = [one.resync for one in resync.list_resyncs(ctx, operator) if one.running]
        if not running:
            raise Conflict("No resync is in progress.")
        for one in running:
            resync.cancel(ctx, operator, one.id)
            print(f"Cancelled: {one.name}. Pending changes are sent all the same.")


def start_comparison(settings: Settings, project: str | None, flag: str | None, *, wait: bool) -> bool:
    """Compare the flags in Jira with those here. With `wait`, show a bar and print the differences.

    Gives False if a flag differed or if Jira did not let flags be read.
    """
    with operator_context(settings) as (ctx, operator):
        started = reconciliation.request_reconciliation(ctx, operator, project, flag).run
        if not wait:
            print("The comparison begins within seconds.")
            return True
        if not _show_progress(ctx, operator, "Comparing", lambda: _comparison_snapshot(ctx, operator, started.id)):
            return True
        report = reconciliation.get_reconciliation(ctx, operator, started.id)
    for one in report.findings:
        print(f"{one.flag_name}: {one.message} {'It is sent again.' if one.repaired else ''}".rstrip())
    print(_comparison_result(report))
    return report.run.differed == 0 and report.run.outcome in (reconciliations.DONE, reconciliations.BUDGET)


def _show_progress(ctx: Context, operator: Actor, what: str, look: Callable[[], _Snapshot]) -> bool:
    """Show a bar until the work has finished. False if the user stopped waiting (Ctrl-C)."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[details]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None, details="")
        try:
            _update_until_finished(ctx, operator, bar, task, look)
        except KeyboardInterrupt:
            print("The work continues without this command.")
            return False
    return True


def _update_until_finished(
    ctx: Context, operator: Actor, bar: Progress, task: TaskID, look: Callable[[], _Snapshot]
) -> None:
    done, moved_at = -1, time.monotonic()
    while not (now := look()).finished:
        if now.done != done:
            done, moved_at = now.done, time.monotonic()
        stuck = time.monotonic() - moved_at > _STUCK_AFTER_SECONDS
        details = (get_integration(ctx, operator).reason or _STUCK) if stuck else now.details
        bar.update(task, completed=now.done, total=now.total or None, details=details)
        time.sleep(_POLL_SECONDS)


def _resync_snapshot(ctx: Context, operator: Actor, id: str) -> _Snapshot:
    progress = resync.get_resync(ctx, operator, id)
    left = progress.seconds_left
    details = f"{progress.rate:.0f} a second" + (f", {counted(left, 'second')} left" if left is not None else "")
    return _Snapshot(progress.done, progress.resync.total, details, not progress.running)


def _resync_result(one: rows.Resync) -> str:
    if one.outcome == rows.CANCELLED:
        return f"Cancelled by {one.ended_by}."
    if one.outcome == rows.REPLACED:
        return "A newer resync took over the rest of this one."
    return f"Jira has received {counted(one.total, 'flag')} again."


def _comparison_snapshot(ctx: Context, operator: Actor, id: str) -> _Snapshot:
    one = reconciliation.get_reconciliation(ctx, operator, id).run
    details = f"{one.differed} differ" + (f". {one.message}" if one.message else "")
    return _Snapshot(one.read + one.skipped, one.total, details, one.outcome is not None)


def _comparison_result(report: ReconciliationReport) -> str:
    one = report.run
    parts = [f"{counted(one.read, 'flag')} compared, {one.differed} differed, {one.repaired} sent again."]
    if one.skipped:
        parts.append(f"{counted(one.skipped, 'flag')} left out: a change is pending, or Jira refused it.")
    if one.postponed:
        parts.append(f"{counted(one.postponed, 'flag')} sent moments ago, and compared again in a minute.")
    return " ".join([*parts, one.message]).strip()
