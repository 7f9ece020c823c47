"""The outbox: for each connected flag the version that Jira should show, and the version that Jira has answered for.

A change raises `latest_version` of its flag's entry in its own transaction, so a committed change cannot be forgotten.
A version is the time in milliseconds, or one more than the last version where the clock stands still or was set back.
Versions therefore only rise, even for a flag that was deleted in Jira and connected again, and after a restore from an
older backup. Atlassian requires this: an update whose `updateSequenceId` is lower than the stored one is ignored.

Each raise also notes the request that made the change (`flagpost.store.jira.outbox_requests`), so that delivery, on
whichever host it runs, can name it in the log.
"""

from collections.abc import Collection
from dataclasses import dataclass, fields
from typing import Any

import sqlalchemy as sa

from flagpost.store.db import Condition, Transaction, insert_new
from flagpost.store.jira import outbox_requests
from flagpost.store.schema.jira import jira_integration_projects, outbox_entries
from flagpost.telemetry.logging import request_id

PENDING = outbox_entries.c.latest_version > outbox_entries.c.delivered_version
"""Whether Jira has not answered for the latest version of an entry yet."""

NEXT_VERSION = sa.case(
    (outbox_entries.c.latest_version < sa.bindparam("now"), sa.bindparam("now")),
    else_=outbox_entries.c.latest_version + 1,
)
"""The version after the present one; needs the parameter `now`, in milliseconds."""

_PENDING_SINCE = sa.case((PENDING, outbox_entries.c.pending_since), else_=sa.bindparam("now"))
BUMPED = {
    "latest_version": NEXT_VERSION,
    "pending_since": _PENDING_SINCE,
    "deferred_until": None,
    "failed_attempts": 0,
}
"""What a change does to an entry. It ends a deferral, which was about the version before."""


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """One flag's entry. Times are milliseconds since 1970.

    `may_exist_remotely`: Jira may hold something under this flag's id. `refusal`: Jira's message where it refused the
    delivered version, or failed at the latest one. `sent_issues`: the issues that the last version was sent with.
    `deferred_until`: delivery leaves the latest version alone until then, because Jira failed at it;
    `failed_attempts` counts how often delivery has deferred that version.
    """

    flag_id: str
    project_id: str
    flag_name: str
    latest_version: int
    delivered_version: int
    may_exist_remotely: bool
    refusal: str | None
    trace_id: str | None
    pending_since: int
    delivered_at: int | None
    sent_issues: list[str] | None
    deferred_until: int | None = None
    failed_attempts: int = 0

    @property
    def pending(self) -> bool:
        """Whether Jira has not answered for the latest version yet."""
        return self.latest_version > self.delivered_version


# Raising versions -------------------------------------------------------------------------------------------------


def lock_entries(tx: Transaction, condition: Condition) -> None:
    """Lock these entries in the order of their flag ids, so that two transactions with many entries cannot deadlock."""
    if tx.dialect.name == "postgresql":
        found = sa.select(outbox_entries.c.flag_id).where(condition).order_by(outbox_entries.c.flag_id)
        tx.execute(found.with_for_update(key_share=True))


def lock(tx: Transaction, flag_ids: Collection[str]) -> None:
    """Lock the entries of these flags before anything that comes after them in the lock order (`store.locks`)."""
    lock_entries(tx, outbox_entries.c.flag_id.in_(flag_ids))


def _bump(tx: Transaction, condition: Condition, now: int) -> int:
    raised = tx.execute(sa.update(outbox_entries).where(condition).values(**BUMPED), {"now": now}).rowcount
    if raised:
        outbox_requests.add(tx, condition, request_id())
    return raised


def bump(tx: Transaction, flag_ids: Collection[str], now: int) -> int:
    """Raise the version of these flags. A flag that was never connected has no entry and costs nothing.

    Returns how many entries were raised: where any was, wake the account's delivery after the commit.
    """
    if not flag_ids:
        return 0
    if len(flag_ids) == 1:  # one row needs no order
        return _bump(tx, outbox_entries.c.flag_id == next(iter(flag_ids)), now)
    return _bump_locked(tx, outbox_entries.c.flag_id.in_(flag_ids), now)


def _bump_locked(tx: Transaction, condition: Condition, now: int) -> int:
    lock_entries(tx, condition)
    return _bump(tx, condition, now)


def bump_project(tx: Transaction, project_id: str, now: int) -> int:
    """Raise the version of every connected flag of a project; how many."""
    return _bump_locked(tx, outbox_entries.c.project_id == project_id, now)


