"""Connecting flags with Jira issues, seeing what is connected, and taking connections away."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Unpack

from flagpost.actions.access import Actor, Right
from flagpost.actions.context import Context
from flagpost.actions.flags import NewFlag, add_flag, record_flag
from flagpost.actions.reach import reach_flag, reach_project
from flagpost.errors import Conflict, InvalidInput, JiraError, NotFound, Problem
from flagpost.flags.issue_keys import parse_issue_refs
from flagpost.flags.model import FlagStatus
from flagpost.jira.client import Answer
from flagpost.jira.payload import MAX_ASSOCIATIONS
from flagpost.store import integrations, issues, pushes
from flagpost.store.db import Transaction
from flagpost.store.integrations import ChosenProject, Installation, Site
from flagpost.store.issues import Connection, Issue
from flagpost.store.records import Flag, Project

FRESH_MS = 2 * 60_000  # how old the shown status of an issue may be
_BULK = 100  # Atlassian: the most that `issue/bulkfetch` takes
_FIELDS = ["summary", "status", "issuetype", "assignee", "project"]


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


@dataclass(frozen=True, slots=True)
class _JiraAccess:
    """What is needed to ask a site about its issues."""

    site: Site
    base_url: str
    token: str


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


def look_up_issues(ctx: Context, actor: Actor, refs: Sequence[str]) -> dict[str, Issue | None]:
    """What Jira has for each of these keys or numeric ids; None where it has, or shows, nothing.

    While Jira cannot be asked, keys are taken as they are; InvalidInput where a number is among them.
    """
    access = _access(ctx, actor.account_id) if refs else None
    if access is None:
        return _as_typed(refs)
    try:
        found = _look_up(ctx, access, refs)
    except JiraError:
        return _as_typed(refs)
    return {ref: found.get(ref) for ref in refs}


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
        flag = add_flag(tx, actor, reach_project(tx, actor, project), now, **described)
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
        found = reach_project(tx, actor, project)
        one = reach_flag(tx, found, flag)
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
    if new:
        pushes.want(tx, actor.account_id, flag.project_id, flag.id, flag.name, now)
        record_flag(tx, actor, now, flag, "connected_issue", after={"issues": new})
    return new


def disconnect_issue(ctx: Context, actor: Actor, project: str, flag: str, issue: str) -> None:
    """Take a connection away, by the issue's key or numeric id. Jira shows it at once."""
    actor.require(Right.EDIT_FLAGS)
    now = ctx.clock()
    with ctx.db.write() as tx:
        one = reach_flag(tx, reach_project(tx, actor, project), flag)
        known = issues.find(tx, actor.account_id, issue)
        if known is None or not issues.disconnect(tx, one.id, known.id):
            raise NotFound(f"“{one.name}” is not connected with {issue}.")
        pushes.mark_changed(tx, [one.id], now)
        record_flag(tx, actor, now, one, "disconnected_issue", before={"issues": [known.key]})
    ctx.wake(actor.account_id)


def list_connections(ctx: Context, actor: Actor, project: str, flag: str) -> list[ConnectedIssue]:
    """A flag's issues, by key, with a status that is at most a few minutes old where Jira answers."""
    actor.require(Right.VIEW_FLAGS)
    with ctx.db.read() as tx:
        one = reach_flag(tx, reach_project(tx, actor, project), flag)
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
        push = pushes.find(tx, reach_flag(tx, reach_project(tx, actor, project), flag).id)
    if push is None:
        return PushStatus("none")
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
        return reach_project(tx, actor, project.id) is not None
    except NotFound:
        return False


# Asking Jira ------------------------------------------------------------------------------------------------------


def refresh_issues(ctx: Context, account_id: str, known: Sequence[Issue], *, force: bool = False) -> bool:
    """Look up again what is no longer fresh; False where nothing was, or Jira did not answer.

    An issue that was moved or renamed gets its new key; one that is gone is marked so, and flags are told anew.
    """
    now = ctx.clock()
    stale = [issue for issue in known if force or now - (issue.checked_at or 0) > FRESH_MS]
    access = _access(ctx, account_id) if stale else None
    if access is None:
        return False
    try:
        found = _look_up(ctx, access, [issue.jira_id or issue.key for issue in stale])
    except JiraError:
        return False
    with ctx.db.write() as tx:
        told = sum(_follow(tx, account_id, issue, found.get(issue.jira_id or issue.key), now) for issue in stale)
    if told:
        ctx.wake(account_id)
    return True


