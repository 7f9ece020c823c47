"""Telling one Jira site what it has yet to hear of.

**Nothing is lost.** A change raises its flag's `wanted` in its own transaction (`store.jira.outbox`). A delivery works
off what the table says, not what it was told: it sends every flag with `wanted > delivered`, as the flag stands now. A
crash anywhere leaves `delivered` as it was, and the flag is sent again by whoever looks next. Sending twice is
harmless: Jira ignores a version it has. The wish to send everything again, and the removals, are rows too, and are
struck off in the transaction that has done, or marked, what they ask for.

**Order.** The rows and the flags are read in one snapshot, so the state that goes out with version *w* is at least as
new as *w*. Were a change to come in while a request is on its way, it raised `wanted` above *w*, and writing
`delivered = w` leaves the flag behind: it goes out once more. Only one delivery runs for a site at a time (`jobs`
sees to it), so a request with an older state never overtakes a newer one. Should two run all the same, the version
decides in Jira, except for a delete, which Jira does unconditionally, and a little later: a flag that is sent within
minutes of its delete is read back, and sent again where it went with it (`drift`).

**Deletes.** A flag that must be gone from Jira is deleted there only if Jira may hold it. `held` is therefore
committed *before* the first send: if the process dies after Jira stored the flag and before the answer was noted, the
delete that may be wanted later is still sent. Whether OAuth credentials may delete is not documented. Where Jira
refuses, the flag is sent once more, as off and disconnected, and what Jira said is kept with the flag and with the
credentials: nobody asks again until everything is sent anew or the credentials are entered again.

**Failures.** Where Jira fails at a request (500 and the like) the site rests a little and everything is tried again. If
that goes on, one flag may be what Jira fails at: the batch is halved until it is found, and that flag is put off for
minutes, with Jira's words, while the others go on.

**Limits.** Every request waits for its turn (`limits`). A flag whose issues were written as often as Jira allows is
passed over, and those behind it go first; where all that is left has to wait, so does the delivery.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

import structlog

from flagpost.errors import JiraError
from flagpost.jira import removal
from flagpost.jira.client import Answer, JiraClient
from flagpost.jira.delivery_batch import Batch, by_project, pick
from flagpost.jira.failure_policy import FailurePolicy, Stop, error_kind, one_is_to_blame
from flagpost.jira.flags_api import FlagsApi
from flagpost.jira.payload import MAX_FLAGS, JiraFlagState, bulk_request, farewell_payload, flag_payload
from flagpost.jira.rate_limits import Limits, RateLimited
from flagpost.jira.removal import Remover
from flagpost.jira.resync import begin_everything
from flagpost.jira.site_access import OAUTH, Keyring, TokenNotGiven, WaitingForToken
from flagpost.jira.submit_response import refusal, unknown_issues
from flagpost.store.accounts import accounts
from flagpost.store.db import Database, Transaction
from flagpost.store.jira import (
    credentials,
    delivery_log,
    integrations,
    issues,
    outbox,
    payload_source,
    removals,
    resyncs,
)
from flagpost.store.jira.delivery_log import DELETED, FAREWELL, NOTHING, SENT, Told
from flagpost.store.jira.integrations import Site
from flagpost.store.jira.outbox import OutboxEntry
from flagpost.store.jira.removals import Removal
from flagpost.telemetry import tracing
from flagpost.telemetry.logging import as_delivery, with_changes
from flagpost.telemetry.metrics import DELIVERIES, DELIVERY_FAILURES, DELIVERY_LAG_SECONDS, FLAGS_SENT

log = structlog.get_logger(__name__)

_FURTHEST = 32 * MAX_FLAGS  # rows looked at in one round, where those before them have to wait for their issues
_LONGEST_NAP_SECONDS = 2.0
_LOOK_AGAIN_AT_UNKNOWN_MS = 24 * 3600 * 1000


@dataclass
class Delivery:
    """Delivers to the Jira site of one account at a time; shared by all threads."""

    db: Database
    client: JiraClient
    keyring: Keyring
    limits: Limits
    clock: Callable[[], int]
    public_url: str
    pause: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        self._trouble = FailurePolicy(self.db, self.clock)
        self._remover = Remover(self.db, self._trouble, self.clock, self.pause)

    def deliver(self, account_id: str, stopping: Callable[[], bool] = lambda: False) -> None:
        """Tell the account's Jira site everything it has yet to hear of, or as much as it will take now.

        Ends early, after the batch in hand, once `stopping` says so. Raises nothing that Jira does: it is noted on
        the site and on the flags.
        """
        site = self._site(account_id)
        if site is None:
            return
        with as_delivery() as delivery, tracing.span("delivery", delivery=delivery, site=site.site_url) as span:
            outcome = "crashed"
            try:
                outcome = self._outcome(site, stopping)
            finally:
                DELIVERIES.labels(outcome).inc()
                span.set(outcome=outcome)

    def _outcome(self, site: Site, stopping: Callable[[], bool]) -> str:
        try:
            return "done" if self._deliver(self._api(site), stopping) else "stopped"
        except Stop as stop:
            return "failed" if stop.failed else "stopped"
        except RateLimited:
            return "stopped"
        except WaitingForToken as error:
            DELIVERY_FAILURES.labels("token_missing").inc()
            self._trouble.note(site, error.message)
        except JiraError as error:
            self._put_off_or_halt(site, error)
        return "failed"

    def _site(self, account_id: str) -> Site | None:
        """The account's site, where flags may be delivered to it now."""
        with self.db.read() as tx:
            site = integrations.site_of_account(tx, account_id)
        if site and site.paused_in_the_future(self.clock()):
            self._trouble.pause_anew(site)
            return None
        return site if site and site.may_be_told(self.clock()) else None

    def _api(self, site: Site) -> FlagsApi:
        writes = self.limits.begin_delivery(site.cloud_id, site.last_success_at, self.clock())
        return FlagsApi(site, self.client, self.keyring, self.limits, writes, self.pause)

    def _put_off_or_halt(self, site: Site, error: JiraError) -> None:
        DELIVERY_FAILURES.labels(error_kind(error)).inc()
        if error.permanent:
            self._trouble.halt(site, error.message)
        else:
            asked = error.retry_after if isinstance(error, TokenNotGiven) else None
            self._trouble.back_off(site, error.message, asked)

    def _deliver(self, api: FlagsApi, stopping: Callable[[], bool]) -> bool:
        """Whether nothing is left to do."""
        if api.site.resend_wanted_at is not None:
            begin_everything(self.db, api.site, self.clock())
        self._sweep_removals(api)
        reach = MAX_FLAGS
        while not stopping():
            batch = self._next_batch(api, reach)
            if batch is None:
                self._finish(api)
                return True
            self._work_off(api, batch)
            if batch.rows:
                reach = MAX_FLAGS
            elif reach < _FURTHEST:
                reach *= 2
            else:
                self.pause(min(batch.wait, _LONGEST_NAP_SECONDS))
        return False

    # Before the flags --------------------------------------------------------------------------------------------

    def _sweep_removals(self, api: FlagsApi) -> None:
        for one in self._open_removals(api.site):
            if one.swept_at is None:
                self._remover.sweep(api, one)

    def _open_removals(self, site: Site) -> list[Removal]:
        """Those under way, but for what is to be shown again: that ends here."""
        with self.db.read() as tx:
            under_way = removals.unfinished(tx, site.account_id)
            chosen = integrations.chosen_projects(tx, site.account_id) if under_way else ()
        covered = {one.project.id for one in chosen}
        again = [one for one in under_way if (covered if one.project_id is None else one.project_id in covered)]
        for one in again:
            self._remover.supersede(one)
        return [one for one in under_way if one not in again]

    # One round ---------------------------------------------------------------------------------------------------

    def _next_batch(self, api: FlagsApi, reach: int) -> Batch | None:
        """Up to a hundred rows to work off; None where nothing is left. Stop where the site may be told no more."""
        account_id = api.site.account_id
        with self.db.read() as tx:
            site = integrations.site_of_account(tx, account_id)
            if site is None or not site.may_be_told(self.clock()) or _is_other(site, api.site):
                raise Stop
            rows = outbox.pending(tx, account_id, reach, self.clock())
            to_tell = payload_source.load_flag_states(tx, account_id, rows, self.public_url) if rows else {}
        return pick(rows, to_tell, api.writes) if rows else None

    def _work_off(self, api: FlagsApi, batch: Batch) -> None:
        sending = [row for row in batch.rows if row.flag_id in batch.to_tell]
        leaving = [row for row in batch.rows if row.flag_id not in batch.to_tell]
        gone = [row for row in leaving if not row.held]
        if nothing := [Told(row, outbox.Answer(row.flag_id, row.wanted, held=False), NOTHING) for row in gone]:
            self._record(api.site, nothing)
        self._hold([row.flag_id for row in sending if not row.held])
        for project_id, rows in by_project(sending).items():
            with self._carrying(rows):
                self._send(api, project_id, rows, batch.to_tell)
        for row in leaving:
            if row.held:
                with self._carrying([row]):
                    self._delete(api, row)

    @contextmanager
    def _carrying(self, rows: Sequence[OutboxEntry]) -> Iterator[None]:
        """Say whose changes go out, in logs and traces; once Jira has answered, how long each of them waited."""
        with with_changes(row.requests for row in rows) as requests, tracing.span("batch", flags=len(rows)) as span:
            span.set(changes=requests or None)
            yield
        now = self.clock()
        for row in rows:
            DELIVERY_LAG_SECONDS.observe(max(0, now - row.wanted_at) / 1000)

    def _hold(self, flag_ids: list[str]) -> None:
        if flag_ids:
            with self.db.write() as tx:
                outbox.mark_may_exist_remotely(tx, flag_ids)

    # Sending -----------------------------------------------------------------------------------------------------

    def _send(
        self, api: FlagsApi, project_id: str, rows: Sequence[OutboxEntry], to_tell: dict[str, JiraFlagState]
    ) -> None:
        properties = removal.properties(api.site.account_id, project_id)
        body = bulk_request([flag_payload(to_tell[row.flag_id]) for row in rows], properties)
        answer = self._bulk(api, body, [to_tell[row.flag_id].issues for row in rows])
        if answer.ok:
            self._record_bulk(api, rows, to_tell, answer)
        elif len(rows) > 1 and (answer.status in (400, 413) or one_is_to_blame(api.site, answer)):
            middle = len(rows) // 2  # too much, or one flag spoils it: the halves tell which
            self._send(api, project_id, rows[:middle], to_tell)
            self._send(api, project_id, rows[middle:], to_tell)
        elif answer.status in (400, 413):
            said = _refused(rows[0], answer, answer.words())
            self._record(api.site, [Told(rows[0], said, SENT, to_tell[rows[0].flag_id])])
        else:
            self._fail(api.site, rows, answer)

    def _fail(self, site: Site, rows: Sequence[OutboxEntry], answer: Answer) -> NoReturn:
        """Jira would not take a request: end the delivery, without this one flag next time if Jira fails at it."""
        if len(rows) == 1 and one_is_to_blame(site, answer):
            self._defer(site, rows[0], answer)
        self._trouble.give_up(site, answer)

    def _defer(self, site: Site, row: OutboxEntry, answer: Answer) -> None:
        """Send this version no more for a while, so that the other flags go on. A newer one goes out with them."""
        words = f"Jira fails at it again and again ({answer.status}): {answer.words()}"
        with self.db.write() as tx:
            deferred = outbox.defer(tx, row.flag_id, row.wanted, self.clock() + outbox.PUT_OFF_MS, words)
        if deferred:
            log.warning("jira.flag_deferred", site=site.site_url, flag=row.flag_id, status=answer.status)

    def _record_bulk(
        self, api: FlagsApi, rows: Sequence[OutboxEntry], to_tell: dict[str, JiraFlagState], answer: Answer
    ) -> None:
        body = answer.body if isinstance(answer.body, dict) else {}
        unknown = unknown_issues(body)
        sent = []
        for row in rows:
            told = to_tell[row.flag_id].issues
            words = refusal(row.flag_id, told, body, unknown)
            shown = row.told_issues if words else told
            said = outbox.Answer(row.flag_id, row.wanted, True, words, answer.trace_id, shown)
            sent.append(Told(row, said, SENT, to_tell[row.flag_id]))
        shown_elsewhere = [one.push.flag_id for one in sent if one.answer.told_issues]
        stale = [flag_id for flag_id in shown_elsewhere if set(to_tell[flag_id].issues) <= set(unknown)]
        self._record(api.site, sent, unknown, stale)

    def _bulk(self, api: FlagsApi, body: dict[str, Any], told: Sequence[Sequence[str]]) -> Answer:
        """Send flags once their issues may be written: a batch that is halved writes to them again."""
        while wait := api.writes.wait_for_each(told):
            self.pause(wait)
        return api.bulk(body, [issue for refs in told for issue in refs])

    # Deleting ----------------------------------------------------------------------------------------------------

    def _delete(self, api: FlagsApi, row: OutboxEntry) -> None:
        if refusal := self._known_refusal(api.site):
            self._say_farewell(api, row, refusal)
            return
        answer = api.delete(row.flag_id)
        if answer.ok or (answer.status == 404 and api.site.way != OAUTH):
            gone = outbox.Answer(row.flag_id, row.wanted, held=False, trace_id=answer.trace_id)
            self._record(api.site, [Told(row, gone, DELETED)])
        elif answer.status == 400:
            said = _refused(row, answer, f"Jira would not delete it: {answer.words()}")
            self._record(api.site, [Told(row, said, DELETED)])
        elif api.site.way == OAUTH and answer.status in (401, 403, 404, 405):
            self._say_farewell(api, row, self._note_refusal(api.site, answer))
        else:
            self._fail(api.site, [row], answer)

    def _known_refusal(self, site: Site) -> str | None:
        if site.way != OAUTH:
            return None
        with self.db.read() as tx:
            given = credentials.of_account(tx, site.account_id)
        return given.delete_refused if given else None

    def _note_refusal(self, site: Site, answer: Answer) -> str:
        words = f"Jira does not let OAuth credentials delete flags ({answer.status})."
        with self.db.write() as tx:
            if given := credentials.of_account(tx, site.account_id):
                credentials.update(tx, given.id, delete_refused=words)
        log.warning("jira.delete_refused", site=site.site_url, status=answer.status)
        return words

    def _say_farewell(self, api: FlagsApi, row: OutboxEntry, refusal: str) -> None:
        """The last resort for a flag that cannot be deleted: say on its issues that it does not belong there."""
        told = row.told_issues
        if not told:
            words = f"{refusal} It may still be shown."
            self._record(api.site, [Told(row, outbox.Answer(row.flag_id, row.wanted, True, words), DELETED)])
            return
        flag = farewell_payload(row.flag_id, row.flag_name, row.wanted, told, self.public_url, self.clock())
        body = bulk_request([flag], removal.properties(api.site.account_id, row.project_id))
        answer = self._bulk(api, body, [told])
        if answer.ok or answer.status in (400, 413):
            words = f"{refusal} Its issues show it as off, “Disconnected in Flagpost”."
            words = words if answer.ok else f"{refusal} It may still be shown: {answer.words()}"
            self._record(api.site, [Told(row, _refused(row, answer, words), FAREWELL)])
        else:
            self._trouble.give_up(api.site, answer)

    # What came of it ---------------------------------------------------------------------------------------------

    def _record(
        self,
        site: Site,
        told: Sequence[Told],
        unknown: Sequence[str] = (),
        stale: Sequence[str] = (),
    ) -> None:
        """Note the answers, and log them.

        `unknown`: issues Jira does not know. `stale`: flags that it still shows elsewhere.
        """
        now = self.clock()
        with self.db.write() as tx:
            if any(one.what != NOTHING for one in told):  # first, in the lock order (`store.locks`)
                good = {"last_success_at": now, "last_error": None, "failures": 0, "paused_until": None}
                integrations.update_site(tx, site.id, **good)
            outbox.record_answers(tx, (one.answer for one in told), now)
            delivery_log.write(tx, site.account_id, told, now)
            resyncs.end_finished(tx, site.account_id, now)
            self._follow_unknown(tx, site, unknown, stale, now)
        self.limits.note_delivery(site.cloud_id, now)
        outcomes = Counter(one.answer.outcome for one in told)
        for outcome, flags in outcomes.items():
            FLAGS_SENT.labels(outcome).inc(flags)
        log.info("jira.delivered", site=site.site_url, flags=len(told), refused=outcomes["refused"])

    def _follow_unknown(
        self, tx: Transaction, site: Site, unknown: Sequence[str], stale: Sequence[str], now: int
    ) -> None:
        """A flag that is on unknown issues only was not stored, so that what was sent before is still shown."""
        if unknown:
            issues.mark_missing(tx, site.account_id, unknown, now, now + _LOOK_AGAIN_AT_UNKNOWN_MS)
        outbox.bump(tx, stale, now)

    def _finish(self, api: FlagsApi) -> None:
        """Nothing is left that may go now. A site whose integration was removed is forgotten once all is heard."""
        site = api.site
        with self.db.read() as tx:
            all_heard = not outbox.count_pending(tx, site.account_id)
            leaving = integrations.find(tx, site.account_id) is None
        for one in self._open_removals(site):
            if one.swept_at is not None and all_heard:
                self._remover.conclude(api, one, self._known_refusal(site))
        if not leaving and site.backfill_finished_at is not None and site.resend_wanted_at is None:
            return  # as after most changes: no turn at writing is taken for it
        with self.db.write() as tx:
            accounts.lock(tx, site.account_id)  # no admin sets an integration up while its site is deleted
            now_there = integrations.lock_site(tx, site.account_id)
            if now_there is None or self._has_more(tx, now_there):
                return
            if integrations.find(tx, site.account_id) is None:
                credentials.delete(tx, site.account_id)
                integrations.delete_site(tx, site.id)
            elif now_there.backfill_finished_at is None:
                integrations.update_site(tx, site.id, backfill_finished_at=self.clock())

    def _has_more(self, tx: Transaction, site: Site) -> bool:
        more = outbox.count_pending(tx, site.account_id) or removals.unfinished(tx, site.account_id)
        return bool(more) or site.resend_wanted_at is not None


def _is_other(site: Site, begun_with: Site) -> bool:
    """Whether the account was connected anew since this delivery began: whoever did it has woken another one."""
    return (site.id, site.installation_id) != (begun_with.id, begun_with.installation_id)


def _refused(row: OutboxEntry, answer: Answer, words: str) -> outbox.Answer:
    return outbox.Answer(row.flag_id, row.wanted, True, words, answer.trace_id, row.told_issues)


def waiting_sites(db: Database, clock: Callable[[], int]) -> Iterator[str]:
    """The accounts whose Jira site has something to hear now: what the sweep wakes."""
    now = clock()
    with db.read() as tx:
        waiting = {*outbox.accounts_with_pending(tx, now), *integrations.accounts_with_wishes(tx)}
        waiting |= set(removals.accounts_with_unfinished(tx))
        for account_id in sorted(waiting):
            site = integrations.site_of_account(tx, account_id)
            if site and (site.may_be_told(now) or site.paused_in_the_future(now)):
                yield account_id