def bump_environment(tx: Transaction, environment_id: str, now: int) -> int:
    """Raise the version of every flag whose state in this environment Jira shows; how many.

    Jira shows the primary environment of each project of the integration, and no other.
    """
    shown = sa.select(jira_integration_projects.c.project_id).where(
        jira_integration_projects.c.environment_id == environment_id
    )
    return _bump_locked(tx, outbox_entries.c.project_id.in_(shown), now)


def bump_account(tx: Transaction, account_id: str, now: int) -> int:
    """Raise the version of every connected flag of an account; how many."""
    return _bump_locked(tx, outbox_entries.c.account_id == account_id, now)


def enqueue(tx: Transaction, account_id: str, project_id: str, flag_id: str, flag_name: str, now: int) -> None:
    """Have a flag delivered from now on: its first connection makes the entry, every later one raises its version."""
    row = {"flag_id": flag_id, "account_id": account_id, "project_id": project_id, "flag_name": flag_name}
    if insert_new(tx, outbox_entries, **row, latest_version=now, pending_since=now):
        outbox_requests.add(tx, outbox_entries.c.flag_id == flag_id, request_id())
    else:
        bump(tx, [flag_id], now)


def bump_unchanged(tx: Transaction, seen: OutboxEntry, version: int, now: int, **values: Any) -> bool:
    """Raise an entry to this version, and set more columns; False where it changed since it was `seen` delivered."""
    mine = unchanged(seen)
    raised = {"latest_version": version, "pending_since": now, "deferred_until": None, "failed_attempts": 0}
    if tx.execute(sa.update(outbox_entries).where(mine).values(**raised, **values)).rowcount == 0:
        return False
    outbox_requests.add(tx, outbox_entries.c.flag_id == seen.flag_id, request_id())
    return True


def unchanged(seen: OutboxEntry) -> Condition:
    """Whether an entry is at the version it was seen at, and Jira has answered for that one."""
    version = seen.latest_version
    same = (outbox_entries.c.latest_version == version) & (outbox_entries.c.delivered_version == version)
    return (outbox_entries.c.flag_id == seen.flag_id) & same


# What is pending --------------------------------------------------------------------------------------------------


_SECOND_MS = 1000
_FIRST_DEFERRAL_MS = 15 * _SECOND_MS
LONGEST_DEFERRAL_MS = 5 * 60 * _SECOND_MS
"""No longer than a site rests after failures: a change made during an outage does not wait longer than others."""

_ENTRY = sa.select(*(outbox_entries.c[field.name] for field in fields(OutboxEntry)))
_NOW = sa.bindparam("now", type_=sa.BigInteger)
_DUE = sa.or_(
    outbox_entries.c.deferred_until.is_(None),
    outbox_entries.c.deferred_until <= _NOW,
    outbox_entries.c.deferred_until > _NOW + LONGEST_DEFERRAL_MS + 60 * _SECOND_MS,  # the clock was set back since
)
_PENDING_OF_ACCOUNT = _ENTRY.where(outbox_entries.c.account_id == sa.bindparam("account"), PENDING).order_by(
    outbox_entries.c.latest_version, outbox_entries.c.project_id
)


def pending(tx: Transaction, account_id: str, limit: int, now: int | None = None) -> list[OutboxEntry]:
    """Up to `limit` pending entries of an account, the lowest version first, those of one project together.

    With `now`, without those that are deferred until later.
    """
    query, values = _PENDING_OF_ACCOUNT.limit(limit), {"account": account_id}
    rows = tx.execute(query, values) if now is None else tx.execute(query.where(_DUE), {**values, "now": now})
    return [OutboxEntry(*row) for row in rows]


def count_pending(tx: Transaction, account_id: str) -> int:
    """How many entries of an account are pending."""
    return _count(tx, outbox_entries.c.account_id == account_id, PENDING)


def pending_since(tx: Transaction, account_id: str) -> int | None:
    """Since when the oldest pending entry of an account has been pending; None where none is."""
    mine = outbox_entries.c.account_id == account_id
    found: int | None = tx.scalar(sa.select(sa.func.min(outbox_entries.c.pending_since)).where(mine, PENDING))
    return found


def count_all(tx: Transaction, account_id: str) -> int:
    """How many entries an account has: flags that Jira shows, showed or should show."""
    return _count(tx, outbox_entries.c.account_id == account_id)


