"""Recording what Jira answered, in one transaction for each response."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from flagpost.jira.rate_limits import RateLimiter
from flagpost.store.accounts import accounts
from flagpost.store.db import Database, Transaction
from flagpost.store.jira import delivery_log, delivery_results, integrations, issues, outbox, resyncs
from flagpost.store.jira.delivery_log import NOTHING, Delivered
from flagpost.store.jira.integrations import Site
from flagpost.telemetry.metrics import FLAGS_SENT

log = structlog.get_logger(__name__)

_LOOK_UP_UNKNOWN_AFTER_MS = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class ResultRecorder:
    """Records the results of deliveries."""

    db: Database
    limiter: RateLimiter
    clock: Callable[[], int]

    def record(
        self,
        site: Site,
        delivered: Sequence[Delivered],
        unknown_issues: Sequence[str] = (),
        shown_elsewhere: Sequence[str] = (),
    ) -> None:
        """Note these results, and log them.

        `unknown_issues`: those that Jira does not know. `shown_elsewhere`: ids of flags that Jira still shows on the
        issues of an earlier version, because it knows no issue of this one and stored nothing. They go out again.
        """
        now = self.clock()
        self.db.transact(lambda tx: _write(tx, site, delivered, unknown_issues, shown_elsewhere, now))
        self.limiter.note_delivery(site.cloud_id, now)
        outcomes = Counter(one.result.outcome for one in delivered)
        for outcome, flags in outcomes.items():
            FLAGS_SENT.labels(outcome).inc(flags)
        log.info("jira.delivered", site=site.site_url, flags=len(delivered), refused=outcomes["refused"])


def _write(
    tx: Transaction,
    site: Site,
    delivered: Sequence[Delivered],
    unknown_issues: Sequence[str],
    shown_elsewhere: Sequence[str],
    now: int,
) -> None:
    """Lock and write rows in the order of `flagpost.store.locks`: account, site, outbox entries, resyncs, issues."""
    if unknown_issues:
        accounts.lock(tx, site.account_id)
    if any(one.action != NOTHING for one in delivered):
        good = {"last_success_at": now, "last_error": None, "consecutive_failures": 0, "paused_until": None}
        integrations.update_site(tx, site.id, **good)
    delivery_results.record(tx, [one.result for one in delivered], now)
    outbox.bump(tx, shown_elsewhere, now)
    resyncs.end_finished(tx, site.account_id, now)
    if unknown_issues:
        issues.mark_missing(tx, site.account_id, unknown_issues, now, now + _LOOK_UP_UNKNOWN_AFTER_MS)
    delivery_log.write(tx, site.account_id, delivered, now)
