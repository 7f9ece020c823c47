"""What Jira tells of issues by itself: events of the app, and calls of a webhook where there is no app.

Both come late, twice, or not at all, and in any order. So an event never says what an issue is *now*: it says that the
issue has to be looked up, at once, which repeats well. Where Flagpost may not look issues up (OAuth credentials without
an API token), a webhook's description is taken, unless it is older than what is known. Either is quick: a row is
marked, and the refresher (`flagpost.jira.issue_refresh`) does the rest.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from flagpost.actions.access import jira_app
from flagpost.actions.context import Context
from flagpost.actions.unit_of_work import Change, transactional
from flagpost.errors import InvalidInput, JiraError, NotSignedIn
from flagpost.jira import issues as jira_issues
from flagpost.jira.invocation_token import Invocation
from flagpost.store.jira import credentials, integrations, issues
from flagpost.store.jira.credentials import Credentials

_ISSUE_DELETED = frozenset({"avi:jira:deleted:issue", "jira:issue_deleted"})
_NOTE_REFUSALS_MS = 60_000


@dataclass(frozen=True, slots=True)
class HookCall:
    """A call of a site's webhook that was proven to come from it."""

    credentials: Credentials
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Event:
    """What an event or a call names, each empty where it names none: numeric ids of Jira, and keys in upper case."""

    kind: str
    issue_id: str
    issue_key: str
    project_id: str

    @property
    def issue(self) -> list[str]:
        """The names of the issue; empty where the event is about none."""
        return [ref for ref in (self.issue_id, self.issue_key) if ref] if self.issue_id else []


# Events of the app ------------------------------------------------------------------------------------------------


def handle_event(ctx: Context, invocation: Invocation, event: dict[str, Any]) -> None:
    """An event of the app (Atlassian: avi:jira:…). Events that name nothing known here change nothing."""
    nested = event.get("payload")
    body = nested if isinstance(nested, dict) and "issue" not in event and "project" not in event else event
    with ctx.db.read() as tx:
        site = integrations.site_of_installation(tx, invocation.installation_id)
    if site and not site.disconnected_at:
        app = jira_app(site.account_id, site.cloud_id, site.site_url)
        _mark_issues(ctx, app, _event(body, str(event.get("eventType") or "")))


@transactional
def _mark_issues(change: Change, event: _Event) -> None:
    """Have the issues looked up that an event is about. A deleted issue is marked so, and its flags are sent."""
    tx, account_id = change.tx, change.actor.account_id
    issues.lock_with_flags(tx, account_id, event.issue)
    if event.issue and event.kind in _ISSUE_DELETED:
        change.resend_flags(issues.mark_deleted(tx, account_id, event.issue, change.now))
    elif event.issue:
        issues.mark_changed(tx, account_id, event.issue)
    elif event.project_id:
        issues.mark_project_changed(tx, account_id, event.project_id)


def _event(body: Mapping[str, Any], kind: str) -> _Event:
    issue = body.get("issue")
    key = _key_in(issue) if isinstance(issue, dict) else ""
    return _Event(kind, _id_in(issue), key, _id_in(body.get("project")))


def _id_in(thing: Any) -> str:
    """The numeric id of an issue or a project, as an event names it."""
    found = str(thing.get("id") or "") if isinstance(thing, dict) else ""
    return found if found.isdigit() and len(found) <= 30 else ""


def _key_in(thing: Mapping[str, Any]) -> str:
    key = thing.get("key")
    return key.upper() if isinstance(key, str) and len(key) <= 255 else ""


# The webhook ------------------------------------------------------------------------------------------------------


def proven_hook(ctx: Context, credentials_id: str, signature: str | None, raw: bytes) -> HookCall:
    """What a webhook's call says, once its signature proves where it comes from.

    Atlassian: with a secret set, `X-Hub-Signature: sha256=<HMAC of the raw body>`. Raises NotSignedIn where it proves
    nothing, InvalidInput where it is signed but no JSON object.
    """
    with ctx.db.read() as tx:
        given = credentials.find(tx, credentials_id)
    secret = ctx.box.decrypt(given.webhook_secret) if given and given.webhook_secret else None
    if given is None or secret is None:
        raise NotSignedIn("No webhook is expected at this address.")
    expected = "sha256=" + hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), (signature or "").encode()):
        if ctx.clock() - (given.webhook_refused_at or 0) > _NOTE_REFUSALS_MS:
            _note_refusal(ctx, jira_app(given.account_id, given.cloud_id, given.site_url), given.id)
        raise NotSignedIn("The signature does not fit. Enter the same secret in Jira and in Flagpost.")
    try:
        body = json.loads(raw)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise InvalidInput("The body is no JSON object.")
    return HookCall(given, body)


@transactional
def _note_refusal(change: Change, credentials_id: str) -> None:
    credentials.update(change.tx, credentials_id, webhook_refused_at=change.now)


def handle_webhook(ctx: Context, call: HookCall) -> None:
    """A call of the site's webhook (Jira: jira:issue_updated, jira:issue_deleted, project_updated and their like).

    InvalidInput where its description of an issue has to be taken, and is none.
    """
    given = call.credentials
    app = jira_app(given.account_id, given.cloud_id, given.site_url)
    _handle_webhook(ctx, app, call, _event(call.body, str(call.body.get("webhookEvent") or "")))


@transactional
def _handle_webhook(change: Change, call: HookCall, event: _Event) -> None:
    issues.lock_with_flags(change.tx, change.actor.account_id, event.issue)
    credentials.update(change.tx, call.credentials.id, webhook_seen_at=change.now, webhook_refused_at=None)
    site = integrations.site_of_account(change.tx, change.actor.account_id)
    if site is None or site.disconnected_at:
        return
    _mark_issues.within(change, event)
    if not call.credentials.may_look_up and event.kind not in _ISSUE_DELETED:
        _take_its_word(change, call.body)


def _take_its_word(change: Change, body: Mapping[str, Any]) -> None:
    """Jira cannot be asked: an issue is what the call says; in a renamed project the numbers stay as they are."""
    issue, project, said = body.get("issue"), body.get("project"), body.get("timestamp")
    said_at = min(said, change.now) if isinstance(said, int) else change.now
    if isinstance(issue, dict):
        _describe(change, issue, said_at)
    elif isinstance(project, dict):
        _rename(change, project, said_at)


def _describe(change: Change, described: Mapping[str, Any], said_at: int) -> None:
    tx, account_id = change.tx, change.actor.account_id
    try:
        seen = replace(change.ctx.issues.parse(described), checked_at=said_at)
    except JiraError as error:
        raise InvalidInput(error.message, "issue") from None
    known = issues.find(tx, account_id, seen.jira_id or "") or issues.find(tx, account_id, seen.key)
    if known is None or (known.checked_at or 0) > said_at:
        return
    if jira_issues.store(tx, account_id, known, seen, change.now):
        change.wake_delivery()


def _rename(change: Change, project: Mapping[str, Any], said_at: int) -> None:
    """Give the issues of a project its new key, but for those that something newer is known of."""
    tx, account_id, key = change.tx, change.actor.account_id, _key_in(project)
    for issue in issues.in_project(tx, account_id, _id_in(project)) if key else ():
        if (issue.checked_at or 0) <= said_at and not issue.key_passed_on:
            renamed = f"{key}-{issue.key.rpartition('-')[2]}"
            issues.save(tx, account_id, replace(issue, key=renamed, checked_at=said_at))
