"""The REST API's routes for deliveries: sending again, reading back, the log of what Jira was told, health."""

from typing import Annotated

from fastapi import APIRouter, Query

from flagpost.actions.jira import delivery_health, reconciliation, resync
from flagpost.store.jira.delivery_log import LogFilter
from flagpost.web.guard import KeyHolder
from flagpost.web.rest_api import delivery_schemas as shapes
from flagpost.web.state import Ctx

router = APIRouter()
_LATEST = 4_102_444_800_000  # the year 2100
Moment = Annotated[int | None, Query(ge=0, le=_LATEST)]
Limit = Annotated[int, Query(ge=1, le=delivery_health.MOST_ENTRIES)]
Cursor = Annotated[str | None, Query(max_length=40)]
Outcome = Annotated[str | None, Query(max_length=20)]


@router.post("/jira/backfills", status_code=202)
def send_again(ctx: Ctx, actor: KeyHolder, body: shapes.Covered) -> shapes.ShownBackfill:
    """Send every connected flag again, those of a project, or one."""
    return shapes.shown_backfill(resync.send_again(ctx, actor, body.project, body.flag))


@router.get("/jira/backfills")
def list_backfills(ctx: Ctx, actor: KeyHolder) -> shapes.Backfills:
    """What was sent again lately, and how far it is."""
    return shapes.Backfills(backfills=[shapes.shown_backfill(one) for one in resync.list_resyncs(ctx, actor)])


@router.get("/jira/backfills/{backfill}")
def show_backfill(ctx: Ctx, actor: KeyHolder, backfill: str) -> shapes.ShownBackfill:
    """How far one is."""
    return shapes.shown_backfill(resync.get_resync(ctx, actor, backfill))


@router.post("/jira/backfills/{backfill}/cancel")
def cancel_backfill(ctx: Ctx, actor: KeyHolder, backfill: str) -> shapes.ShownBackfill:
    """End one that is under way; changes are sent all the same."""
    return shapes.shown_backfill(resync.cancel(ctx, actor, backfill))


@router.post("/jira/drift-checks", status_code=202)
def ask_for_check(ctx: Ctx, actor: KeyHolder, body: shapes.FlagToCheck) -> shapes.ShownCheck:
    """Read every flag, or one, back from Jira, and mend what differs."""
    return shapes.shown_check(reconciliation.ask_for_check(ctx, actor, body.project, body.flag))


@router.get("/jira/drift-checks")
def list_checks(ctx: Ctx, actor: KeyHolder) -> shapes.Checks:
    """The last checks, and what they found."""
    return shapes.Checks(checks=[shapes.shown_check(one) for one in reconciliation.list_checks(ctx, actor)])


@router.get("/jira/drift-checks/{check}")
def show_check(ctx: Ctx, actor: KeyHolder, check: str) -> shapes.ShownCheck:
    """How far one check is, and what it found."""
    return shapes.shown_check(reconciliation.get_check(ctx, actor, check))


@router.get("/jira/pushes")
def list_pushes(
    ctx: Ctx,
    actor: KeyHolder,
    flag: Annotated[str | None, Query(max_length=255)] = None,
    outcome: Outcome = None,
    since: Moment = None,
    until: Moment = None,
    after: Cursor = None,
    limit: Limit = 50,
) -> shapes.Pushes:
    """What Jira was told of any flag, and answered."""
    wanted = LogFilter(flag, outcome, since, until)
    return shapes.shown_log(delivery_health.list_log(ctx, actor, wanted, after=after, limit=limit))


@router.get("/projects/{project}/flags/{flag}/pushes")
def list_pushes_of_flag(
    ctx: Ctx,
    actor: KeyHolder,
    project: str,
    flag: str,
    outcome: Outcome = None,
    since: Moment = None,
    until: Moment = None,
    after: Cursor = None,
    limit: Limit = 50,
) -> shapes.Pushes:
    """What Jira was told of one flag, and answered."""
    wanted = LogFilter(None, outcome, since, until)
    return shapes.shown_log(delivery_health.flag_log(ctx, actor, project, flag, wanted, after=after, limit=limit))


@router.get("/jira/health")
def show_health(ctx: Ctx, actor: KeyHolder, period: Annotated[str, Query(max_length=10)] = "day") -> shapes.ShownHealth:
    """How delivery fares over a day, week or month; what waits, and what Jira refused."""
    return shapes.shown_health(delivery_health.delivery_health(ctx, actor, period))
