"""Deleting old rows: of the delivery log, its sums by the hour, reconciliations and resyncs."""

from collections.abc import Callable
from dataclasses import dataclass

from flagpost.store.accounts import accounts
from flagpost.store.db import Database
from flagpost.store.jira import delivery_log, reconciliations, resyncs

_AT_ONCE = 2000
_STEPS = 50
_DAY_MS = 86_400_000


@dataclass
class Retention:
    """Keeps the delivery log for `log_days` and up to `log_rows` of each account, and its sums for `sums_days`.

    Each transaction deletes few rows, so that other writers do not have to wait long.
    """

    db: Database
    clock: Callable[[], int]
    log_days: int
    log_rows: int
    sums_days: int

    def run(self) -> None:
        """Delete what is too old, in every account."""
        with self.db.read() as tx:
            every = accounts.all_ids(tx)
        for account_id in every:
            self._delete_old(account_id)

    def _delete_old(self, account_id: str) -> None:
        now = self.clock()
        with self.db.read() as tx:
            too_many = delivery_log.time_of_nth(tx, account_id, self.log_rows)
        before = max(now - self.log_days * _DAY_MS, (too_many or 0) + 1)
        for _ in range(_STEPS):
            with self.db.write() as tx:
                if delivery_log.delete_older(tx, account_id, before, _AT_ONCE) < _AT_ONCE:
                    break
        with self.db.write() as tx:
            delivery_log.delete_hours(tx, account_id, now - self.sums_days * _DAY_MS)
            reconciliations.delete_older(tx, account_id)
            resyncs.delete_older(tx, account_id)
