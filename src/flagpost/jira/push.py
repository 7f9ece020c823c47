"""Telling one Jira site what it has yet to hear of.

**Nothing is lost.** A change raises its flag's `wanted` in its own transaction (`store.pushes`). A delivery works
off what the table says, not what it was told: it sends every flag with `wanted > delivered`, as the flag stands now. A
crash anywhere leaves `delivered` as it was, and the flag is sent again by whoever looks next. Sending twice is
harmless: Jira ignores a version it has.

**Order.** The rows and the flags are read in one snapshot, so the state that goes out with version *w* is at least as
new as *w*. Were a change to come in while a request is on its way, it raised `wanted` above *w*, and writing
`delivered = w` leaves the flag behind: it goes out once more. Only one delivery runs for a site at a time (`jobs`
sees to it), so a request with an older state never overtakes a newer one. Should two run all the same, the version
decides in Jira, except for a delete, which Jira does unconditionally: the flag is then sent again when `wanted` rises
next, and the drift is found by a back-fill.

**Deletes.** A flag that must be gone from Jira is deleted there only if Jira may hold it. `held` is therefore
committed *before* the first send: if the process dies after Jira stored the flag and before the answer was noted, the
delete that may be wanted later is still sent.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import structlog

from flagpost.flags.issue_keys import parse_issue_refs
from flagpost.jira.auth import SecretBox
from flagpost.jira.client import Answer, JiraClient, JiraUnreachable
from flagpost.jira.payload import MAX_FLAGS, FlagToTell, bulk_request, flag_payload
from flagpost.store import integrations, issues, pushes, telling
from flagpost.store.db import Database, Transaction
from flagpost.store.integrations import Installation, Site
from flagpost.store.pushes import Push

log = structlog.get_logger(__name__)

_NEW_SITE_MS = 15 * 60_000  # Atlassian: right after an installation, refusals may come for some minutes
_LONGEST_PAUSE_SECONDS = 300
_PACE = {"POST": (60, 80.0), "DELETE": (30, 40.0)}  # at once, and a second; Jira's buckets: 100 and 50 of both
WAITING_FOR_TOKEN = "Jira's token has run out. The app in Jira sends a new one every hour; is it still installed?"  # noqa: S105


class _Stop(Exception):
    """This delivery ends here; why is noted on the site."""


@dataclass(frozen=True, slots=True)
class _Batch:
    """What one round works off: read in one snapshot."""

    site: Site
    installation: Installation
    token: str
    rows: list[Push]
    to_tell: dict[str, FlagToTell]


@dataclass
class _Pace:
    """A token bucket. One that holds less than Jira's and fills more slowly can never empty Jira's."""

    most: float
    per_second: float
    _left: float | None = None
    _at: float = 0.0

    def take(self, now: float) -> float:
        """Take one, and say how many seconds to wait before it is there."""
        left = self.most if self._left is None else min(self.most, self._left + (now - self._at) * self.per_second)
        self._left, self._at = left - 1, now
        return max(0.0, -self._left / self.per_second)


@dataclass
class Delivery:
    """Delivers to the Jira site of one account at a time; shared by all threads."""

    db: Database
    client: JiraClient
    box: SecretBox
    clock: Callable[[], int]
    public_url: str
    pause: Callable[[float], None] = time.sleep
    _paces: dict[tuple[str, str], "_Pace"] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def deliver(self, account_id: str, stopping: Callable[[], bool] = lambda: False) -> None:
        """Tell the account's Jira site everything it has yet to hear of, or as much as it will take now.

        Ends early, after the batch in hand, once `stopping` says so. Raises nothing that Jira does: it is noted on
        the site and on the flags.
        """
        try:
            while not stopping() and (batch := self._next_batch(account_id)):
                self._work_off(batch)
        except _Stop:
            return

    # One round ---------------------------------------------------------------------------------------------------

    def _next_batch(self, account_id: str) -> _Batch | None:
        with self.db.read() as tx:
            site = integrations.site_of_account(tx, account_id)
            if site is None or site.disconnected_at or site.stopped_reason or (site.paused_until or 0) > self.clock():
                return None
            installation = integrations.find_installation(tx, site.installation_id)
            rows = pushes.behind(tx, account_id, MAX_FLAGS)
            to_tell = telling.flags_to_tell(tx, account_id, rows, self.public_url) if rows else {}
        if not rows:
            self._finish(site)
            return None
        token = self._token(site, installation)
        assert installation is not None  # noqa: S101 - without one there is no token
        return _Batch(site, installation, token, rows, to_tell)

    def _token(self, site: Site, installation: Installation | None) -> str:
        stored = installation.system_token if installation else None
        token = self.box.decrypt(stored) if stored else None
        if token is None or installation is None or (installation.system_token_expires_at or 0) <= self.clock():
            self._note_error(site, WAITING_FOR_TOKEN)
            raise _Stop
        return token

    def _work_off(self, batch: _Batch) -> None:
        sending = [row for row in batch.rows if row.flag_id in batch.to_tell]
        deleting = [row for row in batch.rows if row.flag_id not in batch.to_tell and row.held]
        nothing = [row for row in batch.rows if row.flag_id not in batch.to_tell and not row.held]
        self._hold([row.flag_id for row in sending if not row.held])
        if nothing:
            self._record(batch.site, [pushes.Answer(row.flag_id, row.wanted, held=False) for row in nothing])
        if sending:
            self._send(batch, sending)
        for row in deleting:
            self._delete(batch, row)

    def _hold(self, flag_ids: list[str]) -> None:
        if flag_ids:
            with self.db.write() as tx:
                pushes.mark_held(tx, flag_ids)

    # Sending -----------------------------------------------------------------------------------------------------

    def _send(self, batch: _Batch, rows: Sequence[Push]) -> None:
        body = bulk_request(
            [flag_payload(batch.to_tell[row.flag_id]) for row in rows], {"account": batch.site.account_id}
        )
        answer = self._call(batch, "POST", "/bulk", json=body)
        if answer.ok:
            self._record_bulk(batch, rows, answer)
        elif answer.status in (400, 413) and len(rows) > 1:
            middle = len(rows) // 2  # too much, or one flag spoils it: the halves tell which
            self._send(batch, rows[:middle])
            self._send(batch, rows[middle:])
        elif answer.status in (400, 413):
            only = rows[0]
            refused = pushes.Answer(only.flag_id, only.wanted, True, answer.words(), answer.trace_id)
            self._record(batch.site, [refused])
        else:
            self._give_up(batch.site, answer)

    def _record_bulk(self, batch: _Batch, rows: Sequence[Push], answer: Answer) -> None:
        body = answer.body if isinstance(answer.body, dict) else {}
        unknown = _unknown_issues(body)
        failed = body.get("failedFeatureFlags") or {}
        accepted = body.get("acceptedFeatureFlags")
        answers = []
        for row in rows:
            told = batch.to_tell[row.flag_id]
            words = _refusal(row.flag_id, told.issues, failed, unknown, accepted)
            answers.append(pushes.Answer(row.flag_id, row.wanted, True, words, answer.trace_id))
        self._record(batch.site, answers, unknown)

    def _delete(self, batch: _Batch, row: Push) -> None:
        answer = self._call(batch, "DELETE", f"/flag/{quote(row.flag_id, safe='')}")
        if answer.ok or answer.status == 404:
            self._record(batch.site, [pushes.Answer(row.flag_id, row.wanted, held=False, trace_id=answer.trace_id)])
        elif answer.status == 400:
            words = f"Jira would not delete it: {answer.words()}"
            self._record(batch.site, [pushes.Answer(row.flag_id, row.wanted, True, words, answer.trace_id)])
        else:
            self._give_up(batch.site, answer)

    def _call(self, batch: _Batch, method: str, path: str, json: Any = None) -> Answer:
        self._keep_pace(batch.site.id, method)
        url = f"{batch.installation.api_base_url}/rest/featureflags/0.1{path}"
        try:
            return self.client.call(method, url, token=batch.token, json=json)
        except JiraUnreachable as error:
            self._back_off(batch.site, error.message, None)
            raise _Stop from error

    def _keep_pace(self, site_id: str, method: str) -> None:
        """Wait until this site may be asked again: Jira counts requests by endpoint and second."""
        with self._lock:
            pace = self._paces.setdefault((site_id, method), _Pace(*_PACE[method]))
            wait = pace.take(time.monotonic())
        if wait > 0:
            self.pause(wait)

    # What came of it ---------------------------------------------------------------------------------------------

    def _record(self, site: Site, answers: Sequence[pushes.Answer], unknown: Sequence[str] = ()) -> None:
        now = self.clock()
        with self.db.write() as tx:
            pushes.record_answers(tx, answers, now)
            if unknown:
                self._mark_missing(tx, site, unknown, now)
            integrations.update_site(tx, site.id, last_success_at=now, last_error=None, failures=0, paused_until=None)
        log.info(
            "jira.delivered", site=site.site_url, flags=len(answers), refused=sum(bool(a.refused) for a in answers)
        )

    def _mark_missing(self, tx: Transaction, site: Site, unknown: Sequence[str], now: int) -> None:
        issues.set_state(tx, site.account_id, unknown, "missing", now)

    def _give_up(self, site: Site, answer: Answer) -> None:
        """Jira would not take any of it: wait, or ask for a person."""
        fresh = self.clock() - site.connected_at < _NEW_SITE_MS
        said = answer.words()
        if answer.status in (401, 403, 404) and not fresh:
            self._halt(site, _what_to_do(answer.status))
        elif answer.status in (301, 302, 303, 307, 308):
            where = answer.headers.get("location", "another address")
            self._halt(site, f"The site seems to have moved to {where}. Connect it again from Jira's Configure page.")
        else:
            self._back_off(site, said, answer.retry_after)
        raise _Stop

    def _back_off(self, site: Site, said: str, retry_after: int | None) -> None:
        """Wait at least as long as Jira asks, and longer with every failure in a row, so that a storm calms down."""
        with self.db.write() as tx:
            now = self.clock()
            latest = integrations.site_of_account(tx, site.account_id) or site
            wait = min(_LONGEST_PAUSE_SECONDS, 2 ** min(latest.failures, 10)) * random.uniform(0.7, 1.3)  # noqa: S311
            until = now + int(1000 * max(wait, retry_after or 0))
            integrations.update_site(
                tx, site.id, paused_until=until, failures=latest.failures + 1, last_error=said, last_error_at=now
            )
        log.warning("jira.pause", site=site.site_url, seconds=(until - now) / 1000, said=said)

    def _halt(self, site: Site, reason: str) -> None:
        now = self.clock()
        with self.db.write() as tx:
            integrations.update_site(tx, site.id, stopped_reason=reason, last_error=reason, last_error_at=now)
        log.error("jira.stopped", site=site.site_url, reason=reason)

    def _note_error(self, site: Site, said: str) -> None:
        if site.last_error == said:
            return
        with self.db.write() as tx:
            integrations.update_site(tx, site.id, last_error=said, last_error_at=self.clock())

    def _finish(self, site: Site) -> None:
        """Jira has heard of everything. A site whose integration was removed is forgotten now."""
        running = site.backfill_started_at is not None and site.backfill_finished_at is None
        with self.db.read() as tx:
            leaving = integrations.find(tx, site.account_id) is None
        if not running and not leaving:
            return
        with self.db.write() as tx:
            if pushes.count_behind(tx, site.account_id):
                return
            if leaving and integrations.find(tx, site.account_id) is None:
                integrations.delete_site(tx, site.id)
            else:
                integrations.update_site(tx, site.id, backfill_finished_at=self.clock())


def _unknown_issues(body: dict[str, Any]) -> list[str]:
    """Every issue Jira says it does not know (Atlassian: unknownIssueKeys, unknownAssociations)."""
    named = list(body.get("unknownIssueKeys") or [])
    for association in body.get("unknownAssociations") or []:
        named += association.get("values") or []
    refs, _ = parse_issue_refs(" ".join(str(one) for one in named)) if named else ([], [])
    return refs


def _refusal(
    flag_id: str, told: tuple[str, ...], failed: dict[str, Any], unknown: Sequence[str], accepted: list[str] | None
) -> str | None:
    """Why Jira does not hold this version of a flag; None where it does."""
    if flag_id in failed:
        words = "; ".join(str(one.get("message")) for one in failed[flag_id] if isinstance(one, dict))
        return words or "Jira refused it and gave no reason."
    if told and set(told) <= set(unknown):
        return f"Jira knows none of its issues: {', '.join(told[:10])}."
    if accepted is not None and flag_id not in accepted:
        return "Jira did not accept it and gave no reason."
    return None


def _what_to_do(status: int) -> str:
    return {
        401: "Jira does not accept the app's token any more (401). Open the app's Configure page in Jira and save.",
        403: "The app in Jira lacks the permission for feature flags (403). Update or install the app again in Jira.",
        404: "Jira does not know this site any more (404). Was it deleted or renamed? Connect it again from Jira.",
    }[status]


def waiting_sites(db: Database, clock: Callable[[], int]) -> Iterator[str]:
    """The accounts whose Jira site has something to hear now: what the sweep wakes."""
    with db.read() as tx:
        for account_id in pushes.accounts_behind(tx):
            site = integrations.site_of_account(tx, account_id)
            if site and not site.disconnected_at and not site.stopped_reason and (site.paused_until or 0) <= clock():
                yield account_id
