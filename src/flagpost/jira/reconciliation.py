"""Does Jira show what it was told? Flags are read back, compared, and what differs is sent again.

Jira accepts flags before it stores them, may lose one, and can be written to by others with the same credentials. So a
check reads every flag that Jira holds, or was asked to delete, back by its id, and compares that with the payload of
its *present* state. What differs is repaired in the way everything is told: its `wanted` is raised, and delivery does
the rest. Nothing here writes to Jira.

**What is no drift.** A flag with a change that Jira has yet to hear of differs rightly. It is left out, and where the
change comes while the flag is being read, the repair finds that `wanted` or `delivered` is not what it was, and does
nothing. Jira answers before it has stored ("ignoring pending updates or deletes"), so one that was told within the last
minute and differs is put off, and read again a minute later. What Jira refused is known already, and shown elsewhere.

**Late deletes.** *Problem*: a flag is disconnected, deleted in Jira, connected again at once and sent; then Jira works
the delete off, and the flag is gone, though Jira accepted it. *Solution*: what is sent within ten minutes of a delete
is marked for being read back (`store.jira.outbox`), a minute later and then ever less often until no delete can be
late.

**Late updates.** *Problem*: an update is not answered in time, or by a process that dies; the flag is disconnected and
deleted; then Jira stores the update, and shows a flag that Flagpost took for gone. *Solution*: what was deleted is read
back in the same way, and deleted again where it is there.

**Never in a circle.** A difference that stays after it was sent twice is reported and left alone: then it is Jira's way
of writing things down, or somebody else writes there. Where Jira does not let flags be read, which is not documented
for OAuth credentials, the check says so and ends; the next one, a night later, asks once.

**Where it stopped.** A check is a row that says how far it has come. It is worked off in stretches of a few flags, each
recorded in one transaction, by whichever process runs this chore, one at a time (`jobs`). One that is killed is gone on
with by the next that looks. It reads at most as many flags as its budget, a few in a second, and the next check goes on
behind the last flag of the one before.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from flagpost.errors import JiraError
from flagpost.jira.client import Answer, JiraClient
from flagpost.jira.comparison import NEWER, OTHER, difference
from flagpost.jira.failure_policy import FailurePolicy
from flagpost.jira.flags_api import FlagsApi
from flagpost.jira.payload import JiraFlagState, flag_payload
from flagpost.jira.rate_limits import Limits, RateLimited, SlidingWindow, TokenBucket, is_quota
from flagpost.jira.site_access import OAUTH, Keyring
from flagpost.store.db import Database, Transaction
from flagpost.store.jira import integrations, payload_source, reconciliations
from flagpost.store.jira.integrations import Site
from flagpost.store.jira.outbox import DELETES_LATE_MS
from flagpost.store.jira.reconciliations import Candidate, Check, Counts, Finding

log = structlog.get_logger(__name__)

NEVER = -1
_AT_ONCE, _PER_SECOND = 20.0, 4.0  # reads; each costs two of Atlassian's points, of which there are 65,000 an hour
_STRETCH = 20
_STRETCH_SECONDS = 2.0
_SETTLED_MS = 55_000
_AGAIN_MS = 60_000
_REST_MS = 60_000
_REPAIRS = 2
_REPAIRS_WITHIN_MS = 7 * 24 * 3_600_000
_UNREADABLE = frozenset({400, 401, 403, 405})


class Unreadable(Exception):
    """Jira does not let flags be read; the text says how it said so."""


@dataclass(frozen=True, slots=True)
class _Read:
    """One flag with what Jira answered. `differs`: of which kind, and in words; None where all is as it should be."""

    candidate: Candidate
    answer: Answer
    differs: tuple[str, str] | None


@dataclass
class DriftChecker:
    """Works checks off, of every connected site; one call at a time. `hour`: of the nightly check (UTC), or NEVER.

    `budget`: how many flags one check reads at most.
    """

    db: Database
    client: JiraClient
    keyring: Keyring
    limits: Limits
    clock: Callable[[], int]
    public_url: str
    hour: int
    budget: int
    pause: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.monotonic
    _paces: dict[str, TokenBucket] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self) -> None:
        """Ask for the nightly checks that are due, and go on with those under way."""
        with self._lock:
            sites = self._sites()
            self._ask_nightly(sites)
            with self.db.read() as tx:
                to_read_back = reconciliations.accounts_to_read_back(tx, self.clock())
                to_go_on = set(reconciliations.accounts_with_unfinished(tx))
            for site in sites:
                if site.account_id in to_read_back:
                    self._read_back(site)
                if site.account_id in to_go_on:
                    self._go_on(site)

    def _sites(self) -> list[Site]:
        now = self.clock()
        with self.db.read() as tx:
            found = integrations.connected_sites(tx)
            orphans = set(reconciliations.accounts_with_unfinished(tx)) - {site.account_id for site in found}
        for account_id in orphans:
            with self.db.write() as tx:
                for check in reconciliations.unfinished(tx, account_id):
                    reconciliations.finish(tx, check, reconciliations.GONE, "No Jira site is connected any more.", now)
        return [site for site in found if site.may_be_told(now) and site.resend_wanted_at is None]

    # Every night -------------------------------------------------------------------------------------------------

    def _ask_nightly(self, sites: Sequence[Site]) -> None:
        due = self._last_hour()
        if due is None:
            return
        with self.db.read() as tx:
            asked = reconciliations.accounts_asked_nightly(tx, due) | set(reconciliations.accounts_with_unfinished(tx))
        for site in sites:
            if due >= site.connected_at and site.account_id not in asked:
                with self.db.write() as tx:
                    reconciliations.request(
                        tx, site.account_id, reconciliations.NIGHTLY, site.site_url, self.clock(), "Flagpost"
                    )

    def _last_hour(self) -> int | None:
        """When it was last the hour of the nightly check, in milliseconds."""
        if self.hour == NEVER:
            return None
        now = datetime.fromtimestamp(self.clock() / 1000, UTC)
        today = now.replace(hour=self.hour, minute=0, second=0, microsecond=0)
        return int((today if today <= now else today - timedelta(days=1)).timestamp() * 1000)

    # A stretch of a check ----------------------------------------------------------------------------------------

    def _go_on(self, site: Site) -> None:
        now = self.clock()
        with self.db.read() as tx:
            check = next(
                (one for one in reconciliations.unfinished(tx, site.account_id) if (one.rest_until or 0) <= now), None
            )
        if check is None:
            return
        if check.started_at is None:
            check = self._begin(check)
        try:
            self._stretch(site, check)
        except Unreadable as error:
            with self.db.write() as tx:
                reconciliations.finish(tx, check, reconciliations.UNREADABLE, str(error), self.clock())
            log.warning("jira.drift_unreadable", site=site.site_url, said=str(error))
        except JiraError as error:
            with self.db.write() as tx:
                reconciliations.update(tx, check, words=error.message, rest_until=self.clock() + _REST_MS)

    def _begin(self, check: Check) -> Check:
        with self.db.write() as tx:
            total = 1 if check.flag_id else reconciliations.count_candidates(tx, check.account_id)
            reconciliations.update(tx, check, started_at=self.clock(), total=total)
            found = reconciliations.find(tx, check.account_id, check.id)
        return found or check

    def _stretch(self, site: Site, check: Check) -> None:
        room = min(self.budget - check.read, _STRETCH) if check.flag_id is None else 1
        with self.db.read() as tx:
            rows = self._next(tx, check, max(room, 1))
            to_tell = self._to_tell(tx, site, rows)
        waiting, reads = self._ask_for(site, check, rows, to_tell)
        seen = len(waiting) + len(reads)
        counts = Counts(read=len(reads), shown=sum(one.answer.ok for one in reads), waiting=len(waiting))
        with self.db.write() as tx:
            found = list(self._judge(tx, reads, counts))
            reconciliations.add_findings(tx, check, found)
            reconciliations.update(tx, check, counts, words="", **_onwards(check, rows, seen))
            if _is_through(check, rows, seen):
                reconciliations.finish(tx, check, reconciliations.DONE, "", self.clock())
            elif check.read + len(reads) >= self.budget:
                words = (
                    f"It has read {check.read + len(reads)} flags, as many as it may. The next one goes on from there."
                )
                reconciliations.finish(tx, check, reconciliations.BUDGET, words, self.clock())
        if found:
            log.warning("jira.drift", site=site.site_url, flags=len(found), repaired=counts.repaired)

    def _next(self, tx: Transaction, check: Check, limit: int) -> list[Candidate]:
        if check.flag_id:
            return reconciliations.candidate(tx, check.flag_id)
        until = check.first if check.went_round else ""
        return reconciliations.candidates(tx, check.account_id, check.position, until, limit)

    def _to_tell(self, tx: Transaction, site: Site, rows: Sequence[Candidate]) -> dict[str, JiraFlagState]:
        wanted = [row.push for row in rows]
        return payload_source.load_flag_states(tx, site.account_id, wanted, self.public_url) if wanted else {}

    # Reading -----------------------------------------------------------------------------------------------------

    def _ask_for(
        self, site: Site, check: Check | None, rows: Sequence[Candidate], to_tell: dict[str, JiraFlagState]
    ) -> tuple[list[Candidate], list[_Read]]:
        """Those that are left out, and what Jira holds of the others: as many of them as its limits have room for now.

        The rows come in order, and so do those that are given back: whatever is behind the last of them is left.
        """
        api = FlagsApi(site, self.client, self.keyring, self.limits, SlidingWindow(self.now, None), self.pause)
        waiting: list[Candidate] = []
        reads: list[_Read] = []
        until = self.now() + _STRETCH_SECONDS
        for row in rows:
            if row.push.waiting or row.push.refused:
                waiting.append(row)
                continue
            if not self._turn(site, check) or (reads and self.now() > until):
                break
            answer = self._get(api, row, reads)
            if answer is None:
                break
            reads.append(_Read(row, answer, _differs(row, answer, to_tell.get(row.push.flag_id))))
        self._require_readable(site, check, reads)
        return waiting, reads

    def _turn(self, site: Site, check: Check | None) -> bool:
        """One flag at a person's wish, and those after a delete, do not wait."""
        pace = self._paces.setdefault(site.id, TokenBucket(_AT_ONCE, _PER_SECOND))
        alone = check is None or check.flag_id is not None
        return alone or pace.take(self.now(), patience=0.0) is not None

    def _get(self, api: FlagsApi, row: Candidate, reads: Sequence[_Read]) -> Answer | None:
        """What Jira answers; None where it has to be left for later, and something was read before."""
        try:
            answer = api.get(row.push.flag_id)
            if answer.status in _UNREADABLE:
                raise Unreadable(f"Jira does not let flags be read ({answer.status}): {answer.words()}")
            if is_quota(answer):
                FailurePolicy(self.db, self.clock).keep_quiet(api.site, answer)
            if not answer.ok and answer.status != 404:
                raise JiraError(f"Jira put reading off ({answer.status}): {answer.words()}")
        except RateLimited:
            return None
        except JiraError:
            if reads:
                return None
            raise
        return answer

    def _require_readable(self, site: Site, check: Check | None, reads: Sequence[_Read]) -> None:
        """With OAuth credentials, 404 may mean that there is nothing to read *with*: until Jira has shown any flag."""
        if site.way != OAUTH or any(one.answer.ok for one in reads) or not any(one.differs for one in reads):
            return
        with self.db.read() as tx:
            proven = (check and check.shown) or reconciliations.ever_shown(tx, site.account_id, site.connected_at)
        if not proven:
            raise Unreadable(
                "Jira answers 404 to reading any flag. Whether OAuth credentials may read flags is not documented, so "
                "nothing is concluded from it. “Send everything again” makes sure."
            )

    # Judging -----------------------------------------------------------------------------------------------------

    def _judge(self, tx: Transaction, reads: Sequence[_Read], counts: Counts) -> Iterator[Finding]:
        now = self.clock()
        for one in reads:
            push = one.candidate.push
            if one.differs is None:
                if not one.answer.ok:
                    reconciliations.note_gone(tx, push, now)
            elif (push.delivered_at or 0) > now - _SETTLED_MS:
                counts.later += reconciliations.read_back_at(tx, push, now + _AGAIN_MS)
            elif finding := _finding(tx, one, now):
                counts.differed += 1
                counts.repaired += finding.repaired
                yield finding
            else:
                counts.waiting += 1

    # Reading back after a delete ---------------------------------------------------------------------------------

    def _read_back(self, site: Site) -> None:
        now = self.clock()
        with self.db.read() as tx:
            rows = reconciliations.due(tx, site.account_id, now, _STRETCH)
            to_tell = self._to_tell(tx, site, rows)
        if not rows:
            return
        try:
            waiting, reads = self._ask_for(site, None, rows, to_tell)
        except (JiraError, Unreadable) as error:
            log.info("jira.not_read_back", site=site.site_url, said=str(error))
            again = None if isinstance(error, Unreadable) else now + _AGAIN_MS
            with self.db.write() as tx:
                reconciliations.put_off(tx, [one.push.flag_id for one in rows], again)
            return
        with self.db.write() as tx:
            reconciliations.put_off(tx, [one.push.flag_id for one in waiting], now + _AGAIN_MS)
            for one in reads:
                if one.differs is None:
                    reconciliations.read_back_at(tx, one.candidate.push, _again_at(one.candidate, now))
            counts = Counts(read=len(reads), shown=sum(one.answer.ok for one in reads))
            found = list(self._judge(tx, reads, counts))
            if found:
                check = reconciliations.request(
                    tx, site.account_id, reconciliations.LATER, found[0].flag_name, now, "Flagpost"
                )
                reconciliations.add_findings(tx, check, found)
                reconciliations.update(tx, check, counts, started_at=now, total=len(reads))
                reconciliations.finish(tx, check, reconciliations.DONE, "", now)


