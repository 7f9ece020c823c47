"""Delivering pending changes to one Jira site.

**Nothing is lost.** A change raises its flag's `latest_version` in its own transaction (`store.jira.outbox`). A
delivery works off the table, not a message: it sends every flag with `latest_version > delivered_version`, in the
flag's present state. A crash at any point leaves `delivered_version` as it was, and the next delivery sends the flag
again. Sending twice is harmless, because Jira ignores a version that it has. Requests for a resync and for removals are
rows too, and the transaction that has done what a row asks for, or has made all of it pending, also ends the row.

**Order.** A delivery reads entries and flags in one snapshot of the database, so the state that goes out with version
*w* is at least as new as *w*. A change that commits while a request is on its way raises `latest_version` above *w*.
Recording `delivered_version = w` then leaves the flag pending, and it goes out once more. Only one delivery runs for a
site at a time (`flagpost.jobs` ensures it), so a request with an older state never overtakes one with a newer state.
Should two run all the same, the version decides in Jira. The exception is a delete, which Jira carries out
unconditionally, and a little later: a flag that is sent within minutes of its delete is compared with Jira, and sent
again where Jira deleted it (`flagpost.jira.reconciliation`).

**Deletes.** A flag that Jira must not show is deleted there only where Jira may hold it. So `may_exist_remotely` is
committed *before* the first send. Where the process dies after Jira stored the flag and before the result was recorded,
a delete that becomes necessary later is still sent. `flagpost.jira.flag_deleter` says what happens where Jira refuses
to delete.

**Failures.** Where Jira fails at a request (500 and the like), the site rests, and everything is tried again. Where
that goes on, one flag may be what Jira fails at. The batch is halved until that flag is found, and its version is
deferred, with Jira's message, while the other flags go on. A deferral covers no newer version of the flag
(`outbox.defer`).

**Limits.** Every request waits for its turn (`flagpost.jira.rate_limits`). A flag whose issues were written as often as
Jira allows is passed over, and the flags after it go first. Where every pending flag has to wait, so does the delivery.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from flagpost.errors import JiraError
from flagpost.jira.batch import Batch, Group, load_batch
from flagpost.jira.client import JiraClient
from flagpost.jira.failure_policy import FailurePolicy, Stop, error_kind, one_flag_is_to_blame
from flagpost.jira.flag_deleter import FlagDeleter
from flagpost.jira.flags_api import FlagsApi
from flagpost.jira.payload import MAX_FLAGS
from flagpost.jira.rate_limits import RateLimited, RateLimiter
from flagpost.jira.removal import Remover
from flagpost.jira.response import JiraResponse
from flagpost.jira.result_recorder import ResultRecorder
from flagpost.jira.site_access import Keyring, TokenNotGiven, WaitingForToken
from flagpost.jira.site_resync import begin_site_resync
from flagpost.jira.site_tasks import SiteTasks
from flagpost.jira.submission import RequestFailed, Submitter
from flagpost.store.db import Database
from flagpost.store.jira import integrations, outbox, removals
from flagpost.store.jira.delivery_log import NOTHING, Delivered
from flagpost.store.jira.delivery_results import DeliveryResult
from flagpost.store.jira.integrations import Site
from flagpost.store.jira.outbox import OutboxEntry
from flagpost.telemetry import tracing
from flagpost.telemetry.logging import as_delivery, naming_changes
from flagpost.telemetry.metrics import DELIVERIES, DELIVERY_FAILURES, DELIVERY_LAG_SECONDS

log = structlog.get_logger(__name__)

_MOST_LOOKED_AT = 32 * MAX_FLAGS  # entries in one round, where those before them have to wait for their issues
_LONGEST_PAUSE_SECONDS = 2.0


@dataclass
class Delivery:
    """Delivers to the Jira site of one account at a time; shared by all threads."""

    db: Database
    client: JiraClient
    keyring: Keyring
    limiter: RateLimiter
    clock: Callable[[], int]
    public_url: str
    pause: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        self._failure_policy = FailurePolicy(self.db, self.clock)
        self._recorder = ResultRecorder(self.db, self.limiter, self.clock)
        self._submitter = Submitter(self._recorder)
        self._deleter = FlagDeleter(self.db, self._recorder, self.clock, self.public_url)
        remover = Remover(self.db, self._failure_policy, self.clock, self.pause)
        self._site_tasks = SiteTasks(self.db, remover, self._deleter.known_refusal, self.clock)

    def deliver(self, account_id: str, stopping: Callable[[], bool] = lambda: False) -> None:
        """Send everything that is pending to the account's Jira site, or as much as it takes now.

        Ends early, after the batch in hand, once `stopping` says so. Raises nothing for what Jira answers: the rows of
        the site and of the flags say it.
        """
        site = self._deliverable_site(account_id)
        if site is None:
            return
        with as_delivery() as delivery, tracing.span("delivery", delivery=delivery, site=site.site_url) as span:
            outcome = "crashed"
            try:
                outcome = self._outcome(site, stopping)
            finally:
                DELIVERIES.labels(outcome).inc()
                span.set(outcome=outcome)

    def _deliverable_site(self, account_id: str) -> Site | None:
        with self.db.read() as tx:
            site = integrations.site_of_account(tx, account_id)
        if site and site.pause_began_in_future(self.clock()):
            self._failure_policy.rebase_pause(site)
            return None
        return site if site and site.may_deliver(self.clock()) else None

    def _outcome(self, site: Site, stopping: Callable[[], bool]) -> str:
        try:
            return "done" if self._deliver(self._api(site), stopping) else "stopped"
        except Stop as stop:
            return "failed" if stop.failed else "stopped"
        except RateLimited:
            return "stopped"
        except WaitingForToken as error:
            DELIVERY_FAILURES.labels("token_missing").inc()
            self._failure_policy.note_error(site, error.message)
        except JiraError as error:
            self._back_off_or_suspend(site, error)
        return "failed"

    def _api(self, site: Site) -> FlagsApi:
        writes = self.limiter.begin_delivery(site.cloud_id, site.last_success_at, self.clock())
        return FlagsApi(site, self.client, self.keyring, self.limiter, writes, self.pause)

    def _back_off_or_suspend(self, site: Site, error: JiraError) -> None:
        DELIVERY_FAILURES.labels(error_kind(error)).inc()
        if error.permanent:
            self._failure_policy.suspend(site, error.message)
        else:
            asked = error.retry_after if isinstance(error, TokenNotGiven) else None
            self._failure_policy.back_off(site, error.message, asked)

    def _deliver(self, api: FlagsApi, stopping: Callable[[], bool]) -> bool:
        """Whether nothing is left to do."""
        if api.site.resync_requested_at is not None:
            begin_site_resync(self.db, api.site, self.clock())
        self._site_tasks.sweep_removals(api)
        look_at = MAX_FLAGS
        while not stopping():
            batch = self._next_batch(api, look_at)
            if batch is None:
                self._site_tasks.finish(api)
                return True
            self._process_batch(api, batch)
            if not batch.empty:
                look_at = MAX_FLAGS
            elif look_at < _MOST_LOOKED_AT:
                look_at *= 2
            else:
                self.pause(min(batch.wait, _LONGEST_PAUSE_SECONDS))
        return False

    # One round ---------------------------------------------------------------------------------------------------

    def _next_batch(self, api: FlagsApi, look_at: int) -> Batch | None:
        """The next round; None where nothing is left. Raises Stop where the site may not be delivered to any more."""
        account_id, now = api.site.account_id, self.clock()
        with self.db.read() as tx:
            site = integrations.site_of_account(tx, account_id)
            if site is None or not site.may_deliver(now) or _is_another(site, api.site):
                raise Stop
            return load_batch(tx, account_id, self.public_url, api.writes, look_at=look_at, now=now)

    def _process_batch(self, api: FlagsApi, batch: Batch) -> None:
        if batch.absent:
            self._recorder.record(api.site, [_nothing_to_do(entry) for entry in batch.absent])
        self._mark_may_exist_remotely(batch)
        for group in batch.sends:
            with self._request_context(api.site, group):
                self._submitter.send(api, group.entries, batch.states)
        for group in batch.deletions:
            with self._request_context(api.site, group):
                self._deleter.delete(api, group.entries[0])

    def _mark_may_exist_remotely(self, batch: Batch) -> None:
        new = [entry.flag_id for group in batch.sends for entry in group.entries if not entry.may_exist_remotely]
        if new:
            with self.db.write() as tx:
                outbox.mark_may_exist_remotely(tx, new)

    @contextmanager
    def _request_context(self, site: Site, group: Group) -> Iterator[None]:
        """Name the requests whose changes a group carries in logs and traces, and measure how long each change took.

        Where the block fails, its entries are what a failure of Jira's is about.
        """
        carried = group.carried
        with naming_changes(carried.ids, carried.more), tracing.span("batch", flags=len(group.entries)) as span:
            span.set(changes=list(carried.ids) or None, changes_more=carried.more or None)
            try:
                yield
            except RequestFailed as failed:
                self._defer_culprit(site, failed)
                self._failure_policy.fail(site, failed.response)
        now = self.clock()
        for entry in group.entries:
            DELIVERY_LAG_SECONDS.observe(max(0, now - entry.pending_since) / 1000)

    def _defer_culprit(self, site: Site, failed: RequestFailed) -> None:
        """Defer the version of a single flag that Jira fails at, so that the next delivery sends the other flags."""
        entry, response = failed.culprit, failed.response
        if entry is None or not _is_to_blame(site, entry, response):
            return
        message = f"Jira fails at it again and again ({response.status}): {response.error_message()}"
        with self.db.write() as tx:
            deferred = outbox.defer(tx, entry, self.clock(), message)
        if deferred:
            log.warning("jira.flag_deferred", site=site.site_url, flag=entry.flag_id, status=response.status)


def _nothing_to_do(entry: OutboxEntry) -> Delivered:
    absent = DeliveryResult(entry.flag_id, entry.latest_version, may_exist_remotely=False)
    return Delivered(entry, absent, NOTHING)


def _is_to_blame(site: Site, entry: OutboxEntry, response: JiraResponse) -> bool:
    again = response.is_server_error and entry.failed_attempts > 0
    return again or one_flag_is_to_blame(site, response)


def _is_another(site: Site, begun_with: Site) -> bool:
    """Whether the account was connected anew since this delivery began: connecting has woken another delivery."""
    return (site.id, site.installation_id) != (begun_with.id, begun_with.installation_id)


def accounts_to_deliver(db: Database, clock: Callable[[], int]) -> Iterator[str]:
    """The accounts whose delivery has something to do now: what the sweep wakes."""
    now = clock()
    with db.read() as tx:
        waiting = {*outbox.accounts_with_pending(tx, now), *integrations.accounts_with_site_work(tx)}
        waiting |= set(removals.accounts_with_unfinished(tx))
        for account_id in sorted(waiting):
            site = integrations.site_of_account(tx, account_id)
            if site and (site.may_deliver(now) or site.pause_began_in_future(now)):
                yield account_id
