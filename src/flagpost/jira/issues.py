"""Looking issues up in Jira, and following those that were moved, renamed, deleted or came back."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flagpost.errors import JiraError
from flagpost.jira import rate_limits
from flagpost.jira.client import JiraClient, JiraUnreachable
from flagpost.jira.failure_policy import FailurePolicy
from flagpost.jira.rate_limits import Charge, Endpoint, RateLimited, RateLimiter, is_quota
from flagpost.jira.response import JiraResponse
from flagpost.jira.site_access import APP, IssueAccess, Keyring
from flagpost.store.db import Transaction
from flagpost.store.jira import issues, outbox
from flagpost.store.jira.integrations import Site
from flagpost.store.jira.issues import Issue
from flagpost.telemetry.metrics import ISSUE_LOOKUPS

MOST_AT_ONCE = 100  # Atlassian: the most that `issue/bulkfetch` takes
_FIELDS = ["summary", "status", "issuetype", "assignee", "project"]


class NoAccess(JiraError):
    """Flagpost has neither the app's token nor an API token, so it cannot look issues up."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How many seconds a look-up may take: for each turn, for each response (None: the setting), and in all.

    `singles`: for how many issues it may send a request each. None: no bound.
    """

    turn: float
    response: float | None
    total: float | None = None
    singles: int | None = None


IN_THE_BACKGROUND = Patience(30.0, None)
INTERACTIVE = Patience(0.5, 3.0, 5.0, 10)
"""For a request of a person, who waits for the answer."""


Answers = Sequence[tuple[Issue, Issue | None]]
"""Issues as they are stored, each with what Jira has for it now; None where Jira shows nothing."""


@dataclass(frozen=True, slots=True)
class LookedUp:
    """The issues that were `found`, by the key or id that was asked for, and the refs that there was no time for.

    Jira has no issue for a ref that is in neither.
    """

    found: dict[str, Issue]
    not_asked: Collection[str] = ()


@dataclass(slots=True)
class _Lookup:
    """One look-up that is under way, and what is left of its patience."""

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
        """How long a step may take that by itself may take `most` (None: as the setting says)."""
        return most if self.left == float("inf") else min(most or self.left, max(self.left, 0.01))


@dataclass(frozen=True, slots=True)
class IssueReader:
    """Looks issues up; shared by all threads. `refresh_ms`: after how long an issue is due for another look-up."""

    client: JiraClient
    keyring: Keyring
    limiter: RateLimiter
    failure_policy: FailurePolicy
    clock: Callable[[], int]
    pause: Callable[[float], None]
    refresh_ms: int
    now: Callable[[], float] = time.monotonic

    def look_up(self, site: Site, refs: Sequence[str], patience: Patience) -> LookedUp:
        """What Jira has for each of these keys or numeric ids, as far as `patience` goes.

        Raises NoAccess, or another JiraError where Jira gives no answer now. Follows moved issues (Atlassian: bulkfetch
        "checks for moved issues"). The response does not say which of the requested keys became which issue, so keys
        that are not found under their own name get a request each.
        """
        lookup = _Lookup(patience, self.now, self.now())
        found: dict[str, Issue] = {}
        not_asked: set[str] = set()
        for start in range(0, len(refs), MOST_AT_ONCE):
            part = list(refs[start : start + MOST_AT_ONCE])
            if lookup.left <= 0:
                not_asked.update(part)
                continue
            for issue in self._fetch(site, part, lookup):
                found |= {ref: issue for ref in part if ref in (issue.key, issue.jira_id)}
        singly = self._find_each(site, [ref for ref in refs if ref not in found and ref not in not_asked], lookup)
        return LookedUp(found | singly.found, not_asked.union(singly.not_asked))

    def _find_each(self, site: Site, refs: Sequence[str], lookup: _Lookup) -> LookedUp:
        """One request for each ref, as long as there is time. Without a bound in all, a failed request raises."""
        found: dict[str, Issue] = {}
        for number, ref in enumerate(refs):
            if not lookup.may_ask_for_one:
                return LookedUp(found, refs[number:])
            try:
                moved = self._find(site, ref, lookup)
            except (JiraUnreachable, RateLimited):
                if lookup.patience.total is None:
                    raise
                return LookedUp(found, refs[number:])
            if moved:
                found[ref] = moved
        return LookedUp(found)

    def bring_up_to_date(self, site: Site, known: Sequence[Issue], patience: Patience) -> int:
        """Look these issues up and store the result; how many outbox entries that raised. Raises as `look_up`.

        Issues that there was no time for stay as they are, and are looked up when they are due.
        """
        answers = self.look_up_known(site, known, patience)
        with self.failure_policy.db.write() as tx:
            return self.store_answers(tx, site.account_id, answers)

    def look_up_known(self, site: Site, known: Sequence[Issue], patience: Patience) -> Answers:
        """What Jira has for each of these issues now. Those that there was no time for are left out."""
        by_ref = {issue.jira_id or issue.key: issue for issue in known}
        result = self.look_up(site, list(by_ref), patience)
        answers = [(issue, result.found.get(ref)) for ref, issue in by_ref.items() if ref not in result.not_asked]
        for _, found in answers:
            ISSUE_LOOKUPS.labels("absent" if found is None else "found").inc()
        return answers

    def store_answers(self, tx: Transaction, account_id: str, answers: Answers) -> int:
        """Store what Jira has for issues; how many outbox entries that raised.

        The outbox entries of all their flags are locked before the first issue (`flagpost.store.locks`).
        """
        now = self.clock()
        seen = [issue for pair in answers for issue in pair if issue is not None]
        issues.lock_with_flags(tx, account_id, [ref for issue in seen for ref in (issue.jira_id, issue.key)])
        return sum(
            store_absent(tx, asked, now, now + self.refresh_ms)
            if found is None
            else store(tx, account_id, asked, found, now)
            for asked, found in answers
        )

    def parse(self, body: Mapping[str, Any]) -> Issue:
        """An issue as Jira's REST API v3 and its webhooks describe it. Raises JiraError where that is no issue."""
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

    def _fetch(self, site: Site, refs: list[str], lookup: _Lookup) -> list[Issue]:
        body = {"issueIdsOrKeys": refs, "fields": _FIELDS}
        response = self._call(site, rate_limits.FETCH_ISSUES, "/bulkfetch", lookup, points=1 + len(refs), json=body)
        _require_answer(response)
        return [self.parse(one) for one in response.body.get("issues") or []]

    def _find(self, site: Site, ref: str, lookup: _Lookup) -> Issue | None:
        lookup.singles += 1
        fields = {"fields": ",".join(_FIELDS)}
        response = self._call(site, rate_limits.GET_ISSUE, f"/{ref}", lookup, points=2, params=fields)
        if response.status == 404 and not response.login_failed:
            return None
        _require_answer(response)
        return self.parse(response.body)

    def _call(
        self, site: Site, endpoint: Endpoint, path: str, lookup: _Lookup, *, points: float, **arguments: Any
    ) -> JiraResponse:
        access = self.keyring.issues(site)
        if access is None:
            raise NoAccess

        def send() -> JiraResponse:
            return self.client.call(
                endpoint.method,
                f"{access.url}/rest/api/3/issue{path}",
                authorization=access.authorization,
                site_url=access.site_url,
                timeout=lookup.seconds(lookup.patience.response),
                **arguments,
            )

        patience = lookup.seconds(lookup.patience.turn) or 0.0
        charge = Charge(site.cloud_id, access.pool, endpoint, points)
        response = self.limiter.send(charge, send, pause=self.pause, patience=patience)
        self._observe(site, access, response)
        return response

    def _observe(self, site: Site, access: IssueAccess, response: JiraResponse) -> None:
        """Note what a response says about the site and its token."""
        if is_quota(response):
            self.failure_policy.respect_quota(site, response)
        elif response.moved_to:
            self.failure_policy.note_move(site, response)
        elif access.pool != APP and (response.status in (401, 403) or response.login_failed):
            status = 403 if response.status == 403 else 401
            self.keyring.stop_using_api_token(site, f"Jira does not accept the API token any more ({status}).")


