"""What Jira says of issues: looking them up, and following those that were moved, renamed, deleted or came back."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flagpost.errors import JiraError
from flagpost.jira import rate_limits
from flagpost.jira.client import Answer, JiraClient, JiraUnreachable
from flagpost.jira.failure_policy import FailurePolicy
from flagpost.jira.rate_limits import Endpoint, Limits, RateLimited, is_quota
from flagpost.jira.site_access import APP, IssueAccess, Keyring
from flagpost.store.db import Transaction
from flagpost.store.jira import issues, outbox
from flagpost.store.jira.integrations import Site
from flagpost.store.jira.issues import Issue
from flagpost.telemetry.metrics import ISSUE_LOOKUPS

MOST_AT_ONCE = 100  # Atlassian: the most that `issue/bulkfetch` takes
_FIELDS = ["summary", "status", "issuetype", "assignee", "project"]


class NoAccess(JiraError):
    """Flagpost has nothing to look issues up with: no app's token, and no API token."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a look-up may take, in seconds: waiting for a turn, for each answer (None: the setting), and all of it.

    `singles`: for how many issues it may ask one at a time. None: as long, and for as many, as it takes.
    """

    turn: float
    answer: float | None
    total: float | None = None
    singles: int | None = None


IN_THE_BACKGROUND = Patience(30.0, None)
WHILE_SOMEBODY_WAITS = Patience(0.5, 3.0, 5.0, 10)


Answers = Sequence[tuple[Issue, Issue | None]]
"""Issues as they are stored, each with what Jira has for it now; None where it shows nothing."""


@dataclass(frozen=True, slots=True)
class LookedUp:
    """What came of a look-up, by what was asked for. Jira has no issue for what is neither `found` nor `unasked`.

    `unasked`: what there was no time for.
    """

    found: dict[str, Issue]
    unasked: Collection[str] = ()


@dataclass(slots=True)
class _Errand:
    """One look-up under way, and what is left of its patience."""

    patience: Patience
    now: Callable[[], float]
    begun: float
    singles: int = 0

    @property
    def left(self) -> float:
        total = self.patience.total
        return float("inf") if total is None else self.begun + total - self.now()

    @property
    def may_ask_for_one(self) -> bool:
        most = self.patience.singles
        return self.left > 0 and (most is None or self.singles < most)

    def seconds(self, most: float | None) -> float | None:
        """How long a wait may be that may be `most` by itself (None: as the setting says)."""
        return most if self.left == float("inf") else min(most or self.left, max(self.left, 0.01))


@dataclass(frozen=True, slots=True)
class IssueReader:
    """Asks Jira for issues; shared by all threads. `refresh_ms`: after how long an issue is looked up again."""

    client: JiraClient
    keyring: Keyring
    limits: Limits
    trouble: FailurePolicy
    clock: Callable[[], int]
    pause: Callable[[float], None]
    refresh_ms: int
    now: Callable[[], float] = time.monotonic

    def look_up(self, site: Site, refs: Sequence[str], patience: Patience) -> LookedUp:
        """What Jira has for each of these keys or numeric ids, as far as `patience` goes.

        Raises NoAccess, or another JiraError where Jira gives no answer now. Follows moved issues (Atlassian: bulkfetch
        "checks for moved issues"). The answer does not say which of the asked keys became which issue, so keys that
        are not found under their own name are asked for one at a time.
        """
        errand = _Errand(patience, self.now, self.now())
        found: dict[str, Issue] = {}
        unasked: set[str] = set()
        for start in range(0, len(refs), MOST_AT_ONCE):
            part = list(refs[start : start + MOST_AT_ONCE])
            if errand.left <= 0:
                unasked.update(part)
                continue
            for issue in self._fetch(site, part, errand):
                found |= {ref: issue for ref in part if ref in (issue.key, issue.jira_id)}
        singly = self._find_each(site, [ref for ref in refs if ref not in found and ref not in unasked], errand)
        return LookedUp(found | singly.found, unasked.union(singly.unasked))

    def _find_each(self, site: Site, refs: Sequence[str], errand: _Errand) -> LookedUp:
        """Those that come in time. Without a bound, an answer that does not come is raised as any other."""
        found: dict[str, Issue] = {}
        for number, ref in enumerate(refs):
            if not errand.may_ask_for_one:
                return LookedUp(found, refs[number:])
            try:
                moved = self._find(site, ref, errand)
            except (JiraUnreachable, RateLimited):
                if errand.patience.total is None:
                    raise
                return LookedUp(found, refs[number:])
            if moved:
                found[ref] = moved
        return LookedUp(found)

    def bring_up_to_date(self, site: Site, known: Sequence[Issue], patience: Patience) -> int:
        """Look these up and store what came; how many flags are sent to Jira because of it. Raises as `look_up`.

        Those that there was no time for stay as they are, and are looked up when they are due.
        """
        answers = self.look_up_known(site, known, patience)
        with self.trouble.db.write() as tx:
            return self.store_answers(tx, site.account_id, answers)

    def look_up_known(self, site: Site, known: Sequence[Issue], patience: Patience) -> Answers:
        """What Jira has for each of these issues now. Those that there was no time for are left out."""
        by_ref = {issue.jira_id or issue.key: issue for issue in known}
        result = self.look_up(site, list(by_ref), patience)
        answers = [(issue, result.found.get(ref)) for ref, issue in by_ref.items() if ref not in result.unasked]
        for _, answer in answers:
            ISSUE_LOOKUPS.labels("absent" if answer is None else "found").inc()
        return answers

    def store_answers(self, tx: Transaction, account_id: str, answers: Answers) -> int:
        """Store what Jira has for issues; how many flags are sent to Jira because of it.

        The outbox entries of all their flags are locked before the first issue (`store.locks`).
        """
        now = self.clock()
        seen = [issue for pair in answers for issue in pair if issue is not None]
        issues.lock_with_flags(tx, account_id, [ref for issue in seen for ref in (issue.jira_id, issue.key)])
        return sum(
            store_absent(tx, asked, now, now + self.refresh_ms)
            if answer is None
            else store(tx, account_id, asked, answer, now)
            for asked, answer in answers
        )

    def issue(self, body: Mapping[str, Any]) -> Issue:
        """An issue as Jira's REST v3 and its webhooks describe it. Raises JiraError where that is no issue."""
        fields = _object(body.get("fields"))
        status = _object(fields.get("status"))
        now = self.clock()
        if not isinstance(body.get("key"), str) or not str(body.get("id", "")).isdigit():
            raise JiraError("Jira described an issue without an id and a key.")
        return Issue(
            id="",
            jira_id=str(body["id"]),
            key=body["key"].upper(),
            summary=str(fields.get("summary") or ""),
            issue_type=_name(fields.get("issuetype")),
            status=_name(status),
            status_category=str(_object(status.get("statusCategory")).get("key") or ""),
            assignee=str(_object(fields.get("assignee")).get("displayName") or "")[:255],
            state="known",
            checked_at=now,
            jira_project_id=str(_object(fields.get("project")).get("id") or "") or None,
            due_at=now + self.refresh_ms,
        )

    def _fetch(self, site: Site, refs: list[str], errand: _Errand) -> list[Issue]:
        body = {"issueIdsOrKeys": refs, "fields": _FIELDS}
        answer = self._ask(site, rate_limits.FETCH_ISSUES, "/bulkfetch", errand, points=1 + len(refs), json=body)
        _require_answer(answer)
        return [self.issue(one) for one in answer.body.get("issues") or []]

    def _find(self, site: Site, ref: str, errand: _Errand) -> Issue | None:
        errand.singles += 1
        fields = {"fields": ",".join(_FIELDS)}
        answer = self._ask(site, rate_limits.GET_ISSUE, f"/{ref}", errand, points=2, params=fields)
        if answer.status == 404 and not answer.login_failed:
            return None
        _require_answer(answer)
        return self.issue(answer.body)

    def _ask(
        self, site: Site, endpoint: Endpoint, path: str, errand: _Errand, *, points: float, **arguments: Any
    ) -> Answer:
        access = self.keyring.issues(site)
        if access is None:
            raise NoAccess

        def send() -> Answer:
            return self.client.call(
                endpoint.method,
                f"{access.url}/rest/api/3/issue{path}",
                authorization=access.authorization,
                site_url=access.site_url,
                timeout=errand.seconds(errand.patience.answer),
                **arguments,
            )

        patience = errand.seconds(errand.patience.turn) or 0.0
        answer = self.limits.ask(
            site.cloud_id, access.pool, endpoint, send, pause=self.pause, patience=patience, points=points
        )
        self._heed(site, access, answer)
        return answer

    def _heed(self, site: Site, access: IssueAccess, answer: Answer) -> None:
        """Note what an answer says beyond the issue itself."""
        if is_quota(answer):
            self.trouble.keep_quiet(site, answer)
        elif answer.moved_to:
            self.trouble.moved(site, answer)
        elif access.pool != APP and (answer.status in (401, 403) or answer.login_failed):
            status = 403 if answer.status == 403 else 401
            self.keyring.refuse_api_token(site, f"Jira does not accept the API token any more ({status}).")