def count_refused(tx: Transaction, account_id: str) -> int:
    """How many flags Jira refused, or fails at."""
    return _count(tx, outbox_entries.c.account_id == account_id, outbox_entries.c.refusal.is_not(None))


def _count(tx: Transaction, *conditions: Condition) -> int:
    return tx.scalar(sa.select(sa.func.count()).select_from(outbox_entries).where(*conditions)) or 0


def refused(tx: Transaction, account_id: str, limit: int) -> list[OutboxEntry]:
    """Up to `limit` flags that Jira refused, or fails at, by name."""
    query = _ENTRY.where(outbox_entries.c.account_id == account_id, outbox_entries.c.refusal.is_not(None))
    return [OutboxEntry(*row) for row in tx.execute(query.order_by(outbox_entries.c.flag_name).limit(limit))]


def find(tx: Transaction, flag_id: str) -> OutboxEntry | None:
    """The entry of one flag; None where it was never connected."""
    row = tx.execute(_ENTRY.where(outbox_entries.c.flag_id == flag_id)).first()
    return OutboxEntry(*row) if row else None


def _accounts_with_pending() -> sa.Select[str]:
    """Steps from each account to the next within the index of pending entries, instead of reading all of them."""
    first = (
        sa.select(sa.func.min(outbox_entries.c.account_id).label("id")).where(PENDING).cte("accounts", recursive=True)
    )
    after = sa.select(sa.func.min(outbox_entries.c.account_id)).where(PENDING, outbox_entries.c.account_id > first.c.id)
    found = first.union_all(sa.select(after.scalar_subquery()).where(first.c.id.is_not(None)))
    due = sa.exists().where(outbox_entries.c.account_id == found.c.id, PENDING, _DUE)
    return sa.select(found.c.id).where(found.c.id.is_not(None), due)


_ACCOUNTS_WITH_PENDING = _accounts_with_pending()


def accounts_with_pending(tx: Transaction, now: int) -> list[str]:
    """The accounts with a pending entry that is not deferred until later.

    Every process asks this at every sweep. In the middle of a resync it costs by the number of accounts with pending
    entries, not by the number of entries.
    """
    return list(tx.scalars(_ACCOUNTS_WITH_PENDING, {"now": now}))


# What Jira may hold -----------------------------------------------------------------------------------------------


def defer(tx: Transaction, failed: OutboxEntry, now: int, message: str) -> bool:
    """Leave the version that Jira `failed` at alone for a while; False where the entry has a newer version by now.

    The first deferral takes fifteen seconds, each further one of the same version twice as long, up to five minutes.

    *Problem*: a change that commits while the failed request is on its way raises the version before this function
    runs. A deferral of the whole entry would hold that change back too, and Jira would show a killed flag as enabled
    for minutes, though it was never asked about the kill. *Solution*: the version that failed is part of the
    condition, so a newer version is not touched. One that commits afterwards ends the deferral (`BUMPED`).
    """
    until = now + min(_FIRST_DEFERRAL_MS * 2 ** min(failed.failed_attempts, 10), LONGEST_DEFERRAL_MS)
    mine = (outbox_entries.c.flag_id == failed.flag_id) & (outbox_entries.c.latest_version == failed.latest_version)
    values = {"deferred_until": until, "failed_attempts": failed.failed_attempts + 1, "refusal": message}
    return tx.execute(sa.update(outbox_entries).where(mine).values(**values)).rowcount == 1


def mark_may_exist_remotely(tx: Transaction, flag_ids: Collection[str]) -> None:
    """Note before the first send that Jira may hold these flags from now on, whatever the answer will be."""
    mine = outbox_entries.c.flag_id.in_(flag_ids)
    lock_entries(tx, mine)
    tx.execute(sa.update(outbox_entries).where(mine).values(may_exist_remotely=True))


def forget_remote_flags(tx: Transaction, account_id: str) -> None:
    """Note that Jira holds no flag of this account: the app was uninstalled, or another site is connected."""
    mine = outbox_entries.c.account_id == account_id
    lock_entries(tx, mine)
    tx.execute(sa.update(outbox_entries).where(mine).values(may_exist_remotely=False))


def skip_to_latest(tx: Transaction, condition: Condition) -> int:
    """Note the latest version of these locked entries as delivered without sending it; how many entries that were."""
    delivered = list(
        tx.scalars(
            sa.update(outbox_entries)
            .where(condition)
            .values(delivered_version=outbox_entries.c.latest_version)
            .returning(outbox_entries.c.flag_id)
        )
    )
    outbox_requests.remove_delivered(tx, delivered)
    return len(delivered)
