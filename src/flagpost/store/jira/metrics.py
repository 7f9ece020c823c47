"""How things stand, for whoever watches: a few numbers, each from one query that an index answers.

They are read at every scrape, so none of them may grow with how much there is, only with how much is waiting.
"""

from dataclasses import dataclass

import sqlalchemy as sa

from flagpost.store.db import Transaction
from flagpost.store.jira.integrations import Site, sites
from flagpost.store.schema.jira import connections, issues, jira_installations, outbox_entries


@dataclass(frozen=True, slots=True)
class SiteFigures:
    """One site, and what Jira has yet to hear there. Times are in milliseconds; None where there is none."""

    site: Site
    behind: int
    oldest_wanted_at: int | None
    refused: int
    issues_due: int
    token_expires_at: int | None


@dataclass(frozen=True, slots=True)
class Queue:
    """The queue on PostgreSQL: `workers` are the processes that told within the last moments that they live."""

    workers: int
    waiting: int
    running: int


_ALIVE_WITHIN_SECONDS = 12.0  # after which the others strike a worker's jobs off: see `flagpost.jobs.postgres`
_BEHIND = (
    sa.select(outbox_entries.c.account_id, sa.func.count(), sa.func.min(outbox_entries.c.wanted_at))
    .where(outbox_entries.c.wanted > outbox_entries.c.delivered)
    .group_by(outbox_entries.c.account_id)
)
_REFUSED = (
    sa.select(outbox_entries.c.account_id, sa.func.count())
    .where(outbox_entries.c.refused.is_not(None))
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
    """Of every site, connected or not."""
    behind = {account: (count, oldest) for account, count, oldest in tx.execute(_BEHIND)}
    refused = {row[0]: row[1] for row in tx.execute(_REFUSED)}
    expiries = {row[0]: row[1] for row in tx.execute(_EXPIRY)}
    return [
        SiteFigures(
            site,
            *behind.get(site.account_id, (0, None)),
            refused.get(site.account_id, 0),
            tx.scalar(_DUE, {"account": site.account_id, "now": now}) or 0,
            expiries.get(site.installation_id),
        )
        for site in sites(tx)
    ]


def queue(tx: Transaction) -> Queue:
    """The queue's state. On PostgreSQL only."""
    workers = tx.scalar(_WORKERS, {"seconds": _ALIVE_WITHIN_SECONDS}) or 0
    waiting, running = tx.execute(_JOBS).one()
    return Queue(workers, waiting, running)
