"""Sending again what Jira has been told already: a whole site, a project, or one flag.

The outbox stays the only truth. A back-fill raises `wanted` of every flag it covers, as a change does, and delivery
does the rest. What it adds is a memory: each of those rows names its back-fill until the version that it asked for
has been delivered. So what is left of it is a count, and it goes on after a crash, because nothing of it was in a
process.

**Cancelling.** *Problem*: taking `wanted` back would forget a change that came meanwhile, and a version that was used
would be used again. *Solution*: only those rows are struck off that are behind for the back-fill alone. They were not
behind when it began, Jira held them (`resend_only`), and nothing raised them since (`wanted` is still the version the
back-fill asked for). They are marked as delivered, and no version goes back. Every other row is sent as if there had
been no back-fill. A request that is on its way while this happens arrives, and its answer is noted as always.
"""

from dataclasses import dataclass, fields
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from flagpost.store.db import Condition, Transaction
from flagpost.store.jira.outbox import NEXT_VERSION, RAISED, lock_rows
from flagpost.store.schema.jira import jira_backfills, outbox_entries, push_log
from flagpost.telemetry.logging import request_id

SITE, PROJECT, FLAG = "site", "project", "flag"
FINISHED, CANCELLED, REPLACED = "finished", "cancelled", "replaced"
_RATE_WINDOW_MS = 60_000
KEPT = 100
"""How many of an account are remembered."""


@dataclass(frozen=True, slots=True)
class Backfill:
    """One back-fill. `name`: of the project or flag it covers, or of the site. `total`: flags it covered.

    `started_at` None: it is asked for, and delivery has yet to begin it. `outcome` None: it is under way. `finished`;
    `cancelled`, with what was left of it; `replaced`, a newer one took over all that was left.
    """

    id: str
    account_id: str
    scope: str
    project_id: str | None
    flag_id: str | None
    name: str
    requested_at: int
    requested_by: str
    total: int
    started_at: int | None
    outcome: str | None
    ended_at: int | None
    ended_by: str | None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a back-fill is. `rate`: flags a second within the last minute, whatever they were told for.

    `seconds_left` is None where nothing has moved within that minute, or it is over.
    """

    backfill: Backfill
    left: int
    rate: float

    @property
    def done(self) -> int:
        """How many of its flags Jira has heard of."""
        return self.backfill.total - self.left

    @property
    def under_way(self) -> bool:
        """Whether it goes on."""
        return self.backfill.outcome is None

    @property
    def seconds_left(self) -> int | None:
        """How long the rest takes at this rate."""
        return round(self.left / self.rate) if self.under_way and self.rate > 0 else None


_BACKFILL = sa.select(*(jira_backfills.c[field.name] for field in fields(Backfill)))
_OPEN = jira_backfills.c.outcome.is_(None)
_HAS_ROWS = sa.exists().where(outbox_entries.c.resend_id == jira_backfills.c.id)


def insert(tx: Transaction, account_id: str, name: str, now: int, by: str, scope: str = SITE, **of: str) -> Backfill:
    """A new one, to be begun with `begin`. `of`: its `project_id` and `flag_id`, as its scope has them."""
    new = Backfill(
        str(uuid4()),
        account_id,
        scope,
        of.get("project_id"),
        of.get("flag_id"),
        name,
        now,
        by,
        0,
        None,
        None,
        None,
        None,
    )
    tx.execute(sa.insert(jira_backfills).values({field.name: getattr(new, field.name) for field in fields(Backfill)}))
    return new


def begin(tx: Transaction, backfill: Backfill, now: int) -> int:
    """Raise every flag that it covers; how many. One that another back-fill has yet to send is this one's now."""
    end_finished(tx, backfill.account_id, now)
    alone = (outbox_entries.c.wanted == outbox_entries.c.delivered) | (
        outbox_entries.c.resend_only & (outbox_entries.c.wanted == outbox_entries.c.resend_version)
    )
    lock_rows(tx, _covered(backfill))
    raised = (
        sa.update(outbox_entries)
        .where(_covered(backfill))
        .values(
            resend_only=alone & outbox_entries.c.held,
            resend_id=backfill.id,
            resend_version=NEXT_VERSION,
            **RAISED,
        )
    )
    total = tx.execute(raised, {"now": now, "by": request_id()}).rowcount
    replaced = _OPEN & (jira_backfills.c.account_id == backfill.account_id) & (jira_backfills.c.id != backfill.id)
    _end(tx, replaced & jira_backfills.c.started_at.is_not(None) & ~_HAS_ROWS, REPLACED, now, backfill.requested_by)
    begun = sa.update(jira_backfills).where(jira_backfills.c.id == backfill.id).values(total=total, started_at=now)
    tx.execute(begun)
    end_finished(tx, backfill.account_id, now)
    return total


