"""Admin settings → Integrations → Health: the state of delivery, comparisons, resyncs and the delivery log."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import Response

from flagpost.actions.jira import pages, reconciliation, resync
from flagpost.actions.jira.delivery_health import PERIODS, LogPage
from flagpost.errors import FlagpostError, InvalidInput
from flagpost.store.jira.delivery_log import OUTCOMES, LogFilter
from flagpost.web.console.delivery_chart import HEIGHT, WIDTH, chart
from flagpost.web.console.page import Console, Form, form_text, redirect

router = APIRouter(prefix="/admin/integrations")
_HOME = "/admin/integrations/health"


@router.get("/health")
def health_page(console: Console, period: str = "day") -> Response:
    """The page *Health*."""
    return _health(console, period if period in PERIODS else "day")


@router.post("/health")
def act(console: Console, form: Form) -> Response:
    """Compare everything with Jira, resync a project or a flag, or cancel a resync, as the button says."""
    try:
        match form_text(form, "act"):
            case "compare":
                reconciliation.request_reconciliation(console.ctx, console.actor)
            case "resync":
                part = (form_text(form, "project") or None, form_text(form, "flag") or None)
                resync.start_resync(console.ctx, console.actor, *part)
            case "cancel":
                resync.cancel(console.ctx, console.actor, form_text(form, "resync"))
    except FlagpostError as error:
        return _health(console, "day", error)
    return redirect("/admin/integrations?tab=configured" if form_text(form, "back") == "configured" else _HOME)


def _health(console: Console, period: str, error: FlagpostError | None = None) -> Response:
    page = pages.load_health(console.ctx, console.actor, period)
    health = page.health
    return console.render(
        "integration_health.html",
        page,
        error=error,
        nav="admin-integrations",
        state=health.state,
        now=health.now,
        period=period,
        periods=list(PERIODS),
        chart=chart(health.hours, health.since, period, PERIODS[period]),
        size=(WIDTH, HEIGHT),
    )


# The delivery log -------------------------------------------------------------------------------------------------


@router.get("/log")
def log_page(console: Console) -> Response:
    """The delivery log: searched by flag, outcome and time."""
    query = log_query(console.request)
    page = pages.load_delivery_log(console.ctx, console.actor, query.wanted, query.after)
    values = log_values(query, page.log)
    error = query.error or page.error
    return console.render("delivery_log.html", page, error=error, nav="admin-integrations", **values)


@dataclass(frozen=True, slots=True)
class LogQuery:
    """What a page of the delivery log is asked for: the fields as they were typed, and the filter that they mean.

    Where a field cannot be read, `wanted` is None and `error` says why.
    """

    typed: dict[str, str]
    wanted: LogFilter | None
    error: InvalidInput | None

    @property
    def after(self) -> str | None:
        """The cursor of the page before."""
        return self.typed.get("after")


def log_query(request: Request, *, with_flag: bool = True) -> LogQuery:
    """The query of a request; `with_flag`: whether the log can be searched by flag."""
    known = (*(("flag",) if with_flag else ()), "outcome", "since", "until", "after")
    typed = {name: value.strip() for name in known if (value := request.query_params.get(name, "")).strip()}
    try:
        times = {name: _moment(typed[name], name) for name in ("since", "until") if name in typed}
        return LogQuery(typed, LogFilter(typed.get("flag"), typed.get("outcome"), **times), None)
    except InvalidInput as error:
        return LogQuery(typed, None, error)


def _moment(text: str, path: str) -> int:
    try:
        return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise InvalidInput("Enter a time as 2026-09-21T13:45 (UTC).", path) from None


def log_values(query: LogQuery, page: LogPage | None) -> dict[str, Any]:
    """What the templates of the delivery log take."""
    kept = {name: value for name, value in query.typed.items() if name != "after"}
    older = "?" + urlencode({**kept, "after": page.next}) if page and page.next else ""
    newest = "?" + urlencode(kept) if query.after else ""
    entries = page.entries if page else []
    return {"query": query.typed, "entries": entries, "older": older, "newest": newest, "outcomes": OUTCOMES}
