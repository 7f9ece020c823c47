"""Connecting flags with Jira issues, seeing what is connected, and taking connections away."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Unpack

from flagpost.actions.access import Actor, Right
from flagpost.actions.context import Context
from flagpost.actions.flags.flags import NewFlag, add_flag
from flagpost.actions.lookup import get_visible_flag, get_visible_project, visible_projects
from flagpost.actions.unit_of_work import Change, transactional
from flagpost.errors import Conflict, InvalidInput, JiraError, NotFound, Problem
from flagpost.flags.issue_keys import parse_issue_refs
from flagpost.flags.model import FlagStatus
from flagpost.jira.issues import INTERACTIVE, Answers, Patience
from flagpost.jira.payload import MAX_ASSOCIATIONS
from flagpost.store.accounts import accounts
from flagpost.store.db import Transaction
from flagpost.store.jira import integrations, issues, outbox
from flagpost.store.jira.integrations import ChosenProject, Site
from flagpost.store.jira.issues import Connection, Issue
from flagpost.store.locks import Lock
from flagpost.store.projects import projects
from flagpost.store.records import Flag

FRESH_MS = 2 * 60_000  # how old the shown status of an issue may be


@dataclass(frozen=True, slots=True)
class ConnectedIssue:
    """A connection as the flag's page shows it; `url` is empty while no site is connected."""

    issue: Issue
    url: str
    connected_at: int
    connected_by: str


@dataclass(frozen=True, slots=True)
class DeliveryStatus:
    """How far Jira has a flag: `none` (never connected), `waiting`, `delivered`, or `refused` with Jira's words.

    `since`: when it was changed that waits, or was answered last, in milliseconds since 1970.
    """

    state: str
    words: str = ""
    since: int | None = None


def check_issues(ctx: Context, actor: Actor, refs: Sequence[str]) -> list[Issue]:
    """The issues that these texts name, as Jira has them now. Nothing is stored.

    InvalidInput names every one that is no issue key, does not exist, or is hidden from Flagpost. While no site is
    connected, or Jira does not answer, keys are taken as they were typed (`unchecked`) and looked up later.
    """
    actor.require(Right.EDIT_FLAGS)
    wanted, problems = parse_issue_refs(" ".join(refs))
    if problems:
        raise InvalidInput(problems)
    found = look_up_issues(ctx, actor, wanted)
    missing = [ref for ref in wanted if found[ref] is None]
    if missing:
        message = "{} does not exist in Jira, or the app may not see it."
        raise InvalidInput([Problem("issues", message.format(ref)) for ref in missing])
    return list({issue.jira_id or issue.key: issue for issue in found.values() if issue}.values())


def look_up_issues(
    ctx: Context, actor: Actor, refs: Sequence[str], patience: Patience = INTERACTIVE
) -> dict[str, Issue | None]:
    """What Jira has for each of these keys or numeric ids; None where it shows nothing.

    While Jira cannot be asked, or not for all of them in time, keys are taken as they are, and looked up later;
    InvalidInput where a number is among them.
    """
    site = _site_to_ask(ctx, actor.account_id) if refs else None
    if site is None:
        return _as_typed(refs)
    try:
        result = ctx.issues.look_up(site, refs, patience)
    except JiraError:
        return _as_typed(refs)
    return {ref: result.found.get(ref) for ref in refs} | _as_typed(sorted(result.not_asked))


def _as_typed(refs: Sequence[str]) -> dict[str, Issue | None]:
    numbers = [ref for ref in refs if ref.isdigit()]
    if numbers:
        message = f"Jira cannot be asked which issue {numbers[0]} is just now; enter its key."
        raise InvalidInput(message, "issues")
    return {ref: Issue("", None, ref, "", "", "", "", "", "unchecked", None) for ref in refs}


def create_connected_flag(
    ctx: Context, actor: Actor, project: str, refs: Sequence[str], **described: Unpack[NewFlag]
) -> Flag:
    """A new flag, connected with these issues (none: just the flag). Both or, with an error, neither."""
    checked = check_issues(ctx, actor, refs) if refs else []
    return _create_connected(ctx, actor, project, checked, **described)


