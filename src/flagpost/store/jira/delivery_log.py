"""What Jira was told of a flag, each time, and what it answered; and the same as sums of an hour.

Both are written in the transaction that records the answers, a hundred rows in one statement. The rows are kept for a
set time and up to a set number, the sums for longer: see `flagpost.jira.retention`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import sqlalchemy as sa

from flagpost.flags.rollout import describe
from flagpost.jira.payload import JiraFlagState
from flagpost.store.db import Condition, Transaction, insert_or
from flagpost.store.jira.outbox import Answer, OutboxEntry
from flagpost.store.schema.jira import outbox_entries, push_hours, push_log

HOUR_MS = 3_600_000
SENT, DELETED, FAREWELL, NOTHING = "sent", "deleted", "farewell", "nothing"
ACCEPTED, REFUSED = "accepted", "refused"
OUTCOMES = (ACCEPTED, REFUSED)
_LONGEST_WORDS = 2000
_INSERT = sa.insert(push_log)


@dataclass(frozen=True, slots=True)
class Told:
    """One flag that Jira was told of, with its answer. `what`: sent, deleted or farewell; `flag`: what was sent.

    `what` is `nothing` where there was nothing to tell: that is not logged.
    """

    push: OutboxEntry
    answer: Answer
    what: str
    flag: JiraFlagState | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the log. `what`: sent, deleted, or farewell (shown as off, because Jira would not delete it).

    `outcome`: accepted or refused, then in Jira's own `words`. `sequence`: Atlassian's updateSequenceId. `rollout`: in
    words. `issues`: how many it was sent for. `waited_ms`: since the change that it told of.
    """

    id: int
    flag_id: str
    project_id: str
    flag_name: str
    at: int
    sequence: int
    what: str
    outcome: str
    enabled: bool | None
    default_value: str | None
    rollout: str | None
    issues: int
    words: str
    trace_id: str | None
    waited_ms: int

    @property
    def cursor(self) -> str:
        """Where a page that ends with this entry is continued."""
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
    """The sums of one hour, which began at `hour`. Times are milliseconds."""

    hour: int
    accepted: int
    refused: int
    waited_ms: int
    longest_ms: int

    @property
    def told(self) -> int:
        """How many times Jira was told of a flag."""
        return self.accepted + self.refused

    @property
    def usual_wait_ms(self) -> int:
        """The average time from a change to Jira's answer."""
        return self.waited_ms // self.told if self.told else 0


# Writing ----------------------------------------------------------------------------------------------------------


def write(tx: Transaction, account_id: str, told: Sequence[Told], now: int) -> None:
    """Log what Jira was told, and add it to the hour's sums."""
    told = [one for one in told if one.what != NOTHING]
    if not told:
        return
    tx.execute(_INSERT, [_row(account_id, one, now) for one in told])
    waits = [_waited(one, now) for one in told]
    refused = sum(one.answer.refused is not None for one in told)
    sums = {"accepted": len(told) - refused, "refused": refused, "waited_ms": sum(waits)}
    new = insert_or(tx, push_hours).values(
        account_id=account_id, hour=now // HOUR_MS * HOUR_MS, longest_ms=max(waits), **sums
    )
    longer = sa.case((push_hours.c.longest_ms < max(waits), max(waits)), else_=push_hours.c.longest_ms)
    added = {name: push_hours.c[name] + number for name, number in sums.items()} | {"longest_ms": longer}
    tx.execute(new.on_conflict_do_update(index_elements=[push_hours.c.account_id, push_hours.c.hour], set_=added))


def _waited(one: Told, now: int) -> int:
    return max(0, now - one.push.wanted_at)


