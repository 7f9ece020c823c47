"""A flag's page: kill and restore, and the tabs *Integrations*, *Audit log* and *Settings*.

The tabs *Definition*, *Traffic* and *Try it* have modules of their own.
"""

import json
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from flagpost.actions.change_requests import requests as change_requests
from flagpost.actions.change_requests.requests import Proposal
from flagpost.actions.flags import definitions, flags, pages
from flagpost.actions.flags.pages import FlagAddress, FlagPage, FlagView
from flagpost.actions.jira import issue_links, reconciliation, resync
from flagpost.actions.jira import pages as jira_pages
from flagpost.errors import ApprovalRequired, FlagpostError, InvalidInput
from flagpost.web.console.jira_health import log_query, log_values
from flagpost.web.console.page import (
    PAGE_SIZE,
    Console,
    Form,
    change_summary,
    form_owners,
    form_text,
    redirect,
    split_list,
)

router = APIRouter()
FLAG = "/projects/{project}/flags/{flag}"
FlagAt = Annotated[FlagAddress, Depends()]


def render_tab(
    console: Console, tab: str, page: FlagPage, *, error: FlagpostError | None = None, **values: Any
) -> Response:
    """A tab of a flag's page, from the template ``flag_<tab>.html``."""
    return console.render(f"flag_{tab}.html", page, error=error, nav="flags", tab=tab, **values)


def in_form_environment(at: FlagAddress, form: Form) -> FlagAddress:
    """The flag in the environment that a form names."""
    return replace(at, environment=form_text(form, "environment") or None)


@router.post(FLAG + "/kill")
def kill(console: Console, at: FlagAt, form: Form) -> Response:
    """Kill, once the flag's name or KILL was typed."""
    one = pages.load_flag(console.ctx, console.actor, in_form_environment(at, form)).one
    if form_text(form, "confirm") not in (one.flag.name, "KILL"):
        raise InvalidInput(f"To kill “{one.flag.name}”, type its name or KILL.")
    return _set_killed(console, one, form, killed=True)


@router.post(FLAG + "/restore")
def restore(console: Console, at: FlagAt, form: Form) -> Response:
    """Undo a kill."""
    one = pages.load_flag(console.ctx, console.actor, in_form_environment(at, form)).one
    return _set_killed(console, one, form, killed=False)


def _set_killed(console: Console, one: FlagView, form: Form, *, killed: bool) -> Response:
    act, operation = (definitions.kill, "KILL") if killed else (definitions.restore, "RESTORE")
    place, summary = form_text(form, "environment"), change_summary(form)
    try:
        act(console.ctx, console.actor, one.project.id, one.flag.id, place, summary)
    except ApprovalRequired:
        proposal = Proposal("flag", one.flag.name, operation, title=summary.title, comment=summary.comment)
        return request_change(console, one, proposal)
    return redirect(one.url + one.here)


def request_change(console: Console, one: FlagView, proposal: Proposal) -> Response:
    """Submit a change request, and show it."""
    place = one.environment.id if one.environment else ""
    new = change_requests.submit(console.ctx, console.actor, one.project.id, place, proposal)
    return redirect(f"/projects/{one.project.id}/change-requests/{new.request.id}")


# Integrations -----------------------------------------------------------------------------------------------------


@router.get(FLAG + "/integrations")
def integrations_tab(console: Console, at: FlagAt) -> Response:
    """The issues of a flag, and what Jira has of it."""
    return _integrations(console, at)


def _integrations(console: Console, at: FlagAddress, error: FlagpostError | None = None, typed: str = "") -> Response:
    page = jira_pages.load_flag_integrations(console.ctx, console.actor, at)
    return render_tab(console, "integrations", page, error=error, typed=typed)


@router.get(FLAG + "/integrations/preview")
def preview(console: Console, at: FlagAt) -> Response:
    """Exactly what Jira would be sent of the flag now."""
    page = jira_pages.load_flag_preview(console.ctx, console.actor, at)
    body = json.dumps(page.found.body, indent=2, ensure_ascii=False) if page.found.body else ""
    return render_tab(console, "jira_preview", page, body=body)


@router.get(FLAG + "/integrations/log")
def log_tab(console: Console, at: FlagAt) -> Response:
    """The delivery log of a flag."""
    query = log_query(console.request, with_flag=False)
    page = jira_pages.load_flag_log(console.ctx, console.actor, at, query.wanted, query.after)
    return render_tab(console, "delivery_log", page, error=query.error or page.error, **log_values(query, page.log))


@router.post(FLAG + "/integrations/act")
def act_on_jira(console: Console, at: FlagAt, form: Form) -> Response:
    """Resync a flag, or compare it with Jira, as the button says."""
    act = resync.start_resync if form_text(form, "act") == "resync" else reconciliation.request_reconciliation
    try:
        act(console.ctx, console.actor, at.project, at.flag)
    except FlagpostError as error:
        return _integrations(console, at, error)
    return redirect(_address(at) + "/integrations")


@router.post(FLAG + "/issues")
def connect(console: Console, at: FlagAt, form: Form) -> Response:
    """Connect with one or more issues."""
    typed = form_text(form, "issues")
    try:
        issue_links.connect_issues(console.ctx, console.actor, at.project, at.flag, [typed])
    except FlagpostError as error:
        return _integrations(console, at, error, typed)
    return redirect(_address(at) + "/integrations")


@router.post(FLAG + "/issues/{issue}/disconnect")
def disconnect(console: Console, at: FlagAt, issue: str) -> Response:
    """Disconnect an issue."""
    issue_links.disconnect_issue(console.ctx, console.actor, at.project, at.flag, issue)
    return redirect(_address(at) + "/integrations")


def _address(at: FlagAddress) -> str:
    return FLAG.format(project=at.project, flag=at.flag)


# Audit log and settings -------------------------------------------------------------------------------------------


@router.get(FLAG + "/audit")
def audit_tab(console: Console, at: FlagAt, offset: int = 0) -> Response:
    """What changed on a flag, the newest first."""
    page = pages.load_flag_audit(console.ctx, console.actor, at, offset=max(offset, 0), limit=PAGE_SIZE)
    return render_tab(console, "audit", page)


@router.get(FLAG + "/settings")
def settings_tab(console: Console, at: FlagAt) -> Response:
    """A flag's description, tags, owners and rollout status; archiving and deleting it."""
    return render_tab(console, "settings", pages.load_settings(console.ctx, console.actor, at))


@router.post(FLAG + "/settings")
def save_settings(console: Console, at: FlagAt, form: Form) -> Response:
    """Save, archive, bring back, or delete, as the button says."""
    try:
        return _act(console, at, form)
    except FlagpostError as error:
        return render_tab(console, "settings", pages.load_settings(console.ctx, console.actor, at), error=error)


def _act(console: Console, at: FlagAddress, form: Form) -> Response:
    flag = (console.ctx, console.actor, at.project, at.flag)
    match form_text(form, "act"):
        case "archive":
            flags.archive_flag(*flag)
        case "unarchive":
            flags.unarchive_flag(*flag)
        case "delete":
            flags.delete_flag(*flag)
            return redirect(f"/projects/{at.project}/flags")
        case "remove":
            definitions.remove_definition(*flag, form_text(form, "environment"))
        case _:
            flags.update_flag(
                *flag,
                base_version=int(form_text(form, "version", "0")) or None,
                description=form_text(form, "description"),
                tags=split_list(form_text(form, "tags")),
                owners=form_owners(form, "owners"),
                rollout_status=form_text(form, "rollout_status") or None,
            )
    return redirect(_address(at) + "/settings")
