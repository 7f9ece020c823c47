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

from flagpost.actions.context import Context
from flagpost.errors import InvalidInput, JiraError, NotSignedIn
from flagpost.jira import issues as jira_issues
from flagpost.jira.invocation_token import Invocation
from flagpost.store.db import Transaction
from flagpost.store.jira import credentials, integrations, issues, outbox
from flagpost.store.jira.credentials import Credentials
from flagpost.store.jira.integrations import Site

_ISSUE_DELETED = frozenset({"avi:jira:deleted:issue", "jira:issue_deleted"})
_NOTE_REFUSALS_MS = 60_000


@dataclass(frozen=True, slots=True)
class HookCall:
    """A call of a site's webhook that was proven to come from it."""

    credentials: Credentials
    body: Mapping[str, Any]


def heard(ctx: Context, invocation: Invocation, event: dict[str, Any]) -> None:
    """An event of the app (Atlassian: avi:jira:…). Events that name nothing known here change nothing."""
    nested = event.get("payload")
    told = nested if isinstance(nested, dict) and "issue" not in event and "project" not in event else event
    with ctx.db.write() as tx:
        site = integrations.site_of_installation(tx, invocation.installation_id)
        woken = _note(tx, site, told, str(event.get("eventType") or ""), ctx.clock()) if site else False
    if site and woken:
        ctx.wake(site.account_id)


def _note(tx: Transaction, site: Site, told: Mapping[str, Any], kind: str, now: int) -> bool:
    """Mark what the event is about; whether Jira must hear of something because of it."""
    issue_id, project_id = _id_in(told.get("issue")), _id_in(told.get("project"))
    if site.disconnected_at:
        return False
    refs = [ref for ref in (issue_id, _key_in(told["issue"])) if ref] if issue_id else []
    if refs and kind in _ISSUE_DELETED:
        return bool(outbox.bump(tx, issues.mark_deleted(tx, site.account_id, refs, now), now))
    if refs:
        issues.mark_changed(tx, site.account_id, refs)
    elif project_id:
        issues.mark_project_changed(tx, site.account_id, project_id)
    return False


def _id_in(thing: Any) -> str:
    """The numeric id of an issue or a project, as an event names it."""
    found = str(thing.get("id") or "") if isinstance(thing, dict) else ""
    return found if found.isdigit() and len(found) <= 30 else ""


def _key_in(issue: Mapping[str, Any]) -> str:
    key = issue.get("key")
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
        _note_refusal(ctx, given)
        raise NotSignedIn("The signature does not fit. Enter the same secret in Jira and in Flagpost.")
    try:
        body = json.loads(raw)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise InvalidInput("The body is no JSON object.")
    return HookCall(given, body)


def _note_refusal(ctx: Context, given: Credentials) -> None:
    now = ctx.clock()
    if now - (given.webhook_refused_at or 0) > _NOTE_REFUSALS_MS:
        with ctx.db.write() as tx:
            credentials.update(tx, given.id, webhook_refused_at=now)


def hooked(ctx: Context, call: HookCall) -> None:
    """A call of the site's webhook (Jira: jira:issue_updated, jira:issue_deleted, project_updated and their like)."""
    now = ctx.clock()
    with ctx.db.write() as tx:
        site = integrations.site_of_account(tx, call.credentials.account_id)
        credentials.update(tx, call.credentials.id, webhook_seen_at=now, webhook_refused_at=None)
        if site is None or site.disconnected_at:
            return
        woken = _note(tx, site, call.body, str(call.body.get("webhookEvent") or ""), now)
        if not call.credentials.may_look_up:
            woken = _take_its_word(ctx, tx, site, call.body, now) or woken
    if woken:
        ctx.wake(site.account_id)


def _take_its_word(ctx: Context, tx: Transaction, site: Site, body: Mapping[str, Any], now: int) -> bool:
    """Nobody can be asked: an issue is what the call says; in a renamed project the numbers stay the same."""
    issue, project = body.get("issue"), body.get("project")
    if str(body.get("webhookEvent")) in _ISSUE_DELETED:
        return False
    if isinstance(issue, dict):
        return _describe(ctx, tx, site, issue, _said_at(body, now))
    if isinstance(project, dict):
        _rename(tx, site, project, _said_at(body, now))
    return False


def _said_at(body: Mapping[str, Any], now: int) -> int:
    said = body.get("timestamp")
    return min(said, now) if isinstance(said, int) else now


def _describe(ctx: Context, tx: Transaction, site: Site, described: Mapping[str, Any], said_at: int) -> bool:
    try:
        seen = replace(ctx.issues.parse(described), checked_at=said_at)
    except JiraError as error:
        raise InvalidInput(error.message, "issue") from None
    known = issues.find(tx, site.account_id, seen.jira_id or "") or issues.find(tx, site.account_id, seen.key)
    if known is None or (known.checked_at or 0) > said_at:
        return False
    return bool(jira_issues.store_described(tx, site.account_id, known, seen, ctx.clock()))


def _rename(tx: Transaction, site: Site, project: Mapping[str, Any], said_at: int) -> None:
    """Bring the keys of a project's issues up to date with the project's, unless something newer was heard of them."""
    key = _key_in(project)
    for issue in issues.in_project(tx, site.account_id, _id_in(project)) if key else ():
        if (issue.checked_at or 0) <= said_at and not issue.key_passed_on:
            renamed = f"{key}-{issue.key.rpartition('-')[2]}"
            issues.save(tx, site.account_id, replace(issue, key=renamed, checked_at=said_at))
