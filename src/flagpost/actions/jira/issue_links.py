"""Connecting flags with Jira issues, seeing what is connected, and taking connections away."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Unpack

from flagpost.actions.access import Actor, Right
from flagpost.actions.context import Context
from flagpost.actions.flags.flags import NewFlag, add_flag, record_flag
from flagpost.actions.lookup import get_visible_flag, get_visible_project, visible_projects
from flagpost.errors import Conflict, InvalidInput, JiraError, NotFound, Problem
from flagpost.flags.issue_keys import parse_issue_refs
from flagpost.flags.model import FlagStatus
from flagpost.jira.issues import WHILE_SOMEBODY_WAITS, Patience
from flagpost.jira.payload import MAX_ASSOCIATIONS
from flagpost.store.db import Transaction
from flagpost.store.jira import integrations, issues, outbox
from flagpost.store.jira.integrations import ChosenProject, Site
from flagpost.store.jira.issues import Connection, Issue
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
    now = ctx.clock()
    with ctx.db.write() as tx:
        flag = add_flag(tx, actor, get_visible_project(tx, actor, project), now, **described)
        if checked:
            add_connections(tx, actor, flag, checked, now)
    if checked:
        ctx.wake(actor.account_id)
    return flag


def connect_issues(ctx: Context, actor: Actor, project: str, flag: str, refs: Sequence[str]) -> list[ConnectedIssue]:
    """Connect a flag with these issues; those connected already stay so. All of them or, with an error, none."""
    checked = check_issues(ctx, actor, refs)
    now = ctx.clock()
    with ctx.db.write() as tx:
        found = get_visible_project(tx, actor, project)
        one = get_visible_flag(tx, found, flag)
        add_connections(tx, actor, one, checked, now)
    ctx.wake(actor.account_id)
    return list_connections(ctx, actor, project, flag)


def add_connections(tx: Transaction, actor: Actor, flag: Flag, checked: Sequence[Issue], now: int) -> list[str]:
    """The same within a transaction that does more, for issues that were checked; the keys that are new.

    Wake the account after the commit.
    """
    if flag.status is FlagStatus.ARCHIVED:
        raise Conflict(f"“{flag.name}” is archived. Bring it back first.")
    saved = [issues.save(tx, actor.account_id, issue) for issue in checked]
    new = [issue.key for issue in saved if issues.connect(tx, flag.id, issue.id, now, actor.name)]
    if issues.count_connections(tx, flag.id) > MAX_ASSOCIATIONS:
        raise InvalidInput(f"A flag can be connected with {MAX_ASSOCIATIONS} issues; Jira takes no more.", "issues")
    if any(issue.state == "unchecked" for issue in saved):  # Jira tells by its answer whether it knows them
        outbox.bump(tx, [flag.id], now)
    if new:
        outbox.enqueue(tx, actor.account_id, flag.project_id, flag.id, flag.name, now)
        record_flag(tx, actor, now, flag, "connected_issue", after={"issues": new})
    return new


def disconnect_issue(ctx: Context, actor: Actor, project: str, flag: str, issue: str) -> None:
    """Take a connection away, by the issue's key or numeric id. Jira shows it at once."""
    actor.require(Right.EDIT_FLAGS)
    now = ctx.clock()
    with ctx.db.write() as tx:
        one = get_visible_flag(tx, get_visible_project(tx, actor, project), flag)
        known = issues.find(tx, actor.account_id, issue)
        if known is None or not issues.disconnect(tx, one.id, known.id):
            raise NotFound(f"“{one.name}” is not connected with {issue}.")
        outbox.bump(tx, [one.id], now)
        record_flag(tx, actor, now, one, "disconnected_issue", before={"issues": [known.key]})
    ctx.wake(actor.account_id)


def list_connections(ctx: Context, actor: Actor, project: str, flag: str) -> list[ConnectedIssue]:
    """A flag's issues, by key, with a status that is at most a few minutes old where Jira answers."""
    actor.require(Right.VIEW_FLAGS)
    with ctx.db.read() as tx:
        one = get_visible_flag(tx, get_visible_project(tx, actor, project), flag)
        connected = issues.connections_of(tx, one.id)
        site = integrations.site_of_account(tx, actor.account_id)
    if refresh_issues(ctx, site, [one.issue for one in connected]):
        with ctx.db.read() as tx:
            connected = issues.connections_of(tx, one.id)
    return [connected_issue(connection, site) for connection in connected]


def push_status(ctx: Context, actor: Actor, project: str, flag: str) -> PushStatus:
    """What Jira knows of a flag."""
    actor.require(Right.VIEW_FLAGS)
    with ctx.db.read() as tx:
        one = get_visible_flag(tx, get_visible_project(tx, actor, project), flag)
        return read_push_status(tx, actor.account_id, one.id)


def read_push_status(tx: Transaction, account_id: str, flag_id: str) -> PushStatus:
    """Within a transaction: whether Jira has the newest version of a flag."""
    push = outbox.find(tx, flag_id)
    site = integrations.site_of_account(tx, account_id)
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
        return read_projects_for_connect(tx, actor)


def read_projects_for_connect(tx: Transaction, actor: Actor) -> list[ChosenProject]:
    """Within a transaction: the projects of the integration that the actor can see."""
    chosen = integrations.chosen_projects(tx, actor.account_id)
    seen = {one.id for one in projects.list_by_id(tx, visible_projects(actor), [one.project.id for one in chosen])}
    return [one for one in chosen if one.project.id in seen]


# Asking Jira ------------------------------------------------------------------------------------------------------


def refresh_issues(ctx: Context, site: Site | None, known: Sequence[Issue]) -> bool:
    """Look up again in the account's site what is no longer fresh; False where nothing was, or Jira did not answer.

    An issue that was moved or renamed gets its new key; one that is gone is marked so, and flags are told anew.
    """
    now = ctx.clock()
    stale = [issue for issue in known if now - (issue.checked_at or 0) > FRESH_MS]
    if not stale or site is None or not _may_be_asked(site, now):
        return False
    try:
        told = ctx.issues.bring_up_to_date(site, stale, WHILE_SOMEBODY_WAITS)
    except JiraError:
        return False
    if told:
        ctx.wake(site.account_id)
    return True


def _site_to_ask(ctx: Context, account_id: str) -> Site | None:
    """The connected site; None where there is none, or it asked for patience: a page must not wait for it."""
    now = ctx.clock()
    with ctx.db.read() as tx:
        site = integrations.site_of_account(tx, account_id)
    return site if site and _may_be_asked(site, now) else None


def _may_be_asked(site: Site, now: int) -> bool:
    return site.may_be_asked(now) and (site.paused_until or 0) <= now


def connected_issue(connection: Connection, site: Site | None) -> ConnectedIssue:
    """A connection as the flag's page shows it, with the issue's address in the site, where there is one."""
    there = site is not None and not site.disconnected_at and site.site_url.startswith("http")
    there = there and connection.issue.state != "deleted" and not connection.issue.key_passed_on
    url = f"{site.site_url}/browse/{connection.issue.key}" if site and there else ""
    return ConnectedIssue(connection.issue, url, connection.connected_at, connection.connected_by)
