"""Reconciliations: runs that compare what Jira holds with what was sent, how far each is, and what it found."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from flagpost.store.db import Condition, Transaction
from flagpost.store.schema.jira import reconciliation_findings, reconciliations

NIGHTLY, ASKED, FLAG, LATER = "nightly", "asked", "flag", "later"
DONE, BUDGET, UNREADABLE, GONE = "done", "budget", "unreadable", "gone"
MISSING, STILL_THERE = "missing", "still_there"
KEPT = 50
"""How many runs over all flags are kept of an account, and how many over single flags."""


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """One run. `kind`: nightly, asked (for all flags), flag (for one), later (of flags that were sent after a delete).

    A run over all flags goes through them by their ids, from the one after `start_after` to the last, and on from the
    first (`wrapped_around`). `position` is the last flag id that it has read. `read`: flags that Jira was asked for;
    `found`: of those, the ones that Jira held. `skipped`: not read, because a change was pending or Jira had refused
    the flag. `postponed`: they differed, but were sent just before, and are compared again. `outcome` is None while it
    runs; `done`; `budget`, it read as many flags as one run may; `unreadable`, Jira does not let flags be read, and
    `message` says how it said so; `gone`, no site is connected any more.
    """

    id: str
    account_id: str
    kind: str
    flag_id: str | None
    name: str
    requested_at: int
    requested_by: str
    started_at: int | None
    start_after: str
    position: str
    wrapped_around: bool
    total: int
    read: int
    found: int
    skipped: int
    postponed: int
    differed: int
    repaired: int
    resume_at: int | None
    outcome: str | None
    message: str
    finished_at: int | None


@dataclass(frozen=True, slots=True)
class Finding:
    """A flag that differs in Jira. `kind`: missing, other, older, newer, or still_there, though it was deleted.

    `repaired`: Flagpost sent it, or deleted it, once more.
    """

    flag_id: str
    project_id: str
    flag_name: str
    at: int
    kind: str
    message: str
    repaired: bool


@dataclass(slots=True)
class Counts:
    """What one step of a run adds to its counts; see `Reconciliation`."""

    read: int = 0
    found: int = 0
    skipped: int = 0
    postponed: int = 0
    differed: int = 0
    repaired: int = 0


_RUN = sa.select(*(reconciliations.c[one.name] for one in fields(Reconciliation)))
_FINDING = sa.select(*(reconciliation_findings.c[one.name] for one in fields(Finding)))
_OPEN = reconciliations.c.outcome.is_(None)


# Runs -------------------------------------------------------------------------------------------------------------


def request(
    tx: Transaction, account_id: str, kind: str, name: str, now: int, by: str, flag_id: str | None = None
) -> Reconciliation:
    """A new run. One over all flags begins where the last one ran out of its budget."""
    start_after = _stopped_at(tx, account_id) if flag_id is None else ""
    values = {"kind": kind, "flag_id": flag_id, "name": name, "requested_at": now, "requested_by": by}
    new_id = str(uuid4())
    row = {"id": new_id, "account_id": account_id, "start_after": start_after, "position": start_after, **values}
    tx.execute(sa.insert(reconciliations).values(row))
    found = find(tx, account_id, new_id)
    assert found is not None  # noqa: S101 - inserted two lines above
    return found


def _stopped_at(tx: Transaction, account_id: str) -> str:
    over_all = reconciliations.c.kind.in_((NIGHTLY, ASKED))
    query = sa.select(reconciliations.c.outcome, reconciliations.c.position)
    query = query.where(reconciliations.c.account_id == account_id, over_all, ~_OPEN)
    last = tx.execute(query.order_by(reconciliations.c.requested_at.desc()).limit(1)).first()
    return last.position if last and last.outcome == BUDGET else ""


def find(tx: Transaction, account_id: str, run_id: str) -> Reconciliation | None:
    """One run of an account."""
    mine = (reconciliations.c.account_id == account_id) & (reconciliations.c.id == run_id)
    row = tx.execute(_RUN.where(mine)).first()
    return Reconciliation(*row) if row else None


def unfinished(tx: Transaction, account_id: str) -> list[Reconciliation]:
    """The runs of an account that are not over: those of single flags first, then in the order of their requests."""
    query = _RUN.where(reconciliations.c.account_id == account_id, _OPEN)
    order = (reconciliations.c.kind != FLAG, reconciliations.c.requested_at)
    return [Reconciliation(*row) for row in tx.execute(query.order_by(*order))]


def accounts_with_unfinished(tx: Transaction) -> list[str]:
    """The accounts with a run that is not over."""
    return list(tx.scalars(sa.select(reconciliations.c.account_id).where(_OPEN).distinct()))


def latest(tx: Transaction, account_id: str, limit: int) -> list[Reconciliation]:
    """The latest runs of an account, the newest first."""
    query = _RUN.where(reconciliations.c.account_id == account_id)
    newest = query.order_by(reconciliations.c.requested_at.desc()).limit(limit)
    return [Reconciliation(*row) for row in tx.execute(newest)]


def accounts_with_nightly_run(tx: Transaction, since: int) -> set[str]:
    """The accounts whose nightly run was requested since then. One query for all accounts, run every few seconds."""
    mine = (reconciliations.c.kind == NIGHTLY) & (reconciliations.c.requested_at >= since)
    return set(tx.scalars(sa.select(reconciliations.c.account_id).where(mine).distinct()))


def ever_found(tx: Transaction, account_id: str, since: int) -> bool:
    """Whether a run that was requested since then read any flag from Jira."""
    there = sa.exists().where(
        reconciliations.c.account_id == account_id,
        reconciliations.c.found > 0,
        reconciliations.c.requested_at >= since,
    )
    return bool(tx.scalar(sa.select(there)))


def update(tx: Transaction, run: Reconciliation, counts: Counts | None = None, **values: Any) -> None:
    """Set columns of a run, and add to its counts."""
    for one in fields(Counts) if counts else ():
        values[one.name] = reconciliations.c[one.name] + getattr(counts, one.name)
    tx.execute(sa.update(reconciliations).where(reconciliations.c.id == run.id).values(**values))


def finish(tx: Transaction, run: Reconciliation, outcome: str, message: str, now: int) -> None:
    """End a run."""
    update(tx, run, outcome=outcome, message=message, finished_at=now)


def delete_older(tx: Transaction, account_id: str) -> None:
    """Delete all but the newest runs of an account, with their findings.

    Runs over all flags and runs over single flags are counted apart, because the last run over all flags decides when
    the next one is due, and where it begins.
    """
    for kinds in ((NIGHTLY, ASKED), (FLAG, LATER)):
        mine = (reconciliations.c.account_id == account_id) & reconciliations.c.kind.in_(kinds)
        kept = sa.select(reconciliations.c.id).where(mine)
        kept = kept.order_by(reconciliations.c.requested_at.desc()).limit(KEPT)
        tx.execute(sa.delete(reconciliations).where(mine, ~_OPEN, reconciliations.c.id.not_in(kept)))


# Findings ---------------------------------------------------------------------------------------------------------


def add_findings(tx: Transaction, run: Reconciliation, found: Iterable[Finding]) -> None:
    """Store findings of a run."""
    rows = [
        {
            "id": str(uuid4()),
            "reconciliation_id": run.id,
            **{one.name: getattr(finding, one.name) for one in fields(Finding)},
        }
        for finding in found
    ]
    if rows:
        tx.execute(sa.insert(reconciliation_findings), rows)


def findings(tx: Transaction, run: Reconciliation, limit: int) -> list[Finding]:
    """Up to `limit` findings of a run, the newest first."""
    return _newest_findings(tx, reconciliation_findings.c.reconciliation_id == run.id, limit)


def findings_of_flag(tx: Transaction, flag_id: str, limit: int) -> list[Finding]:
    """Up to `limit` findings about one flag, the newest first."""
    return _newest_findings(tx, reconciliation_findings.c.flag_id == flag_id, limit)


def _newest_findings(tx: Transaction, condition: Condition, limit: int) -> list[Finding]:
    query = _FINDING.where(condition).order_by(reconciliation_findings.c.at.desc())
    return [Finding(*row) for row in tx.execute(query.limit(limit))]
