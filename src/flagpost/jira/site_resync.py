"""The beginning of a resync of a whole site, within the delivery that carries it out."""

from typing import Any

import structlog

from flagpost.jira.site_access import OAUTH
from flagpost.store.accounts import accounts
from flagpost.store.db import Database, Transaction
from flagpost.store.jira import credentials, integrations, issues, outbox, resyncs
from flagpost.store.jira.integrations import Site
from flagpost.store.jira.resyncs import Resync
from flagpost.telemetry.logging import as_request

log = structlog.get_logger(__name__)


def begin_site_resync(db: Database, site: Site, now: int) -> None:
    """Have every flag of a site sent, and note the beginning on the site, so that progress can be shown.

    Does nothing where the resync was cancelled since. The first time after a site was connected Jira holds nothing: it
    deletes what an app had sent together with the app.
    """
    begun = db.transact(lambda tx: _begin(tx, site.account_id, now))
    if begun is not None:
        resync, total = begun
        with as_request(resync.request_id):
            log.info("jira.resync_started", site=site.site_url, flags=total)


def _begin(tx: Transaction, account_id: str, now: int) -> tuple[Resync, int] | None:
    accounts.lock(tx, account_id)
    site = integrations.lock_site(tx, account_id)
    if site is None or site.resync_requested_at is None:
        return None
    if site.auth_method == OAUTH and (given := credentials.of_account(tx, account_id)):
        credentials.update(tx, given.id, delete_refusal=None)
    if site.resync_started_at is None:
        outbox.forget_remote_flags(tx, account_id)
    requested = resyncs.requested_of_site(tx, account_id)
    requested = requested or resyncs.insert(tx, account_id, site.site_url, now, "Flagpost")
    total = resyncs.begin(tx, requested, now)
    issues.reset_missing(tx, account_id)
    begun: dict[str, Any] = {"resync_total": total, "resync_started_at": now}
    finished = None if total else now
    integrations.update_site(tx, site.id, resync_requested_at=None, resync_finished_at=finished, **begun)
    return requested, total
