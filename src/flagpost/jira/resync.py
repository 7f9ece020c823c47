"""The beginning of sending everything again, within the delivery that does it."""

from typing import Any

from flagpost.jira.site_access import OAUTH
from flagpost.store.db import Database, Transaction
from flagpost.store.jira import credentials, integrations, issues, outbox, resyncs
from flagpost.store.jira.integrations import Site


def begin_everything(db: Database, site: Site, now: int) -> None:
    """Have every flag sent, and note the start, so that progress can be shown; nothing where it was cancelled since.

    At the first time after a site was connected Jira holds nothing: it deletes what an app had sent with the app.
    """
    db.transact(lambda tx: _begin(tx, site.account_id, now))


def _begin(tx: Transaction, account_id: str, now: int) -> None:
    site = integrations.lock_site(tx, account_id)
    if site is None or site.resend_wanted_at is None:
        return
    if site.backfill_started_at is None:
        outbox.forget_remote_flags(tx, account_id)
    if site.way == OAUTH and (given := credentials.of_account(tx, account_id)):
        credentials.update(tx, given.id, delete_refused=None)
    asked = resyncs.waiting_for_site(tx, account_id)
    asked = asked or resyncs.insert(tx, account_id, site.site_url, now, "Flagpost")
    total = resyncs.begin(tx, asked, now)
    issues.hope_again(tx, account_id)
    begun: dict[str, Any] = {"backfill_total": total, "backfill_started_at": now}
    finished = None if total else now
    integrations.update_site(tx, site.id, resend_wanted_at=None, backfill_finished_at=finished, **begun)
