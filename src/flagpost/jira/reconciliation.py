"""Reconciliation: does Jira show what was sent? Flags are read from Jira and compared, and what differs is sent again.

Jira accepts flags before it stores them, may lose one, and can be written to by others with the same credentials. So a
run reads every flag that Jira holds, or was asked to delete, back by its id, and compares it with the payload of the
flag's *present* state. What differs is repaired in the way that everything is sent: its version is raised, and delivery
does the rest. Nothing here writes to Jira. One step goes through these stages:

1. load the next candidates, and what Jira should show of each (`_load`)
2. read them from Jira, as many as its limits allow now (`flagpost.jira.flag_reader`)
3. compare (`flagpost.jira.comparison`), and decide about each difference (`flagpost.jira.reconciliation_decisions`)
4. record the findings and how far the run has come, in the transaction of the decisions

**What is no finding.** A flag with a pending change differs rightly. It is skipped; where the change commits while the
flag is read, the repair finds that the entry's version is not what it was, and does nothing. Jira answers before it has
stored a flag ("ignoring pending updates or deletes"), so a flag that was sent within the last minute and differs is
compared again a minute later. What Jira refused is known already, and shown elsewhere.

**Late deletes.** *Problem*: a flag is disconnected, deleted in Jira, connected again at once and sent; then Jira
carries out the delete, and the flag is gone, though Jira accepted it. *Solution*: what is sent within ten minutes of a
delete is compared with Jira (`compare_at`, set by `store.jira.delivery_results`), a minute later and then ever less
often, until no delete can be late.

**Late updates.** *Problem*: the response to an update is late, or lost with its process; the flag is disconnected and
deleted; then Jira stores the update, and shows a flag that Flagpost takes for gone. *Solution*: what was deleted is
compared in the same way, and deleted again where Jira holds it.

**No endless repairs.** A difference that stays after the flag was sent twice is reported and left alone: then it is
Jira's way of storing it, or something else writes there. Where Jira does not let flags be read, which is not documented
for OAuth credentials, the run says so and ends; the next one, a night later, tries once.

**Where it stopped.** A run is a row that says how far it has come. It proceeds in steps of a few flags, each recorded
in one transaction, in one process at a time (`flagpost.jobs`). Where that process is killed, another one goes on. A run
reads at most as many flags as its budget, a few a second, and the next run goes on after the last flag of this one.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from flagpost.jira.client import JiraClient
from flagpost.jira.failure_policy import FailurePolicy
from flagpost.jira.flag_reader import FlagReader, Halt, HaltKind, Readings
from flagpost.jira.flags_api import FlagsApi
from flagpost.jira.payload import JiraFlagState
from flagpost.jira.rate_limits import RateLimiter
from flagpost.jira.reconciliation_decisions import Compared, compare, decide, schedule_next
from flagpost.jira.site_access import OAUTH, Keyring
from flagpost.jira.sliding_window import SlidingWindow
from flagpost.store.db import Database, Transaction
from flagpost.store.jira import comparison_candidates, integrations, payload_source, reconciliations
from flagpost.store.jira.comparison_candidates import Candidate
from flagpost.store.jira.delivery_results import COMPARE_AFTER_MS
from flagpost.store.jira.integrations import Site
from flagpost.store.jira.reconciliations import Counts, Reconciliation

log = structlog.get_logger(__name__)

NEVER = -1
_STEP = 20
_REST_MS = 60_000


@dataclass
class Reconciler:
    """Carries out the runs of every connected site, one at a time. `hour`: of the nightly run (UTC), or NEVER.

    `budget`: how many flags one run reads at most.
    """

    db: Database
    client: JiraClient
    keyring: Keyring
    limiter: RateLimiter
    clock: Callable[[], int]
    public_url: str
    hour: int
    budget: int
    pause: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.monotonic
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._reader = FlagReader(FailurePolicy(self.db, self.clock))

    def run(self) -> None:
        """Request the nightly runs that are due, and do one step of every run and comparison that is due."""
        with self._lock:
            sites = self._sites()
            self._request_nightly(sites)
            with self.db.read() as tx:
                with_due = comparison_candidates.accounts_with_due(tx, self.clock())
                with_runs = set(reconciliations.accounts_with_unfinished(tx))
            for site in sites:
                if site.account_id in with_due:
                    self._compare_due(site)
                if site.account_id in with_runs:
                    self._continue_run(site)

    def _sites(self) -> list[Site]:
        """The sites that may be read now. Ends the runs of accounts that have no site any more."""
        now = self.clock()
        with self.db.read() as tx:
            found = integrations.connected_sites(tx)
            orphans = set(reconciliations.accounts_with_unfinished(tx)) - {site.account_id for site in found}
        for account_id in orphans:
            with self.db.write() as tx:
                for run in reconciliations.unfinished(tx, account_id):
                    reconciliations.finish(tx, run, reconciliations.GONE, "No Jira site is connected any more.", now)
        return [site for site in found if site.may_deliver(now) and site.resync_requested_at is None]

    # Every night -------------------------------------------------------------------------------------------------

    def _request_nightly(self, sites: Sequence[Site]) -> None:
        due = self._last_nightly_hour()
        if due is None:
            return
        with self.db.read() as tx:
            requested = reconciliations.accounts_with_nightly_run(tx, due)
            requested |= set(reconciliations.accounts_with_unfinished(tx))
        for site in sites:
            if due >= site.connected_at and site.account_id not in requested:
                with self.db.write() as tx:
                    now = self.clock()
                    reconciliations.request(
                        tx, site.account_id, reconciliations.NIGHTLY, site.site_url, now, "Flagpost"
                    )

    def _last_nightly_hour(self) -> int | None:
        """When it was last the hour of the nightly run, in milliseconds."""
        if self.hour == NEVER:
            return None
        now = datetime.fromtimestamp(self.clock() / 1000, UTC)
        today = now.replace(hour=self.hour, minute=0, second=0, microsecond=0)
        return int((today if today <= now else today - timedelta(days=1)).timestamp() * 1000)

    # A step of a run ---------------------------------------------------------------------------------------------

    def _continue_run(self, site: Site) -> None:
        now = self.clock()
        with self.db.read() as tx:
            unfinished = reconciliations.unfinished(tx, site.account_id)
        run = next((one for one in unfinished if (one.resume_at or 0) <= now), None)
        if run is not None:
            self._step(site, self._begin(run) if run.started_at is None else run)

    def _begin(self, run: Reconciliation) -> Reconciliation:
        with self.db.write() as tx:
            total = 1 if run.flag_id else comparison_candidates.count(tx, run.account_id)
            reconciliations.update(tx, run, started_at=self.clock(), total=total)
            found = reconciliations.find(tx, run.account_id, run.id)
        return found or run

    def _step(self, site: Site, run: Reconciliation) -> None:
        candidates, states = self._load(site, lambda tx: self._next(tx, run))
        readings = self._read(site, candidates, paced=run.flag_id is None)
        compared = compare(readings.read, states)
        if halt := readings.halt or self._unproven(site, compared, run):
            self._halt(site, run, halt)
            return
        counts = _counts(readings)
        with self.db.write() as tx:
            findings = decide(tx, compared, counts, self.clock())
            reconciliations.add_findings(tx, run, findings)
            reconciliations.update(tx, run, counts, message="", **_progress(run, candidates, readings.seen))
            self._finish_if_over(tx, run, candidates, readings)
        if findings:
            log.warning("jira.differences", site=site.site_url, flags=len(findings), repaired=counts.repaired)

    def _next(self, tx: Transaction, run: Reconciliation) -> list[Candidate]:
        if run.flag_id:
            return comparison_candidates.of_flag(tx, run.flag_id)
        room = max(1, min(self.budget - run.read, _STEP))
        until = run.start_after if run.wrapped_around else ""
        return comparison_candidates.after(tx, run.account_id, run.position, until, room)

    def _halt(self, site: Site, run: Reconciliation, halt: Halt) -> None:
        """Nothing could be read: end the run where Jira never allows it, or let it rest where Jira failed."""
        with self.db.write() as tx:
            if halt.kind is HaltKind.UNREADABLE:
                reconciliations.finish(tx, run, reconciliations.UNREADABLE, halt.message, self.clock())
                log.warning("jira.flags_unreadable", site=site.site_url, message=halt.message)
            elif halt.kind is HaltKind.FAILED:
                reconciliations.update(tx, run, message=halt.message, resume_at=self.clock() + _REST_MS)

    def _finish_if_over(
        self, tx: Transaction, run: Reconciliation, candidates: Sequence[Candidate], readings: Readings
    ) -> None:
        read = run.read + len(readings.read)
        if _is_over(run, candidates, readings.seen):
            reconciliations.finish(tx, run, reconciliations.DONE, "", self.clock())
        elif read >= self.budget:
            message = f"It has read {read} flags, as many as it may. The next one goes on from there."
            reconciliations.finish(tx, run, reconciliations.BUDGET, message, self.clock())

    # Comparisons after a delete ----------------------------------------------------------------------------------

    def _compare_due(self, site: Site) -> None:
        now = self.clock()
        candidates, states = self._load(site, lambda tx: comparison_candidates.due(tx, site.account_id, now, _STEP))
        if not candidates:
            return
        readings = self._read(site, candidates, paced=False)
        compared = compare(readings.read, states)
        if halt := readings.halt or self._unproven(site, compared, None):
            self._postpone(site, candidates, halt)
            return
        counts = _counts(readings)
        with self.db.write() as tx:
            comparison_candidates.lock(tx, candidates)
            comparison_candidates.postpone(tx, readings.skipped, now + COMPARE_AFTER_MS)
            schedule_next(tx, compared, now)
            findings = decide(tx, compared, counts, now)
            if findings:
                name = findings[0].flag_name
                run = reconciliations.request(tx, site.account_id, reconciliations.LATER, name, now, "Flagpost")
                reconciliations.add_findings(tx, run, findings)
                reconciliations.update(tx, run, counts, started_at=now, total=len(readings.read))
                reconciliations.finish(tx, run, reconciliations.DONE, "", now)

    def _postpone(self, site: Site, candidates: Sequence[Candidate], halt: Halt) -> None:
        """Nothing could be read: compare later, or no more where Jira never lets flags be read."""
        if halt.kind is HaltKind.NO_ROOM:
            return
        log.info("jira.comparison_postponed", site=site.site_url, message=halt.message)
        again = None if halt.kind is HaltKind.UNREADABLE else self.clock() + COMPARE_AFTER_MS
        with self.db.write() as tx:
            comparison_candidates.postpone(tx, candidates, again)

    # Stages of both ----------------------------------------------------------------------------------------------

    def _load(
        self, site: Site, find: Callable[[Transaction], list[Candidate]]
    ) -> tuple[list[Candidate], dict[str, JiraFlagState]]:
        """The candidates, and what Jira should show of each of their flags."""
        with self.db.read() as tx:
            candidates = find(tx)
            entries = [one.entry for one in candidates]
            states = payload_source.load_flag_states(tx, site.account_id, entries, self.public_url)
        return candidates, states

    def _read(self, site: Site, candidates: Sequence[Candidate], *, paced: bool) -> Readings:
        writes = SlidingWindow(self.now, None)
        api = FlagsApi(site, self.client, self.keyring, self.limiter, writes, self.pause)
        return self._reader.read(api, candidates, self.now, paced=paced)

    def _unproven(self, site: Site, compared: Sequence[Compared], run: Reconciliation | None) -> Halt | None:
        """With OAuth credentials, 404 may mean that flags cannot be read at all, until Jira has shown any flag."""
        readable = any(one.reading.response.ok for one in compared)
        if site.auth_method != OAUTH or readable or not any(one.difference for one in compared):
            return None
        if run and run.found:
            return None
        with self.db.read() as tx:
            if reconciliations.ever_found(tx, site.account_id, site.connected_at):
                return None
        return Halt(
            HaltKind.UNREADABLE,
            "Jira answers 404 to reading any flag. Whether OAuth credentials may read flags is not documented, so "
            "nothing is concluded from it. “Resync” makes sure.",
        )


def _counts(readings: Readings) -> Counts:
    found = sum(one.response.ok for one in readings.read)
    return Counts(read=len(readings.read), found=found, skipped=len(readings.skipped))


def _progress(run: Reconciliation, candidates: Sequence[Candidate], seen: int) -> dict[str, Any]:
    """The columns that say where a run is, after it has done the first `seen` of these candidates."""
    if not candidates and run.start_after and not run.wrapped_around:
        return {"position": "", "wrapped_around": True}
    return {"position": candidates[seen - 1].entry.flag_id} if seen else {}


def _is_over(run: Reconciliation, candidates: Sequence[Candidate], seen: int) -> bool:
    if run.flag_id:
        return bool(seen) or not candidates
    return not candidates and (run.wrapped_around or not run.start_after)
