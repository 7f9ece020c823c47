"""The log of deliveries: what was sent to Jira for each flag, and what Jira answered; and its sums by the hour.

Both are written in the transaction that records Jira's answers, a hundred rows in one statement. Rows are kept for a
set time and up to a set number, sums for longer: see `flagpost.jira.retention`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import sqlalchemy as sa

from flagpost.flags.rollout import describe
from flagpost.jira.payload import JiraFlagState
from flagpost.store.db import Condition, Transaction, insert_or
from flagpost.store.jira.delivery_results import DeliveryResult
from flagpost.store.jira.outbox import OutboxEntry
from flagpost.store.schema.jira import delivery_hours, delivery_log, outbox_entries

HOUR_MS = 3_600_000
SENT, DELETED, TOMBSTONE, NOTHING = "sent", "deleted", "tombstone", "nothing"
ACCEPTED, REFUSED = "accepted", "refused"
OUTCOMES = (ACCEPTED, REFUSED)
_LONGEST_MESSAGE = 2000
_INSERT = sa.insert(delivery_log)


@dataclass(frozen=True, slots=True)
class Delivered:
    """One outbox entry with what became of it. `action`: sent, deleted or tombstone; `state`: what was sent.

    `action` is `nothing` where Jira held nothing of the flag, so that no request was needed; that is not logged.
    """

    entry: OutboxEntry
    result: DeliveryResult
    action: str
    state: JiraFlagState | None = None


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One row of the log. `action`: sent, deleted, or tombstone (shown as off, because Jira refused to delete it).

    `outcome`: accepted, or refused with Jira's own `message`. `version`: Atlassian's updateSequenceId. `rollout`: as a
    sentence. `issues`: how many it was sent with. `delay_ms`: from the change to Jira's answer.
    """

    id: int
    flag_id: str
    project_id: str
    flag_name: str
    at: int
    version: int
    action: str
    outcome: str
    enabled: bool | None
    default_value: str | None
    rollout: str | None
    issues: int
    message: str
    trace_id: str | None
    delay_ms: int

    @property
    def cursor(self) -> str:
        """Where the page after this entry begins."""
        return f"{self.at}-{self.id}"


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which entries: of a flag (its name or id), with one outcome, from one time until before another (ms)."""

    flag: str | None = None
    outcome: str | None = None
    since: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Hour:
    """The sums of the hour that began at `hour`. Times are milliseconds."""

    hour: int
    accepted: int
    refused: int
    total_delay_ms: int
    longest_delay_ms: int

    @property
    def deliveries(self) -> int:
        """How many deliveries of a flag Jira answered."""
        return self.accepted + self.refused

    @property
    def average_delay_ms(self) -> int:
        """The average time from a change to Jira's answer."""
        return self.total_delay_ms // self.deliveries if self.deliveries else 0


# Writing ----------------------------------------------------------------------------------------------------------


def write(tx: Transaction, account_id: str, delivered: Sequence[Delivered], now: int) -> None:
    """Log these deliveries, and add them to the hour's sums."""
    logged = [one for one in delivered if one.action != NOTHING]
    if logged:
        tx.execute(_INSERT, [_row(account_id, one, now) for one in logged])
        _add_to_hour(tx, account_id, logged, now)


def _add_to_hour(tx: Transaction, account_id: str, logged: Sequence[Delivered], now: int) -> None:
    delays = [_delay(one, now) for one in logged]
    refused = sum(one.result.refusal is not None for one in logged)
    sums = {"accepted": len(logged) - refused, "refused": refused, "total_delay_ms": sum(delays)}
    longest, hour = max(delays), now // HOUR_MS * HOUR_MS
    new = insert_or(tx, delivery_hours).values(account_id=account_id, hour=hour, longest_delay_ms=longest, **sums)
    stored = delivery_hours.c.longest_delay_ms
    added = {name: delivery_hours.c[name] + number for name, number in sums.items()}
    added["longest_delay_ms"] = sa.case((stored < longest, longest), else_=stored)
    key = [delivery_hours.c.account_id, delivery_hours.c.hour]
    tx.execute(new.on_conflict_do_update(index_elements=key, set_=added))


def _delay(one: Delivered, now: int) -> int:
    return max(0, now - one.entry.pending_since)