def _follow(tx: Transaction, account_id: str, old: Issue, new: Issue | None, now: int) -> int:
    """Bring one issue up to date; how many flags Jira must hear of because of it."""
    current = new or replace(old, state="missing", checked_at=now)
    issues.save(tx, account_id, current)
    if (old.state == "missing") == (current.state == "missing") and old.jira_id == current.jira_id:
        return 0
    return pushes.mark_changed(tx, issues.flags_of_issues(tx, account_id, [current.key]), now)


def _access(ctx: Context, account_id: str) -> _JiraAccess | None:
    with ctx.db.read() as tx:
        site = integrations.site_of_account(tx, account_id)
        installation = integrations.find_installation(tx, site.installation_id) if site else None
    if site is None or site.disconnected_at or installation is None or (site.paused_until or 0) > ctx.clock():
        return None  # no site, or one that asked for patience: a page must not wait for it
    token = _usable_token(ctx, installation)
    return _JiraAccess(site, installation.api_base_url, token) if token else None


def _usable_token(ctx: Context, installation: Installation) -> str | None:
    if not installation.system_token or (installation.system_token_expires_at or 0) <= ctx.clock():
        return None
    return ctx.box.decrypt(installation.system_token)


def _look_up(ctx: Context, access: _JiraAccess, refs: Sequence[str]) -> dict[str, Issue]:
    """What Jira has for each of these keys or numeric ids; those it does not have, or show, are left out.

    Follows moved issues (Atlassian: bulkfetch "checks for moved issues"). The answer does not say which of the asked
    keys became which issue, so keys that are not found under their own name are asked for one at a time.
    """
    found: dict[str, Issue] = {}
    for start in range(0, len(refs), _BULK):
        part = list(refs[start : start + _BULK])
        answer = ctx.jira.call(
            "POST",
            f"{access.base_url}/rest/api/3/issue/bulkfetch",
            token=access.token,
            json={"issueIdsOrKeys": part, "fields": _FIELDS},
        )
        for issue in _issues_in(answer, ctx.clock()):
            found |= {ref: issue for ref in part if ref in (issue.key, issue.jira_id)}
    for ref in refs:
        if ref not in found and (moved := _look_up_one(ctx, access, ref)):
            found[ref] = moved
    return found


def _look_up_one(ctx: Context, access: _JiraAccess, ref: str) -> Issue | None:
    answer = ctx.jira.call(
        "GET",
        f"{access.base_url}/rest/api/3/issue/{ref}",
        token=access.token,
        params={"fields": ",".join(_FIELDS)},
    )
    if answer.status == 404:
        return None
    _require_answer(answer)
    return _issue(answer.body, ctx.clock())


def _issues_in(answer: Answer, now: int) -> list[Issue]:
    _require_answer(answer)
    return [_issue(one, now) for one in answer.body.get("issues") or []]


def _require_answer(answer: Answer) -> None:
    if not answer.ok or not isinstance(answer.body, dict):
        raise JiraError(answer.words())


def _issue(body: dict[str, Any], now: int) -> Issue:
    fields = body.get("fields") or {}
    status = fields.get("status") or {}
    return Issue(
        id="",
        jira_id=str(body["id"]),
        key=str(body["key"]),
        summary=str(fields.get("summary") or ""),
        issue_type=str((fields.get("issuetype") or {}).get("name") or ""),
        status=str(status.get("name") or ""),
        status_category=str((status.get("statusCategory") or {}).get("key") or ""),
        assignee=str((fields.get("assignee") or {}).get("displayName") or ""),
        state="known",
        checked_at=now,
    )


def _shown(connection: Connection, site: Site | None) -> ConnectedIssue:
    there = site is not None and not site.disconnected_at and site.site_url.startswith("http")
    url = f"{site.site_url}/browse/{connection.issue.key}" if site and there else ""
    return ConnectedIssue(connection.issue, url, connection.connected_at, connection.connected_by)