@transactional
def _create_connected(change: Change, project: str, checked: Sequence[Issue], **described: Unpack[NewFlag]) -> Flag:
    if checked:
        lock_connections(change)
    found = get_visible_project(change.tx, change.actor, project, lock=Lock.SHARE)
    flag = add_flag(change, found, **described)
    if checked:
        add_connections(change, flag, checked)
    return flag


def connect_issues(ctx: Context, actor: Actor, project: str, flag: str, refs: Sequence[str]) -> list[str]:
    """Connect a flag with the issues that these texts name; the keys that were not connected before.

    All of them or, with an error, none. Raises what `check_issues` raises, and Conflict for an archived flag.
    """
    return connect_checked(ctx, actor, project, flag, check_issues(ctx, actor, refs))


@transactional
def connect_checked(change: Change, project: str, flag: str, checked: Sequence[Issue]) -> list[str]:
    """Connect a flag with issues that are known to exist; the keys that were not connected before."""
    change.actor.require(Right.EDIT_FLAGS)
    lock_connections(change)
    return add_connections(change, _lock_flag(change, project, flag), checked)


def lock_connections(change: Change) -> None:
    """Within a change that is to connect flags, before it locks anything else: hold the account's issues.

    Two changes that find an issue unknown would both add it, or lock each other's issues and outbox entries.
    """
    accounts.lock(change.tx, change.actor.account_id)


def add_connections(change: Change, flag: Flag, checked: Sequence[Issue]) -> list[str]:
    """Within a change that called `lock_connections`: connect a locked flag with issues; the keys that are new.

    The outbox entries are locked before the issues, as a delivery locks them.
    """
    tx, account_id = change.tx, change.actor.account_id
    if flag.status is FlagStatus.ARCHIVED:
        raise Conflict(f"“{flag.name}” is archived. Bring it back first.")
    issues.lock_with_flags(tx, account_id, [ref for one in checked for ref in (one.jira_id, one.key)], [flag.id])
    saved = [issues.save(tx, account_id, issue) for issue in checked]
    new = [issue.key for issue in saved if issues.connect(tx, flag.id, issue.id, change.now, change.actor.name)]
    if issues.count_connections(tx, flag.id) > MAX_ASSOCIATIONS:
        raise InvalidInput(f"A flag can be connected with {MAX_ASSOCIATIONS} issues; Jira takes no more.", "issues")
    if any(issue.state == "unchecked" for issue in saved):  # Jira's answer says whether it knows them
        change.resend_flags([flag.id])
    if new:
        change.issues_changed("connected_issue", flag, after={"issues": new}, first=True)
    change.wake_delivery()
    return new


@transactional
def disconnect_issue(change: Change, project: str, flag: str, issue: str) -> None:
    """Take a connection away, by the issue's key or numeric id. The flag is sent to Jira without it."""
    change.actor.require(Right.EDIT_FLAGS)
    lock_connections(change)
    one = _lock_flag(change, project, flag)
    outbox.lock(change.tx, [one.id])
    known = issues.find(change.tx, change.actor.account_id, issue)
    if known is None or not issues.disconnect(change.tx, one.id, known.id):
        raise NotFound(f"“{one.name}” is not connected with {issue}.")
    change.issues_changed("disconnected_issue", one, before={"issues": [known.key]})


def _lock_flag(change: Change, project: str, flag: str) -> Flag:
    found = get_visible_project(change.tx, change.actor, project, lock=Lock.SHARE)
    return get_visible_flag(change.tx, found, flag, lock=Lock.CHANGE)


def list_connections(ctx: Context, actor: Actor, project: str, flag: str) -> list[ConnectedIssue]:
    """A flag's issues, by key, with a status that is at most a few minutes old where Jira answers."""
    actor.require(Right.VIEW_FLAGS)
    with ctx.db.read() as tx:
        one = get_visible_flag(tx, get_visible_project(tx, actor, project), flag)
        connected = issues.connections_of(tx, one.id)
        site = integrations.site_of_account(tx, actor.account_id)
    if refresh_issues(ctx, actor, site, [one.issue for one in connected]):
        with ctx.db.read() as tx:
            connected = issues.connections_of(tx, one.id)
    return [connected_issue(connection, site) for connection in connected]


