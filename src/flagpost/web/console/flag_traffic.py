"""The tab Traffic of a flag's page: a chart of the treatments that were served, and impressions as they come."""

from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import Response

from flagpost.actions.accounts.sessions import SignedIn
from flagpost.actions.context import Context
from flagpost.actions.flags import impressions
from flagpost.errors import InvalidInput
from flagpost.store.flags.impressions import DAY_MS, RecentImpression
from flagpost.web.console.flag import OneFlag, load, show_tab
from flagpost.web.console.traffic_chart import Chart
from flagpost.web.guard import Person
from flagpost.web.state import Ctx
from flagpost.web.templating import page

router = APIRouter()
_ONE = "/projects/{project}/flags/{flag}/traffic"


@dataclass(frozen=True, slots=True)
class Span:
    """How much time a chart shows, and in which steps."""

    label: str
    days: int
    by: str


SPANS = {
    "day": Span("24 hours", 1, "hour"),
    "week": Span("7 days", 7, "hour"),
    "month": Span("30 days", 30, "day"),
    "quarter": Span("90 days", 90, "day"),
}


@router.get(_ONE)
def traffic_tab(
    request: Request,
    ctx: Ctx,
    who: Person,
    project: str,
    flag: str,
    environment: str | None = None,
    span: str = "day",
    live: str = "",
) -> Response:
    """What was served in one environment; with `live`, its newest impressions too."""
    one = load(ctx, who, project, flag, environment)
    chosen = span if span in SPANS else "day"
    return show_tab(
        request,
        ctx,
        who,
        one,
        "traffic",
        chart=_chart(ctx, who, one, SPANS[chosen]),
        span=chosen,
        spans=SPANS,
        live=live == "yes",
        tail=_tail(ctx, who, one) if live == "yes" and one.environment else [],
    )


@router.get(_ONE + "/tail")
def tail(request: Request, ctx: Ctx, who: Person, project: str, flag: str, environment: str) -> Response:
    """The newest impressions alone, for a page that asks again and again."""
    one = load(ctx, who, project, flag, environment)
    return page(request, "flag_tail.html", tail=_tail(ctx, who, one))


def _chart(ctx: Context, who: SignedIn, one: OneFlag, span: Span) -> Chart | None:
    if one.environment is None:
        return None
    place = (one.project.id, one.flag.id, one.environment.id)
    start = ctx.clock() - span.days * DAY_MS
    found = impressions.get_traffic(ctx, who.actor, *place, impressions.Period(span.by, start))
    return Chart(found.start, found.end, found.step, found.columns)


def _tail(ctx: Context, who: SignedIn, one: OneFlag) -> list[RecentImpression]:
    if one.environment is None:
        raise InvalidInput("This project has no environment.")
    return impressions.live_tail(ctx, who.actor, one.project.id, one.flag.id, one.environment.id)
