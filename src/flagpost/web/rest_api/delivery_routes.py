"""The REST API's routes for deliveries: resyncs, comparisons with Jira, the delivery log and the health."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from flagpost.actions.jira import delivery_health, reconciliation, resync
from flagpost.store.jira.delivery_log import LogFilter
from flagpost.web.guard import KeyHolder
from flagpost.web.rest_api import delivery_schemas as shapes
from flagpost.web.state import Ctx

router = APIRouter()
_LATEST = 4_102_444_800_000  # the year 2100
Moment = Annotated[int | None, Query(ge=0, le=_LATEST)]


@router.post("/jira/backfills", status_code=202)
def send_again(ctx: Ctx, actor: KeyHolder, body: shapes.Covered) -> shapes.ShownBackfill:
    """Resync every connected flag, the flags of a project, or one flag: they are sent again."""
    return shapes.shown_backfill(resync.start_resync(ctx, actor, body.project, body.flag))


@router.get("/jira/backfills")
def list_backfills(ctx: Ctx, actor: KeyHolder) -> shapes.Backfills:
    """The last resyncs, the newest first."""
    return shapes.Backfills(backfills=[shapes.shown_backfill(one) for one in resync.list_resyncs(ctx, actor)])


@router.get("/jira/backfills/{backfill}")
def show_backfill(ctx: Ctx, actor: KeyHolder, backfill: str) -> shapes.ShownBackfill:
    """The progress of a resync."""
    return shapes.shown_backfill(resync.get_resync(ctx, actor, backfill))


@router.post("/jira/backfills/{backfill}/cancel")
def cancel_backfill(ctx: Ctx, actor: KeyHolder, backfill: str) -> shapes.ShownBackfill:
    """Cancel a resync that runs. Pending changes are still sent."""
    return shapes.shown_backfill(resync.cancel(ctx, actor, backfill))


@router.post("/jira/drift-checks", status_code=202)
def ask_for_check(ctx: Ctx, actor: KeyHolder, body: shapes.FlagToCheck) -> shapes.ShownCheck:
    """Compare every flag, or one, with Jira, and repair what differs."""
    return shapes.shown_check(reconciliation.request_reconciliation(ctx, actor, body.project, body.flag))


@router.get("/jira/drift-checks")
def list_checks(ctx: Ctx, actor: KeyHolder) -> shapes.Checks:
    """The last comparisons, and what they found."""
    return shapes.Checks(checks=[shapes.shown_check(one) for one in reconciliation.list_reconciliations(ctx, actor)])


@router.get("/jira/drift-checks/{check}")
def show_check(ctx: Ctx, actor: KeyHolder, check: str) -> shapes.ShownCheck:
    """The progress of a comparison, and what it found."""
    return shapes.shown_check(reconciliation.get_reconciliation(ctx, actor, check))


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which entries of the delivery log to list: by outcome and time, a page of `limit` after the cursor `after`."""

    outcome: Annotated[str | None, Query(max_length=20)] = None
    since: Moment = None
    until: Moment = None
    after: Annotated[str | None, Query(max_length=40)] = None
    limit: Annotated[int, Query(ge=1, le=delivery_health.MOST_ENTRIES)] = 50


Wanted = Annotated[LogQuery, Depends()]


@router.get("/jira/pushes")
def list_pushes(
    ctx: Ctx, actor: KeyHolder, query: Wanted, flag: Annotated[str | None, Query(max_length=255)] = None
) -> shapes.Pushes:
    """The delivery log: what Jira was sent of any flag, and what it answered."""
    wanted = LogFilter(flag, query.outcome, query.since, query.until)
    return shapes.shown_log(delivery_health.list_log(ctx, actor, wanted, after=query.after, limit=query.limit))


@router.get("/projects/{project}/flags/{flag}/pushes")
def list_pushes_of_flag(ctx: Ctx, actor: KeyHolder, project: str, flag: str, query: Wanted) -> shapes.Pushes:
    """The delivery log of one flag."""
    wanted = LogFilter(None, query.outcome, query.since, query.until)
    page = delivery_health.flag_log(ctx, actor, project, flag, wanted, after=query.after, limit=query.limit)
    return shapes.shown_log(page)


@router.get("/jira/health")
def show_health(ctx: Ctx, actor: KeyHolder, period: Annotated[str, Query(max_length=10)] = "day") -> shapes.ShownHealth:
    """The health of delivery over a day, week or month; the pending flags, and those that Jira refused."""
    return shapes.shown_health(delivery_health.delivery_health(ctx, actor, period))
