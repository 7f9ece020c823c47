"""Resyncs: sending flags to Jira again, of a whole site, of a project, or one flag.

The outbox stays the only source of what is sent. A resync raises the version of every entry it covers, as a change
does, and delivery does the rest. In addition each of these entries names its resync until the version that it asked for
is delivered. So the progress of a resync is a count, and it goes on after a crash, because no process holds any of it.

**Cancelling.** *Problem*: taking a version back would lose a change that came meanwhile, and would use a version twice.
*Solution*: only those entries are cancelled that are pending for the resync alone. They were not pending when it began,
Jira held them (`resync_only`), and nothing has raised them since (`latest_version` is still the version that the resync
asked for). Their latest version is noted as delivered, and no version goes back. Every other entry is sent as if there
had been no resync. Where a request is on its way meanwhile, it arrives, and its answer is recorded as always.
"""

from dataclasses import dataclass, fields
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from flagpost.store.db import Condition, Transaction
from flagpost.store.jira import outbox, outbox_requests
from flagpost.store.schema.jira import delivery_log, outbox_entries, resyncs
from flagpost.telemetry.logging import new_id, request_id

SITE, PROJECT, FLAG = "site", "project", "flag"
FINISHED, CANCELLED, REPLACED = "finished", "cancelled", "replaced"
_RATE_WINDOW_MS = 60_000
KEPT = 100
"""How many resyncs of an account are kept."""


