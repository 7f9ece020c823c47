"""The figures of the Jira side for the metrics: a few numbers, each from one query that an index answers.

Every scrape reads them, so their cost may grow with what is pending, but not with how many rows there are.
"""

from dataclasses import dataclass

import sqlalchemy as sa

from flagpost.store.db import Transaction
from flagpost.store.jira.integrations import Site, sites
from flagpost.store.jira.outbox import PENDING
from flagpost.store.schema.jira import connections, issues, jira_installations, outbox_entries


@dataclass(frozen=True, slots=True)
class SiteFigures:
    """One site, and what is pending there. Times are milliseconds since 1970; None where there is none."""

    site: Site
    pending: int
    pending_since: int | None
    refused: int
    issues_due: int
    token_expires_at: int | None


@dataclass(frozen=True, slots=True)
class Queue:
    """The queue on PostgreSQL. `workers`: the processes with a heartbeat within the last seconds."""

    workers: int
    waiting: int
    running: int


_ALIVE_WITHIN_SECONDS = 12.0  # later, others take a worker's jobs over: see `flagpost.jobs.postgres`
_PENDING = (
    sa.select(outbox_entries.c.account_id, sa.func.count(), sa.func.min(outbox_entries.c.pending_since))
    .where(PENDING)
    .group_by(outbox_entries.c.account_id)
)
_REFUSED = (
    sa.select(outbox_entries.c.account_id, sa.func.count())
    .where(outbox_entries.c.refusal.is_not(None))
    .group_by(outbox_entries.c.account_id)
)
_DUE = sa.select(sa.func.count()).where(
    issues.c.account_id == sa.bindparam("account"),
    issues.c.due_at <= sa.bindparam("now"),
    sa.exists().where(connections.c.issue_id == issues.c.id),
)
_EXPIRY = sa.select(jira_installations.c.id, jira_installations.c.system_token_expires_at).where(
    jira_installations.c.removed_at.is_(None)
)
_WORKERS = sa.text(
    "SELECT count(*) FROM flagpost_jobs.procrastinate_workers"
    " WHERE last_heartbeat > now() - make_interval(secs => :seconds)"
)
_JOBS = sa.text(
    "SELECT count(*) FILTER (WHERE status = 'todo'), count(*) FILTER (WHERE status = 'doing')"
    " FROM flagpost_jobs.procrastinate_jobs WHERE status IN ('todo', 'doing')"
)


def site_figures(tx: Transaction, now: int) -> list[SiteFigures]:
    """The figures of every site, connected or not."""
    pending = {account: (count, oldest) for account, count, oldest in tx.execute(_PENDING)}
    refused = {row[0]: row[1] for row in tx.execute(_REFUSED)}
    expiries = {row[0]: row[1] for row in tx.execute(_EXPIRY)}
    return [
        SiteFigures(
            site,
            *pending.get(site.account_id, (0, None)),
            refused.get(site.account_id, 0),
            tx.scalar(_DUE, {"account": site.account_id, "now": now}) or 0,
            expiries.get(site.installation_id),
        )
        for site in sites(tx)
    ]


def queue(tx: Transaction) -> Queue:
    """The state of the queue. On PostgreSQL only."""
    workers = tx.scalar(_WORKERS, {"seconds": _ALIVE_WITHIN_SECONDS}) or 0
    waiting, running = tx.execute(_JOBS).one()
    return Queue(workers, waiting, running)