def _row(account_id: str, one: Delivered, now: int) -> dict[str, Any]:
    refusal = one.result.refusal
    return {
        "account_id": account_id,
        "flag_id": one.entry.flag_id,
        "project_id": one.entry.project_id,
        "flag_name": one.entry.flag_name,
        "at": now,
        "version": one.result.version,
        "action": one.action,
        "outcome": ACCEPTED if refusal is None else REFUSED,
        **_shown(one),
        "message": (refusal or "")[:_LONGEST_MESSAGE],
        "trace_id": one.result.trace_id,
        "delay_ms": _delay(one, now),
    }


def _shown(one: Delivered) -> dict[str, Any]:
    """What the delivery had Jira show."""
    if one.action == TOMBSTONE:
        rollout, issues = "Disconnected in Flagpost", len(one.entry.sent_issues or ())
        return {"enabled": False, "default_value": None, "rollout": rollout, "issues": issues}
    if one.state is None:
        return {"enabled": None, "default_value": None, "rollout": None, "issues": 0}
    shown = one.state.state
    rollout = describe(shown)[:255]
    return {
        "enabled": shown.enabled,
        "default_value": shown.default_value,
        "rollout": rollout,
        "issues": len(one.state.issues),
    }


# Reading ----------------------------------------------------------------------------------------------------------


_ENTRY = sa.select(*(delivery_log.c[field.name] for field in fields(LogEntry)))
_IS_REFUSED = delivery_log.c.outcome == sa.literal_column("'refused'")  # as its index has it: refusals are few
_NEWEST_FIRST = (delivery_log.c.at.desc(), delivery_log.c.id.desc())


def page(
    tx: Transaction, account_id: str, only: LogFilter, after: tuple[int, int] | None, limit: int
) -> list[LogEntry]:
    """Up to `limit` entries, the newest first; `after`: the time and id of the last entry of the page before."""
    query = _ENTRY.where(*_conditions(tx, account_id, only))
    if after is not None:
        query = query.where(sa.tuple_(delivery_log.c.at, delivery_log.c.id) < sa.tuple_(*after))
    return [LogEntry(*row) for row in tx.execute(query.order_by(*_NEWEST_FIRST).limit(limit))]


def _conditions(tx: Transaction, account_id: str, only: LogFilter) -> Iterable[Condition]:
    if only.flag is not None:
        yield delivery_log.c.flag_id.in_(_ids(tx, account_id, only.flag))
    else:
        yield delivery_log.c.account_id == account_id
    if only.outcome == REFUSED:
        yield _IS_REFUSED
    elif only.outcome is not None:
        yield delivery_log.c.outcome == only.outcome
    if only.since is not None:
        yield delivery_log.c.at >= only.since
    if only.until is not None:
        yield delivery_log.c.at < only.until


def _ids(tx: Transaction, account_id: str, flag: str) -> list[str]:
    """The ids of the flags with this name or id, deleted ones too: outbox entries outlive their flags."""
    named, given = outbox_entries.c.flag_name == flag, outbox_entries.c.flag_id == flag
    each = [
        sa.select(outbox_entries.c.flag_id).where(one, outbox_entries.c.account_id == account_id)
        for one in (named, given)
    ]
    return list(tx.scalars(sa.union(*each)))


def hours(tx: Transaction, account_id: str, since: int) -> list[Hour]:
    """The sums of every hour since then with a delivery, the oldest first."""
    query = sa.select(*(delivery_hours.c[field.name] for field in fields(Hour)))
    query = query.where(delivery_hours.c.account_id == account_id, delivery_hours.c.hour >= since)
    return [Hour(*row) for row in tx.execute(query.order_by(delivery_hours.c.hour))]


# Retention --------------------------------------------------------------------------------------------------------


def delete_older(tx: Transaction, account_id: str, before: int, most: int) -> int:
    """Remove up to `most` entries from before then, the oldest first; how many were removed."""
    old = sa.select(delivery_log.c.id).where(delivery_log.c.account_id == account_id, delivery_log.c.at < before)
    old = old.order_by(delivery_log.c.at, delivery_log.c.id).limit(most)
    return tx.execute(sa.delete(delivery_log).where(delivery_log.c.id.in_(old))).rowcount


def time_of_nth(tx: Transaction, account_id: str, number: int) -> int | None:
    """When the entry after the newest `number` ones was written; None where there is none."""
    query = sa.select(delivery_log.c.at).where(delivery_log.c.account_id == account_id)
    return tx.scalar(query.order_by(*_NEWEST_FIRST).offset(number).limit(1))


def delete_hours(tx: Transaction, account_id: str, before: int) -> None:
    """Remove the sums from before then."""
    tx.execute(
        sa.delete(delivery_hours).where(delivery_hours.c.account_id == account_id, delivery_hours.c.hour < before)
    )