@dataclass(frozen=True, slots=True)
class Resync:
    """One resync. `name`: of the project or flag it covers, or of the site. `total`: how many flags it covered.

    `request_id`: the request that asked for it, as the log has it. `started_at` is None until delivery begins it.
    `outcome` is None while it runs; `finished`; `cancelled`, with what was left of it; `replaced`, a newer one took
    over all that was left.
    """

    id: str
    account_id: str
    scope: str
    project_id: str | None
    flag_id: str | None
    name: str
    requested_at: int
    requested_by: str
    request_id: str
    total: int
    started_at: int | None
    outcome: str | None
    ended_at: int | None
    ended_by: str | None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a resync is. `rate`: deliveries a second within the last minute, whatever they were made for."""

    resync: Resync
    left: int
    rate: float

    @property
    def done(self) -> int:
        """How many of its flags Jira has answered for."""
        return self.resync.total - self.left

    @property
    def running(self) -> bool:
        """Whether it is not over yet."""
        return self.resync.outcome is None

    @property
    def seconds_left(self) -> int | None:
        """How long the rest takes at this rate; None where the rate is 0, or the resync is over."""
        return round(self.left / self.rate) if self.running and self.rate > 0 else None


_RESYNC = sa.select(*(resyncs.c[field.name] for field in fields(Resync)))
_OPEN = resyncs.c.outcome.is_(None)
_STARTED = resyncs.c.started_at.is_not(None)
_HAS_ENTRIES = sa.exists().where(outbox_entries.c.resync_id == resyncs.c.id)
_PENDING_FOR_RESYNC_ONLY = outbox_entries.c.resync_only & (
    outbox_entries.c.latest_version == outbox_entries.c.resync_version
)
_NO_LONGER_NAMED = {"resync_id": None, "resync_only": False}


def insert(tx: Transaction, account_id: str, name: str, now: int, by: str, scope: str = SITE, **of: str) -> Resync:
    """A new resync, to be begun with `begin`. `of`: its `project_id` and `flag_id`, as its scope has them.

    It is the work of the present request; where there is none, of a request id of its own.
    """
    values: dict[str, Any] = dict.fromkeys(field.name for field in fields(Resync))
    values |= {"id": str(uuid4()), "account_id": account_id, "scope": scope, "name": name, **of}
    values |= {"requested_at": now, "requested_by": by, "request_id": request_id() or new_id(), "total": 0}
    tx.execute(sa.insert(resyncs).values(values))
    return Resync(**values)


def begin(tx: Transaction, resync: Resync, now: int) -> int:
    """Raise every flag that it covers; how many. It takes over the entries that other resyncs have yet to send."""
    covered = _covered(resync)
    outbox.lock_entries(tx, covered)
    end_finished(tx, resync.account_id, now)
    raised = sa.update(outbox_entries).where(covered)
    alone = ~outbox.PENDING | _PENDING_FOR_RESYNC_ONLY
    raised = raised.values(
        resync_only=alone & outbox_entries.c.may_exist_remotely,
        resync_id=resync.id,
        resync_version=outbox.NEXT_VERSION,
        **outbox.BUMPED,
    )
    total = tx.execute(raised, {"now": now}).rowcount
    outbox_requests.add(tx, covered, resync.request_id)
    others = _OPEN & _STARTED & (resyncs.c.account_id == resync.account_id) & (resyncs.c.id != resync.id)
    _end(tx, others & ~_HAS_ENTRIES, REPLACED, now, resync.requested_by)
    tx.execute(sa.update(resyncs).where(resyncs.c.id == resync.id).values(total=total, started_at=now))
    end_finished(tx, resync.account_id, now)
    return total


def _covered(resync: Resync) -> Condition:
    if resync.flag_id is not None:
        return outbox_entries.c.flag_id == resync.flag_id
    mine = outbox_entries.c.account_id == resync.account_id
    return mine if resync.project_id is None else mine & (outbox_entries.c.project_id == resync.project_id)


def end_finished(tx: Transaction, account_id: str, now: int) -> None:
    """End the resyncs with nothing left to deliver: after every answer, in the transaction that records it."""
    _end(tx, _OPEN & _STARTED & (resyncs.c.account_id == account_id) & ~_HAS_ENTRIES, FINISHED, now, None)


def _end(tx: Transaction, which: Condition, outcome: str, now: int, by: str | None) -> None:
    tx.execute(sa.update(resyncs).where(which).values(outcome=outcome, ended_at=now, ended_by=by))


def cancel(tx: Transaction, resync: Resync, now: int, by: str) -> int:
    """End a resync that runs; how many of its flags are not sent. Every change that is pending is sent all the same."""
    mine = outbox_entries.c.resync_id == resync.id
    outbox.lock_entries(tx, mine)
    spared = outbox.skip_to_latest(tx, mine & _PENDING_FOR_RESYNC_ONLY)
    tx.execute(sa.update(outbox_entries).where(mine).values(_NO_LONGER_NAMED))
    _end(tx, (resyncs.c.id == resync.id) & _OPEN, CANCELLED, now, by)
    return spared


def end_all(tx: Transaction, account_id: str, now: int, by: str) -> None:
    """End every resync of an account without touching its flags: there is no site any more, or another one."""
    named = (outbox_entries.c.account_id == account_id) & outbox_entries.c.resync_id.is_not(None)
    outbox.lock_entries(tx, named)
    tx.execute(sa.update(outbox_entries).where(named).values(_NO_LONGER_NAMED))
    _end(tx, _OPEN & (resyncs.c.account_id == account_id), CANCELLED, now, by)


def find(tx: Transaction, account_id: str, resync_id: str) -> Resync | None:
    """One resync of an account."""
    mine = (resyncs.c.account_id == account_id) & (resyncs.c.id == resync_id)
    return next(iter(_all(tx, _RESYNC.where(mine))), None)


def requested_of_site(tx: Transaction, account_id: str) -> Resync | None:
    """The resync of the whole site that was requested, and that delivery has yet to begin."""
    waiting = (resyncs.c.scope == SITE) & ~_STARTED
    return next(iter(_all(tx, _RESYNC.where(resyncs.c.account_id == account_id, _OPEN, waiting))), None)


def latest(tx: Transaction, account_id: str, limit: int) -> list[Resync]:
    """The latest resyncs of an account, the newest first."""
    query = _RESYNC.where(resyncs.c.account_id == account_id)
    return _all(tx, query.order_by(resyncs.c.requested_at.desc()).limit(limit))


def delete_older(tx: Transaction, account_id: str) -> None:
    """Delete all but the newest resyncs of an account that are over."""
    kept = sa.select(resyncs.c.id).where(resyncs.c.account_id == account_id)
    kept = kept.order_by(resyncs.c.requested_at.desc()).limit(KEPT)
    tx.execute(sa.delete(resyncs).where(resyncs.c.account_id == account_id, ~_OPEN, resyncs.c.id.not_in(kept)))


def _all(tx: Transaction, query: sa.Select[Any]) -> list[Resync]:
    return [Resync(*row) for row in tx.execute(query)]


def progress(tx: Transaction, resync: Resync, now: int) -> Progress:
    """How far a resync is, counted from the rows, so that every process says the same, also after a restart."""
    if resync.outcome is not None:
        return Progress(resync, 0, 0.0)
    count = sa.select(sa.func.count())
    left = tx.scalar(count.select_from(outbox_entries).where(outbox_entries.c.resync_id == resync.id)) or 0
    since = max(resync.started_at or now, now - _RATE_WINDOW_MS)
    mine = (delivery_log.c.account_id == resync.account_id) & (delivery_log.c.at >= since)
    delivered = tx.scalar(count.select_from(delivery_log).where(mine)) or 0
    return Progress(resync, left, delivered * 1000 / max(now - since, 1000))
