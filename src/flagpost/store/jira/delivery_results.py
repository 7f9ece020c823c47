"""Recording what Jira answered for the versions that were sent to it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from flagpost.store.db import Transaction
from flagpost.store.jira import outbox_requests
from flagpost.store.schema.jira import outbox_entries

LATE_DELETE_MS = 10 * 60_000
"""For how long after a delete was accepted Jira may still carry it out."""

COMPARE_AFTER_MS = 60_000
"""How long after a delivery the flag is compared with Jira, where a delete may still be under way."""


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """Jira's answer for one version of a flag. `sent_issues`: the issues on which Jira shows the flag now."""

    flag_id: str
    version: int
    may_exist_remotely: bool
    refusal: str | None = None
    trace_id: str | None = None
    sent_issues: Sequence[str] | None = None

    @property
    def outcome(self) -> str:
        """One word for the metrics: accepted, refused or removed."""
        if self.refusal:
            return "refused"
        return "accepted" if self.may_exist_remotely else "removed"


_ENTRY = sa.select(
    outbox_entries.c.flag_id,
    outbox_entries.c.delivered_version,
    outbox_entries.c.may_exist_remotely,
    outbox_entries.c.resync_id,
    outbox_entries.c.resync_version,
    outbox_entries.c.resync_only,
    outbox_entries.c.deleted_at,
    outbox_entries.c.compare_at,
)
_RECORD = sa.update(outbox_entries).where(outbox_entries.c.flag_id == sa.bindparam("entry"))


def record(tx: Transaction, results: Collection[DeliveryResult], now: int) -> None:
    """Note what Jira answered. `delivered_version` only rises, so a late answer cannot undo a newer one.

    *Problem*: Jira carries a delete out a little after it accepted it, and unconditionally. A flag that was sent again
    meanwhile may be deleted with it, though Jira accepted the flag. *Solution*: what is sent within minutes of a delete
    is compared with Jira a little later (`compare_at`, read by `flagpost.jira.reconciliation`). So is what was deleted,
    because Jira may store an earlier update, whose answer was late or lost, after the delete.
    """
    by_flag = {result.flag_id: result for result in results}
    entries = _locked(tx, by_flag)
    rows = [
        _values(entry, by_flag[entry.flag_id], now)
        for entry in entries
        if by_flag[entry.flag_id].version >= entry.delivered_version
    ]
    if rows:
        tx.execute(_RECORD, rows)
        outbox_requests.remove_delivered(tx, [row["entry"] for row in rows])


def _locked(tx: Transaction, flag_ids: Collection[str]) -> list[Any]:
    if not flag_ids:
        return []
    found = _ENTRY.where(outbox_entries.c.flag_id.in_(flag_ids)).order_by(outbox_entries.c.flag_id)
    return list(tx.execute(found.with_for_update(key_share=True)))


def _values(entry: Any, result: DeliveryResult, now: int) -> dict[str, Any]:
    deleted = entry.may_exist_remotely and not result.may_exist_remotely
    resync_done = entry.resync_version is not None and entry.resync_version <= result.version
    return {
        "entry": entry.flag_id,
        "delivered_version": result.version,
        "delivered_at": now,
        "may_exist_remotely": result.may_exist_remotely,
        "refusal": result.refusal,
        "trace_id": result.trace_id,
        "sent_issues": list(result.sent_issues) if result.sent_issues else None,
        "deferred_until": None,
        "failed_attempts": 0,
        "resync_id": None if resync_done else entry.resync_id,
        "resync_only": not resync_done and entry.resync_only,
        "deleted_at": now if deleted else entry.deleted_at,
        "compare_at": now + COMPARE_AFTER_MS if deleted or _delete_is_recent(entry, result, now) else entry.compare_at,
    }


def _delete_is_recent(entry: Any, result: DeliveryResult, now: int) -> bool:
    return result.may_exist_remotely and entry.deleted_at is not None and entry.deleted_at > now - LATE_DELETE_MS