def _onwards(check: Check, rows: Sequence[Candidate], seen: int) -> dict[str, Any]:
    """Where a check is after the first so many of these: at the last of them, or round at the beginning."""
    if not rows and check.first and not check.went_round:
        return {"position": "", "went_round": True}
    return {"position": rows[seen - 1].push.flag_id} if seen else {}


def _is_through(check: Check, rows: Sequence[Candidate], seen: int) -> bool:
    if check.flag_id:
        return bool(seen) or not rows
    return not rows and (check.went_round or not check.first)


def _again_at(row: Candidate, now: int) -> int | None:
    """Ever less often, until no delete can be late: in as long as it has been since the flag was told."""
    waited = max(_AGAIN_MS, now - (row.push.delivered_at or now))
    late = row.deleted_at is not None and now + waited < row.deleted_at + DELETES_LATE_MS
    return now + waited if late else None


def _differs(row: Candidate, answer: Answer, told: JiraFlagState | None) -> tuple[str, str] | None:
    if told is None:
        return (reconciliations.STILL_THERE, "It was deleted, and Jira still shows it.") if answer.ok else None
    if not answer.ok:
        return reconciliations.MISSING, "Jira accepted it, and does not have it."
    return difference(flag_payload(told), answer.body, row.names)


def _finding(tx: Transaction, one: _Read, now: int) -> Finding | None:
    """What was found of a flag, repaired unless that did not help before; None where the flag changed meanwhile."""
    push, (kind, words) = one.candidate.push, one.differs or ("", "")
    if in_vain := kind == OTHER and _repaired_in_vain(tx, push.flag_id, words, now):
        words = f"{words} It was sent again before, and that did not change it: it is left as it is."
    else:
        above = _version(one.answer.body) if kind == NEWER else 0
        held = push.held or kind == reconciliations.STILL_THERE
        if not reconciliations.repair(tx, push, now, above=above, held=held):
            return None
    return Finding(push.flag_id, push.project_id, push.flag_name, now, kind, words, not in_vain)


def _repaired_in_vain(tx: Transaction, flag_id: str, words: str, now: int) -> bool:
    recent = [one for one in reconciliations.latest_of_flag(tx, flag_id, _REPAIRS) if one.at > now - _REPAIRS_WITHIN_MS]
    return len(recent) == _REPAIRS and all(one.kind == OTHER and words in one.words for one in recent)


def _version(body: Any) -> int:
    found = body.get("updateSequenceId") if isinstance(body, dict) else None
    return found if isinstance(found, int) else 0
