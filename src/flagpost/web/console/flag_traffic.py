"""The tab *Traffic* of a flag's page: a chart of the treatments that were served, and the live tail of impressions."""

from dataclasses import dataclass

from fastapi import APIRouter
from fastapi.responses import Response

from flagpost.actions.flags import impressions, pages
from flagpost.actions.flags.impressions import Period
from flagpost.store.flags.impressions import DAY_MS, RecentImpression
from flagpost.web.console.flag import FLAG, FlagAt, render_tab
from flagpost.web.console.page import Console
from flagpost.web.console.traffic_chart import Chart
from flagpost.web.templating import page as page_of

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Span:
    """How much time a chart shows, and in which steps: an `hour` or a `day`."""

    label: str
    days: int
    step: str


SPANS = {
    "day": Span("24 hours", 1, "hour"),
    "week": Span("7 days", 7, "hour"),
    "month": Span("30 days", 30, "day"),
    "quarter": Span("90 days", 90, "day"),
}


@router.get(FLAG + "/traffic")
def traffic_tab(console: Console, at: FlagAt, span: str = "day", live: str = "") -> Response:
    """What was served in one environment; with `live`, its newest impressions too."""
    span = span if span in SPANS else "day"
    now = console.ctx.clock()
    period = Period(SPANS[span].step, now - SPANS[span].days * DAY_MS)
    page = pages.load_traffic(console.ctx, console.actor, at, period)
    place, traffic = page.one.environment, page.traffic
    return render_tab(
        console,
        "traffic",
        page,
        chart=Chart(traffic.start, traffic.end, traffic.step, traffic.columns) if traffic else None,
        span=span,
        spans=SPANS,
        live=live == "yes",
        tail=_tail(console, at, place.id) if place and live == "yes" else [],
    )


@router.get(FLAG + "/traffic/tail")
def tail(console: Console, at: FlagAt, environment: str) -> Response:
    """The newest impressions alone, for a page that asks every few seconds."""
    return page_of(console.request, "flag_tail.html", tail=_tail(console, at, environment))


def _tail(console: Console, at: FlagAt, environment: str) -> list[RecentImpression]:
    return impressions.live_tail(console.ctx, console.actor, at.project, at.flag, environment)