def _row(account_id: str, one: Told, now: int) -> dict[str, Any]:
    state = one.flag.state if one.flag else None
    farewell = one.what == FAREWELL
    issues = one.flag.issues if one.flag else (one.push.told_issues or ()) if farewell else ()
    return {
        "account_id": account_id,
        "flag_id": one.push.flag_id,
        "project_id": one.push.project_id,
        "flag_name": one.push.flag_name,
        "at": now,
        "sequence": one.answer.version,
        "what": one.what,
        "outcome": ACCEPTED if one.answer.refused is None else REFUSED,
        "enabled": state.enabled if state else False if farewell else None,
        "default_value": state.default_value if state else None,
        "rollout": describe(state)[:255] if state else "Disconnected in Flagpost" if farewell else None,
        "issues": len(issues),
        "words": (one.answer.refused or "")[:_LONGEST_WORDS],
        "trace_id": one.answer.trace_id,
        "waited_ms": _waited(one, now),
    }


# Reading ----------------------------------------------------------------------------------------------------------


_ENTRY = sa.select(*(push_log.c[field.name] for field in fields(Entry)))
_IS_REFUSED = push_log.c.outcome == sa.literal_column("'refused'")  # as its index has it: refusals are few
_NEWEST_FIRST = (push_log.c.at.desc(), push_log.c.id.desc())


def page(tx: Transaction, account_id: str, wanted: LogFilter, after: tuple[int, int] | None, limit: int) -> list[Entry]:
    """Up to `limit` entries, the newest first; `after`: the time and id of the last one of the page before."""
    query = _ENTRY.where(*_conditions(tx, account_id, wanted))
    if after is not None:
        query = query.where(sa.tuple_(push_log.c.at, push_log.c.id) < sa.tuple_(*after))
    return [Entry(*row) for row in tx.execute(query.order_by(*_NEWEST_FIRST).limit(limit))]


def _conditions(tx: Transaction, account_id: str, wanted: LogFilter) -> Iterable[Condition]:
    if wanted.flag is not None:
        yield push_log.c.flag_id.in_(_ids(tx, account_id, wanted.flag))
    else:
        yield push_log.c.account_id == account_id
    if wanted.outcome == REFUSED:
        yield _IS_REFUSED
    elif wanted.outcome is not None:
        yield push_log.c.outcome == wanted.outcome
    if wanted.since is not None:
        yield push_log.c.at >= wanted.since
    if wanted.until is not None:
        yield push_log.c.at < wanted.until


def _ids(tx: Transaction, account_id: str, flag: str) -> list[str]:
    """The flags that this is the id or name of, also where they are gone: the outbox outlives them."""
    named, given = outbox_entries.c.flag_name == flag, outbox_entries.c.flag_id == flag
    each = [
        sa.select(outbox_entries.c.flag_id).where(one, outbox_entries.c.account_id == account_id)
        for one in (named, given)
    ]
    return list(tx.scalars(sa.union(*each)))


def hours(tx: Transaction, account_id: str, since: int) -> list[Hour]:
    """The sums of every hour since then in which Jira was told something, the oldest first."""
    query = sa.select(*(push_hours.c[field.name] for field in fields(Hour)))
    query = query.where(push_hours.c.account_id == account_id, push_hours.c.hour >= since)
    return [Hour(*row) for row in tx.execute(query.order_by(push_hours.c.hour))]


# Forgetting -------------------------------------------------------------------------------------------------------


def forget_older(tx: Transaction, account_id: str, before: int, most: int) -> int:
    """Remove up to `most` entries from before then, the oldest first; how many."""
    old = sa.select(push_log.c.id).where(push_log.c.account_id == account_id, push_log.c.at < before)
    old = old.order_by(push_log.c.at, push_log.c.id).limit(most)
    return tx.execute(sa.delete(push_log).where(push_log.c.id.in_(old))).rowcount


def time_of_nth(tx: Transaction, account_id: str, number: int) -> int | None:
    """When the newest but `number` entry was written; None where there are not that many."""
    query = sa.select(push_log.c.at).where(push_log.c.account_id == account_id)
    return tx.scalar(query.order_by(*_NEWEST_FIRST).offset(number).limit(1))


def forget_hours(tx: Transaction, account_id: str, before: int) -> None:
    """Remove the sums from before then."""
    tx.execute(sa.delete(push_hours).where(push_hours.c.account_id == account_id, push_hours.c.hour < before))