def store(tx: Transaction, account_id: str, asked: Issue, found: Issue, now: int) -> int:
    """Store what Jira answered for an issue; how many outbox entries that raised.

    `asked` is the row as it was before the request. Where an event about the issue arrived since, the response may be
    older than the event: then the issue is due again at once, and one that the event deleted stays deleted until then.
    The transaction has called `issues.lock_with_flags`.
    """
    row = issues.get(tx, asked.id)
    if row and row.event_count != asked.event_count:
        found = replace(found, due_at=0, state="deleted" if row.state == "deleted" else found.state)
    issues.save(tx, account_id, found)
    was_gone = row.gone if row else asked.gone
    if was_gone == found.gone and asked.jira_id == found.jira_id:
        return 0
    return outbox.bump(tx, issues.flags_of_issues(tx, account_id, [found.key]), now)


def store_absent(tx: Transaction, asked: Issue, now: int, due_at: int) -> int:
    """Note that Jira did not show an issue; how many outbox entries that raised.

    An issue that was known before may be gone, or Flagpost may have lost access to it. So its flags are sent once more,
    and the response to that says which. The transaction has called `issues.lock_with_flags`.
    """
    row = issues.get(tx, asked.id)
    if row is None:
        return 0
    state = row.state if row.gone else "hidden" if row.jira_id else "missing"
    issues.note_absent(tx, row.id, state, now, 0 if row.event_count != asked.event_count else due_at)
    if row.state == state:
        return 0
    return outbox.bump(tx, issues.flags_of_issue(tx, row.id), now)


def _require_answer(response: JiraResponse) -> None:
    if response.login_failed:
        raise JiraError("Jira did not accept Flagpost's token, and answered as it answers without one.")
    if not response.ok or not isinstance(response.body, dict):
        raise JiraError(response.error_message())


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _name(value: Any) -> str:
    return str(_object(value).get("name") or "")[:255]
