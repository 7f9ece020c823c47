"""The state of delivery to Jira: over time, what is pending and since when, what Jira refused; and the delivery log."""

from dataclasses import dataclass, replace

from flagpost.actions.access import Actor, Right
from flagpost.actions.context import Context
from flagpost.actions.jira.status import IntegrationState, read_state
from flagpost.actions.lookup import get_visible_flag, get_visible_project
from flagpost.errors import InvalidInput
from flagpost.store.db import Transaction
from flagpost.store.jira import delivery_log, outbox, reconciliations
from flagpost.store.jira.delivery_log import HOUR_MS, OUTCOMES, Hour, LogEntry, LogFilter
from flagpost.store.jira.outbox import OutboxEntry
from flagpost.store.jira.reconciliations import Finding

MOST_SHOWN = 50
MOST_ENTRIES = 200
PERIODS = {"day": 24, "week": 7 * 24, "month": 30 * 24}
"""How many hours the chart can cover."""
_LONGEST_CURSOR = 18  # digits: more than any time or number of an entry has

_ADVICE = (
    (
        "knows none of its issues",
        "Were the issues deleted, or is it the app that may not see them? Connect the flag with others, or disconnect.",
    ),
    (
        "does not let OAuth credentials delete",
        "Nothing is wrong with the flag. The app may delete: connect the site through it, or delete the issue.",
    ),
    ("would not delete it", "Send it again. If Jira refuses again, ask Atlassian's support, with the trace id."),
)
_OTHERWISE = (
    "Change what Jira names: the flag is sent again as soon as it is saved. Or send it again as it is. If it makes no "
    "sense, Atlassian's support can look the trace id up."
)


@dataclass(frozen=True, slots=True)
class RefusedFlag:
    """A flag that Jira refused, in Jira's words (`entry.refusal`), and what can be done about it."""

    entry: OutboxEntry
    to_do: str


@dataclass(frozen=True, slots=True)
class Health:
    """The state of delivery. `hours`: sums of the hours in which something was sent, since `since` (ms).

    `pending`: the next entries to send, up to fifty of `state.pending`; `pending_since`: since when the oldest waits,
    None where none is pending. `refused`: up to fifty.
    """

    state: IntegrationState
    since: int
    now: int
    hours: list[Hour]
    pending: list[OutboxEntry]
    pending_since: int | None
    refused: list[RefusedFlag]


@dataclass(frozen=True, slots=True)
class LogPage:
    """A page of the log, the newest first. `next`: the cursor of the page after it; None on the last."""

    entries: list[LogEntry]
    next: str | None


def delivery_health(ctx: Context, actor: Actor, period: str = "day") -> Health:
    """How delivery to the account's Jira site fares, over the last day, week or month."""
    actor.require(Right.MANAGE_INTEGRATIONS)
    if period not in PERIODS:
        raise InvalidInput(f"Choose one of {', '.join(PERIODS)}.", "period")
    with ctx.db.read() as tx:
        return read_health(tx, actor.account_id, period, ctx.clock())


def read_health(tx: Transaction, account_id: str, period: str, now: int) -> Health:
    """Within a transaction: how delivery fares, over one of PERIODS that ends now."""
    since = (now // HOUR_MS + 1 - PERIODS[period]) * HOUR_MS
    refused = outbox.refused(tx, account_id, MOST_SHOWN)
    return Health(
        state=read_state(tx, account_id, now),
        since=since,
        now=now,
        hours=delivery_log.hours(tx, account_id, since),
        pending=outbox.pending(tx, account_id, MOST_SHOWN),
        pending_since=outbox.pending_since(tx, account_id),
        refused=[RefusedFlag(entry, what_to_do(entry.refusal or "")) for entry in refused],
    )


def what_to_do(refusal: str) -> str:
    """What a user can do about a refusal in these words of Jira's."""
    return next((advice for part, advice in _ADVICE if part in refusal), _OTHERWISE)


def list_log(
    ctx: Context, actor: Actor, wanted: LogFilter | None = None, *, after: str | None = None, limit: int = 50
) -> LogPage:
    """The delivery log of all flags. `after`: the cursor of the page before."""
    actor.require(Right.MANAGE_INTEGRATIONS)
    with ctx.db.read() as tx:
        return read_log(tx, actor.account_id, wanted or LogFilter(), after, limit)


def flag_log(
    ctx: Context,
    actor: Actor,
    project: str,
    flag: str,
    wanted: LogFilter | None = None,
    *,
    after: str | None = None,
    limit: int = 50,
) -> LogPage:
    """The delivery log of one flag."""
    actor.require(Right.VIEW_FLAGS)
    given = wanted or LogFilter()
    with ctx.db.read() as tx:
        one = get_visible_flag(tx, get_visible_project(tx, actor, project), flag)
        return read_log(tx, actor.account_id, replace(given, flag=one.id), after, limit)


def flag_findings(ctx: Context, actor: Actor, project: str, flag: str) -> list[Finding]:
    """The differences that comparisons of the flag with Jira found, the newest first."""
    actor.require(Right.VIEW_FLAGS)
    with ctx.db.read() as tx:
        return reconciliations.findings_of_flag(
            tx, get_visible_flag(tx, get_visible_project(tx, actor, project), flag).id, 5
        )


def read_log(tx: Transaction, account_id: str, wanted: LogFilter, after: str | None, limit: int) -> LogPage:
    """Within a transaction: a page of the log. InvalidInput for an unknown outcome, or a cursor that is none."""
    if wanted.outcome is not None and wanted.outcome not in OUTCOMES:
        raise InvalidInput(f"Choose one of {', '.join(OUTCOMES)}.", "outcome")
    limit = min(max(limit, 1), MOST_ENTRIES)
    found = delivery_log.page(tx, account_id, wanted, _cursor(after) if after else None, limit + 1)
    return LogPage(found[:limit], found[limit - 1].cursor if len(found) > limit else None)


def _cursor(text: str) -> tuple[int, int]:
    at, _, number = text.partition("-")
    if not all(part.isascii() and part.isdigit() and len(part) <= _LONGEST_CURSOR for part in (at, number)):
        raise InvalidInput("This is no `next` of a page before.", "after")
    return int(at), int(number)
