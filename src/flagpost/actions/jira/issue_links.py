"""Connecting flags with Jira issues, seeing what is connected, and taking connections away."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Unpack

from flagpost.actions.access import Actor, Right
from flagpost.actions.context import Context
from flagpost.actions.flags.flags import NewFlag, add_flag
from flagpost.actions.lookup import get_visible_flag, get_visible_project
from flagpost.actions.unit_of_work import Change, transactional
from flagpost.errors import Conflict, InvalidInput, JiraError, NotFound, Problem
from flagpost.flags.issue_keys import parse_issue_refs
from flagpost.flags.model import FlagStatus
from flagpost.jira.issues import WHILE_SOMEBODY_WAITS, Patience
from flagpost.jira.payload import MAX_ASSOCIATIONS
from flagpost.store.accounts import accounts
from flagpost.store.db import Transaction
from flagpost.store.jira import integrations, issues, outbox
from flagpost.store.jira.integrations import ChosenProject, Site
from flagpost.store.jira.issues import Connection, Issue
from flagpost.store.locks import Lock
from flagpost.store.records import Flag, Project

FRESH_MS = 2 * 60_000  # how old the shown status of an issue may be


@dataclass(frozen=True, slots=True)
class ConnectedIssue:
    """A connection as the flag's page shows it; `url` is empty while no site is connected."""

    issue: Issue
    url: str
    connected_at: int
    connected_by: str


@dataclass(frozen=True, slots=True)
class PushStatus:
    """What Jira knows of a flag: `none` (never connected), `waiting`, `delivered` or `refused` with Jira's words."""

    state: str
    words: str = ""
    since: int | None = None


def check_issues(ctx: Context, actor: Actor, refs: Sequence[str]) -> list[Issue]:
    """The issues that these texts name, as Jira has them now. Not stored yet.

    InvalidInput names every one that is no issue key, does not exist, or that Jira will not show. While no site is
    connected or Jira is away, keys are taken as they were typed (`unchecked`) and looked up later.
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
    ctx: Context, actor: Actor, refs: Sequence[str], patience: Patience = WHILE_SOMEBODY_WAITS
) -> dict[str, Issue | None]:
    """What Jira has for each of these keys or numeric ids; None where it has, or shows, nothing.

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
    return {ref: result.found.get(ref) for ref in refs} | _as_typed(sorted(result.unasked))


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
        accounts.lock(change.tx, change.actor.account_id)
    found = get_visible_project(change.tx, change.actor, project, lock=Lock.SHARE)
    flag = add_flag(change, found, **described)
    if checked:
        add_connections(change, flag, checked)
    return flag


def connect_issues(ctx: Context, actor: Actor, project: str, flag: str, refs: Sequence[str]) -> list[ConnectedIssue]:
    """Connect a flag with these issues; those connected already stay so. All of them or, with an error, none."""
    connect_checked(ctx, actor, project, flag, check_issues(ctx, actor, refs))
    return list_connections(ctx, actor, project, flag)


@transactional
def connect_checked(change: Change, project: str, flag: str, checked: Sequence[Issue]) -> list[str]:
    """Connect a flag with issues that were just looked up; the keys that were not connected before."""
    change.actor.require(Right.EDIT_FLAGS)
    accounts.lock(change.tx, change.actor.account_id)
    return add_connections(change, _lock_flag(change, project, flag), checked)


def add_connections(change: Change, flag: Flag, checked: Sequence[Issue]) -> list[str]:
    """Within a change: connect a locked flag with issues that were looked up; the keys that are new.

    The caller holds the account too, because issues that are not known yet have no row to lock. The outbox entry is
    locked before the issues, as a delivery locks them.
    """
    tx = change.tx
    if flag.status is FlagStatus.ARCHIVED:
        raise Conflict(f"“{flag.name}” is archived. Bring it back first.")
    outbox.lock(tx, [flag.id])
    saved = [issues.save(tx, change.actor.account_id, issue) for issue in checked]
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
    """Take a connection away, by the issue's key or numeric id. Jira shows it at once."""
    change.actor.require(Right.EDIT_FLAGS)
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
    if refresh_issues(ctx, actor.account_id, [one.issue for one in connected]):
        with ctx.db.read() as tx:
            connected = issues.connections_of(tx, one.id)
    with ctx.db.read() as tx:
        site = integrations.site_of_account(tx, actor.account_id)
    return [_shown(connection, site) for connection in connected]


def push_status(ctx: Context, actor: Actor, project: str, flag: str) -> PushStatus:
    """What Jira knows of a flag."""
    actor.require(Right.VIEW_FLAGS)
    with ctx.db.read() as tx:
        push = outbox.find(tx, get_visible_flag(tx, get_visible_project(tx, actor, project), flag).id)
        site = integrations.site_of_account(tx, actor.account_id)
    if push is None or (site and site.disconnected_at):  # with the app, Jira forgot everything it was told
        return PushStatus("none")
    if site and site.resend_wanted_at is not None:
        return PushStatus("waiting", since=site.resend_wanted_at)
    if push.waiting:
        return PushStatus("waiting", since=push.wanted_at)
    if push.refused:
        return PushStatus("refused", push.refused, push.delivered_at)
    return PushStatus("delivered" if push.held else "none", since=push.delivered_at)


def projects_for_connect(ctx: Context, actor: Actor) -> list[ChosenProject]:
    """The projects of the integration that the actor can see: only their flags can be connected from Jira."""
    actor.require(Right.VIEW_FLAGS)
    with ctx.db.read() as tx:
        chosen = integrations.chosen_projects(tx, actor.account_id)
        return [one for one in chosen if _can_see(tx, actor, one.project)]


def _can_see(tx: Transaction, actor: Actor, project: Project) -> bool:
    try:
        return get_visible_project(tx, actor, project.id) is not None
    except NotFound:
        return False


# Asking Jira ------------------------------------------------------------------------------------------------------


def refresh_issues(ctx: Context, account_id: str, known: Sequence[Issue]) -> bool:
    """Look up again what is no longer fresh; False where nothing was, or Jira did not answer within seconds.

    An issue that was moved or renamed gets its new key; one that is gone is marked so, and flags are told anew.
    """
    now = ctx.clock()
    stale = [issue for issue in known if now - (issue.checked_at or 0) > FRESH_MS]
    site = _site_to_ask(ctx, account_id) if stale else None
    if site is None:
        return False
    try:
        told = ctx.issues.bring_up_to_date(site, stale, WHILE_SOMEBODY_WAITS)
    except JiraError:
        return False
    if told:
        ctx.wake(account_id)
    return True


def _site_to_ask(ctx: Context, account_id: str) -> Site | None:
    """The connected site; None where there is none, or it asked for patience: a page must not wait for it."""
    now = ctx.clock()
    with ctx.db.read() as tx:
        site = integrations.site_of_account(tx, account_id)
    return site if site and site.may_be_asked(now) and (site.paused_until or 0) <= now else None


def _shown(connection: Connection, site: Site | None) -> ConnectedIssue:
    there = site is not None and not site.disconnected_at and site.site_url.startswith("http")
    there = there and connection.issue.state != "deleted" and not connection.issue.key_passed_on
    url = f"{site.site_url}/browse/{connection.issue.key}" if site and there else ""
    return ConnectedIssue(connection.issue, url, connection.connected_at, connection.connected_by)
