"""Admin settings → Integrations → Health: how delivery to Jira fares, what was read back, and the log of pushes."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import Response

from flagpost.actions.access import Right
from flagpost.actions.accounts.sessions import SignedIn
from flagpost.actions.context import Context
from flagpost.actions.jira import delivery_health, reconciliation, resync
from flagpost.actions.jira.delivery_health import PERIODS
from flagpost.errors import FlagpostError, InvalidInput
from flagpost.store.jira.delivery_log import OUTCOMES, LogFilter
from flagpost.web.console.delivery_chart import HEIGHT, WIDTH, chart
from flagpost.web.console.page import Form, form_text, problems_of, redirect, render_page
from flagpost.web.guard import Person
from flagpost.web.state import Ctx

router = APIRouter(prefix="/admin/integrations")
_HOME = "/admin/integrations/health"
PAGE = 50


@router.get("/health")
def health_page(request: Request, ctx: Ctx, who: Person, period: str = "day") -> Response:
    """How delivery fares."""
    return _health(request, ctx, who, period if period in PERIODS else "day")


@router.post("/health")
def act(request: Request, ctx: Ctx, who: Person, form: Form) -> Response:
    """Read everything back, send a flag again, or send again and cancel, as the button says."""
    try:
        match form_text(form, "act"):
            case "check":
                reconciliation.ask_for_check(ctx, who.actor)
            case "resend":
                where = (form_text(form, "project") or None, form_text(form, "flag") or None)
                resync.send_again(ctx, who.actor, *where)
            case "cancel":
                resync.cancel(ctx, who.actor, form_text(form, "backfill"))
    except FlagpostError as error:
        return _health(request, ctx, who, "day", error)
    back = "/admin/integrations?tab=configured" if form_text(form, "back") == "configured" else _HOME
    return redirect(back)


def _health(request: Request, ctx: Context, who: SignedIn, period: str, error: FlagpostError | None = None) -> Response:
    health = delivery_health.delivery_health(ctx, who.actor, period)
    return render_page(
        request,
        ctx,
        who,
        "integration_health.html",
        nav="admin-integrations",
        tab="health",
        state=health.state,
        health=health,
        period=period,
        periods=list(PERIODS),
        chart=chart(health.hours, health.since, period, PERIODS[period]),
        size=(WIDTH, HEIGHT),
        checks=reconciliation.list_checks(ctx, who.actor),
        resent=resync.list_resyncs(ctx, who.actor),
        now=health.now,
        problems=problems_of(error) if error else [],
        status=error.status if error else 200,
    )


@router.get("/log")
def log_page(request: Request, ctx: Ctx, who: Person) -> Response:
    """What Jira was told, and answered: searched by flag, outcome and time."""
    who.actor.require(Right.MANAGE_INTEGRATIONS)
    asked = asked_of_log(request)
    found, error = None, None
    try:
        wanted = filter_of_log(asked)
        found = delivery_health.list_log(ctx, who.actor, wanted, after=asked.get("after"), limit=PAGE)
    except FlagpostError as problem:
        error = problem
    values = {**shown_log(asked, found), "problems": problems_of(error) if error else []}
    status = error.status if error else 200
    return render_page(request, ctx, who, "integration_log.html", nav="admin-integrations", status=status, **values)


def asked_of_log(request: Request) -> dict[str, str]:
    """What the log was asked for, empty fields aside."""
    known = ("flag", "outcome", "since", "until", "after")
    return {name: value.strip() for name in known if (value := request.query_params.get(name, "")).strip()}


def filter_of_log(asked: dict[str, str]) -> LogFilter:
    """The same for the log. InvalidInput where a time cannot be read."""
    times = {name: _moment(asked[name], name) for name in ("since", "until") if name in asked}
    return LogFilter(asked.get("flag"), asked.get("outcome"), **times)


def _moment(text: str, path: str) -> int:
    try:
        return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise InvalidInput("Enter a time as 2026-09-21T13:45 (UTC).", path) from None


def shown_log(asked: dict[str, str], page: delivery_health.LogPage | None) -> dict[str, Any]:
    """What the log's template takes."""
    kept = {name: value for name, value in asked.items() if name != "after"}
    older = "?" + urlencode({**kept, "after": page.next}) if page and page.next else ""
    newest = "?" + urlencode(kept) if "after" in asked else ""
    entries = page.entries if page else []
    return {"asked": asked, "entries": entries, "older": older, "newest": newest, "outcomes": OUTCOMES}
