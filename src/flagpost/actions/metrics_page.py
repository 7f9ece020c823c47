"""The metrics page: the metrics of this process, and the state of the database at each scrape."""

from collections.abc import Iterator

import structlog

from flagpost.actions.context import Context
from flagpost.store import health
from flagpost.store.jira import metrics as stored
from flagpost.store.jira.integrations import Site
from flagpost.store.jira.metrics import Queue, SiteFigures
from flagpost.telemetry import metrics
from flagpost.telemetry.metrics import DatabaseGauge, Samples

log = structlog.get_logger(__name__)

_Sample = tuple[DatabaseGauge, tuple[str, ...], float]


def page(ctx: Context, engine_alive: bool, queue: Queue | None) -> bytes:
    """The metrics of this process and of the database, for Prometheus.

    `queue` is None if the queue is in the database. If the database cannot be used, that is a metric too, and the
    metrics of the process are still there.
    """
    try:
        samples = list(_from_database(ctx, queue))
    except Exception:
        log.exception("metrics.database_unread")
        samples = [(metrics.DATABASE_UP, (), 0.0)]
    return metrics.exposition([(metrics.ENGINE_UP, (), float(engine_alive)), *samples])


def _from_database(ctx: Context, queue: Queue | None) -> Samples:
    if health.trouble(ctx.db):
        return [(metrics.DATABASE_UP, (), 0.0)]
    now = ctx.clock()
    with ctx.db.read() as tx:
        found = stored.site_figures(tx, now)
        queue = queue or stored.queue(tx)
    of_sites = [sample for one in found for sample in _of_site(one, now)]
    return [(metrics.DATABASE_UP, (), 1.0), *_of_queue(queue), *of_sites]


def _of_queue(queue: Queue) -> Iterator[_Sample]:
    yield metrics.WORKERS, (), queue.workers
    yield metrics.JOBS, ("waiting",), queue.waiting
    yield metrics.JOBS, ("running",), queue.running


def _of_site(one: SiteFigures, now: int) -> Iterator[_Sample]:
    site = one.site
    name = (site.site_url,)
    for state in metrics.SITE_STATES:
        yield metrics.SITE_STATE, (*name, state), float(state == _state(site, now))
    yield metrics.FLAGS_PENDING, name, one.pending
    oldest = now if one.pending_since is None else one.pending_since
    yield metrics.OLDEST_PENDING_SECONDS, name, max(0, now - oldest) / 1000
    yield metrics.FLAGS_REFUSED, name, one.refused
    under_way = site.resync_started_at is not None and site.resync_finished_at is None
    yield metrics.RESYNC_REMAINING, name, min(one.pending, site.resync_total) if under_way else 0
    yield metrics.ISSUES_DUE, name, one.issues_due
    yield metrics.SITE_MOVED, name, float(site.moved_to is not None)
    if site.last_success_at is not None:
        yield metrics.LAST_SUCCESS, name, site.last_success_at / 1000
    if one.token_expires_at is not None:
        yield metrics.TOKEN_EXPIRES, name, one.token_expires_at / 1000


def _state(site: Site, now: int) -> str:
    """The state of a site. If several apply, the one that lasts longest."""
    if site.disconnected_at:
        return "disconnected"
    if site.suspended_reason:
        return "suspended"
    if (site.quota_resets_at or 0) > now:
        return "quota_exceeded"
    return "paused" if (site.paused_until or 0) > now else "delivering"