def _covered(backfill: Backfill) -> Condition:
    if backfill.flag_id is not None:
        return outbox_entries.c.flag_id == backfill.flag_id
    if backfill.project_id is not None:
        return (outbox_entries.c.account_id == backfill.account_id) & (
            outbox_entries.c.project_id == backfill.project_id
        )
    return outbox_entries.c.account_id == backfill.account_id


def end_finished(tx: Transaction, account_id: str, now: int) -> None:
    """Note the end of those that Jira has heard all of: after every answer, in the transaction that records it."""
    mine = _OPEN & (jira_backfills.c.account_id == account_id) & jira_backfills.c.started_at.is_not(None)
    _end(tx, mine & ~_HAS_ROWS, FINISHED, now, None)


def _end(tx: Transaction, which: Condition, outcome: str, now: int, by: str | None) -> None:
    tx.execute(sa.update(jira_backfills).where(which).values(outcome=outcome, ended_at=now, ended_by=by))


def cancel(tx: Transaction, backfill: Backfill, now: int, by: str) -> int:
    """End one that is under way; how many of its flags are not sent. What Jira must hear of anyway goes on."""
    mine = outbox_entries.c.resend_id == backfill.id
    lock_rows(tx, mine)
    for_it_alone = mine & outbox_entries.c.resend_only & (outbox_entries.c.wanted == outbox_entries.c.resend_version)
    spared = tx.execute(
        sa.update(outbox_entries).where(for_it_alone).values(delivered=outbox_entries.c.wanted)
    ).rowcount
    tx.execute(sa.update(outbox_entries).where(mine).values(resend_id=None, resend_only=False))
    _end(tx, (jira_backfills.c.id == backfill.id) & _OPEN, CANCELLED, now, by)
    return spared


def end_all(tx: Transaction, account_id: str, now: int, by: str) -> None:
    """End every one of an account without touching its flags: there is no site any more, or another one."""
    _end(tx, _OPEN & (jira_backfills.c.account_id == account_id), CANCELLED, now, by)
    mine = outbox_entries.c.account_id == account_id
    tx.execute(
        sa.update(outbox_entries)
        .where(mine & outbox_entries.c.resend_id.is_not(None))
        .values(resend_id=None, resend_only=False)
    )


def find(tx: Transaction, account_id: str, backfill_id: str) -> Backfill | None:
    """One of an account's."""
    mine = (jira_backfills.c.account_id == account_id) & (jira_backfills.c.id == backfill_id)
    return next(iter(_all(tx, _BACKFILL.where(mine))), None)


def waiting_for_site(tx: Transaction, account_id: str) -> Backfill | None:
    """The one of the whole site that is asked for and that delivery has yet to begin."""
    waiting = (jira_backfills.c.scope == SITE) & jira_backfills.c.started_at.is_(None)
    return next(iter(_all(tx, _BACKFILL.where(jira_backfills.c.account_id == account_id, _OPEN, waiting))), None)


def latest(tx: Transaction, account_id: str, limit: int) -> list[Backfill]:
    """The newest first."""
    query = _BACKFILL.where(jira_backfills.c.account_id == account_id)
    return _all(tx, query.order_by(jira_backfills.c.requested_at.desc()).limit(limit))


def forget_older(tx: Transaction, account_id: str) -> None:
    """Keep the newest of an account only."""
    kept = sa.select(jira_backfills.c.id).where(jira_backfills.c.account_id == account_id)
    kept = kept.order_by(jira_backfills.c.requested_at.desc()).limit(KEPT)
    old = (jira_backfills.c.account_id == account_id) & ~_OPEN & jira_backfills.c.id.not_in(kept)
    tx.execute(sa.delete(jira_backfills).where(old))


def _all(tx: Transaction, query: sa.Select[Any]) -> list[Backfill]:
    return [Backfill(*row) for row in tx.execute(query)]


def progress(tx: Transaction, backfill: Backfill, now: int) -> Progress:
    """How far one is: counted, so that it is the same for everybody who looks, and after a restart."""
    if backfill.outcome is not None:
        return Progress(backfill, 0, 0.0)
    left = (
        tx.scalar(
            sa.select(sa.func.count()).select_from(outbox_entries).where(outbox_entries.c.resend_id == backfill.id)
        )
        or 0
    )
    since = max(backfill.started_at or now, now - _RATE_WINDOW_MS)
    told = sa.select(sa.func.count()).select_from(push_log)
    told = told.where(push_log.c.account_id == backfill.account_id, push_log.c.at >= since)
    return Progress(backfill, left, (tx.scalar(told) or 0) * 1000 / max(now - since, 1000))