def store(tx: Transaction, account_id: str, asked: Issue, answer: Issue, now: int) -> int:
    """Bring one issue up to date; how many flags Jira must hear of because of it.

    `asked` is the row as it was before Jira was asked. Something that Jira has told since may not be in the answer yet:
    then the issue is due at once, again, and what was said to be deleted stays so until that look.
    """
    row = issues.present(tx, asked.id)
    if row and row.marks != asked.marks:
        answer = replace(answer, due_at=0, state="deleted" if row.state == "deleted" else answer.state)
    issues.save(tx, account_id, answer)
    was_gone = row.gone if row else asked.gone
    if was_gone == answer.gone and asked.jira_id == answer.jira_id:
        return 0
    return outbox.bump(tx, issues.flags_of_issues(tx, account_id, [answer.key]), now)


def store_absent(tx: Transaction, asked: Issue, now: int, due_at: int) -> int:
    """Note that an issue was not shown; how many flags Jira must hear of because of it.

    One that was there before may be gone, or Flagpost may not see it any more: flags are sent for it once more, and
    the answer to that says which.
    """
    row = issues.present(tx, asked.id)
    if row is None:
        return 0
    state = row.state if row.gone else "hidden" if row.jira_id else "missing"
    issues.note_absent(tx, row.id, state, now, 0 if row.marks != asked.marks else due_at)
    if row.state == state:
        return 0
    return outbox.bump(tx, issues.flags_of_issue(tx, row.id), now)


def _require_answer(answer: Answer) -> None:
    if answer.login_failed:
        raise JiraError("Jira does not accept what Flagpost asks with, and answered as it would anybody.")
    if not answer.ok or not isinstance(answer.body, dict):
        raise JiraError(answer.words())


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _name(value: Any) -> str:
    return str(_object(value).get("name") or "")[:255]