def delivery_status(ctx: Context, actor: Actor, project: str, flag: str) -> DeliveryStatus:
    """How far Jira has a flag."""
    actor.require(Right.VIEW_FLAGS)
    with ctx.db.read() as tx:
        one = get_visible_flag(tx, get_visible_project(tx, actor, project), flag)
        return read_delivery_status(tx, actor.account_id, one.id)


def read_delivery_status(tx: Transaction, account_id: str, flag_id: str) -> DeliveryStatus:
    """Within a transaction: how far Jira has a flag."""
    entry = outbox.find(tx, flag_id)
    site = integrations.site_of_account(tx, account_id)
    if entry is None or (site and site.disconnected_at):  # Jira deletes an app's flags with the app
        return DeliveryStatus("none")
    if site and site.resync_requested_at is not None:
        return DeliveryStatus("waiting", since=site.resync_requested_at)
    if entry.pending:
        return DeliveryStatus("waiting", since=entry.pending_since)
    if entry.refusal:
        return DeliveryStatus("refused", entry.refusal, entry.delivered_at)
    return DeliveryStatus("delivered" if entry.may_exist_remotely else "none", since=entry.delivered_at)


def projects_for_connect(ctx: Context, actor: Actor) -> list[ChosenProject]:
    """The projects of the integration that the actor can see: only their flags can be connected from Jira."""
    actor.require(Right.VIEW_FLAGS)
    with ctx.db.read() as tx:
        return read_projects_for_connect(tx, actor)


def read_projects_for_connect(tx: Transaction, actor: Actor) -> list[ChosenProject]:
    """Within a transaction: the projects of the integration that the actor can see."""
    chosen = integrations.chosen_projects(tx, actor.account_id)
    visible = projects.list_by_id(tx, visible_projects(actor), [one.project.id for one in chosen])
    visible_ids = {project.id for project in visible}
    return [one for one in chosen if one.project.id in visible_ids]


# Asking Jira ------------------------------------------------------------------------------------------------------


def refresh_issues(ctx: Context, actor: Actor, site: Site | None, known: Sequence[Issue]) -> bool:
    """Look up again in the account's site what is no longer fresh; False where nothing was, or Jira did not answer.

    An issue that was moved or renamed gets its new key; one that is gone is marked so, and its flags are sent again.
    """
    now = ctx.clock()
    stale = [issue for issue in known if now - (issue.checked_at or 0) > FRESH_MS]
    if not stale or site is None or not _may_be_asked(site, now):
        return False
    try:
        answers = ctx.issues.look_up_known(site, stale, INTERACTIVE)
    except JiraError:
        return False
    _store(ctx, actor, answers)
    return True


@transactional
def _store(change: Change, answers: Answers) -> None:
    if change.ctx.issues.store_answers(change.tx, change.actor.account_id, answers):
        change.wake_delivery()


def _site_to_ask(ctx: Context, account_id: str) -> Site | None:
    """The connected site; None where there is none, or Jira asked for a pause: a page must not wait for it."""
    now = ctx.clock()
    with ctx.db.read() as tx:
        site = integrations.site_of_account(tx, account_id)
    return site if site and _may_be_asked(site, now) else None


def _may_be_asked(site: Site, now: int) -> bool:
    return site.may_call(now) and (site.paused_until or 0) <= now


def connected_issue(connection: Connection, site: Site | None) -> ConnectedIssue:
    """A connection as the flag's page shows it, with the issue's address in the site, where there is one."""
    there = site is not None and not site.disconnected_at and site.site_url.startswith("http")
    there = there and connection.issue.state != "deleted" and not connection.issue.key_passed_on
    url = f"{site.site_url}/browse/{connection.issue.key}" if site and there else ""
    return ConnectedIssue(connection.issue, url, connection.connected_at, connection.connected_by)
