"""A flag's page: kill and restore, and the tabs Integrations, Audit log and Settings."""

import json
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from flagpost.actions import audit
from flagpost.actions.accounts import users
from flagpost.actions.accounts.sessions import SignedIn
from flagpost.actions.change_requests import requests as change_requests
from flagpost.actions.change_requests.requests import Proposal
from flagpost.actions.context import Context
from flagpost.actions.flags import definitions, flags, impressions
from flagpost.actions.jira import delivery_health, issue_links, payload_preview, reconciliation, resync
from flagpost.actions.projects import projects
from flagpost.actions.unit_of_work import Summary
from flagpost.errors import ApprovalRequired, FlagpostError, InvalidInput
from flagpost.store.records import Flag, FlagDefinition, Project
from flagpost.web.console.environment_picker import InEnvironment, choose
from flagpost.web.console.jira_health import asked_of_log, filter_of_log, shown_log
from flagpost.web.console.page import Form, form_list, form_text, listed, problems_of, redirect, render_page
from flagpost.web.guard import Person
from flagpost.web.state import Ctx

router = APIRouter()
_ONE = "/projects/{project}/flags/{flag}"
_TOLD_SHOWN = 5


@dataclass(frozen=True, slots=True)
class OneFlag(InEnvironment[FlagDefinition]):
    """What the head of a flag's page needs, whatever the tab."""

    project: Project
    flag: Flag
    last_traffic: dict[str, int]

    @property
    def served_at(self) -> int | None:
        """When an application was last served the flag in the chosen environment."""
        return self.last_traffic.get(self.environment.id) if self.environment else None

    @property
    def url(self) -> str:
        """The page's own address, without the environment."""
        return f"/projects/{self.project.id}/flags/{self.flag.id}"


def load(ctx: Context, who: SignedIn, project: str, flag: str, environment: str | None) -> OneFlag:
    """The flag; `environment` by id or name, else production where there is one."""
    found = projects.get_project(ctx, who.actor, project)
    one = flags.get_flag(ctx, who.actor, found.id, flag)
    places, place = choose(ctx, who, found.id, environment)
    set_up = definitions.definitions_of_flag(ctx, who.actor, found.id, one.id)
    served = impressions.last_traffic(ctx, who.actor, found.id, one.id)
    return OneFlag(places, place, set_up, project=found, flag=one, last_traffic=served)


def show_tab(
    request: Request, ctx: Context, who: SignedIn, one: OneFlag, tab: str, error: Exception | None = None, **values: Any
) -> Response:
    """A tab of a flag's page."""
    known = error if isinstance(error, FlagpostError) else None
    place = one.environment
    waiting = (
        change_requests.open_in_environment(ctx, who.actor, one.project.id, place.id, [one.flag.id]) if place else {}
    )
    return render_page(
        request,
        ctx,
        who,
        f"flag_{tab}.html",
        project=one.project,
        nav="flags",
        one=one,
        tab=tab,
        waiting=waiting.get(one.flag.id),
        problems=problems_of(known) if known else [],
        status=known.status if known else 200,
        **values,
    )


@router.post(_ONE + "/kill")
def kill(ctx: Ctx, who: Person, project: str, flag: str, form: Form) -> Response:
    """Kill, once the flag's name or KILL was typed."""
    one = load(ctx, who, project, flag, form_text(form, "environment"))
    if form_text(form, "confirm") not in (one.flag.name, "KILL"):
        raise InvalidInput(f"To kill “{one.flag.name}”, type its name or KILL.")
    try:
        definitions.kill(ctx, who.actor, project, flag, form_text(form, "environment"), Summary(**_summary(form)))
    except ApprovalRequired:
        return ask(ctx, who, one, Proposal("flag", one.flag.name, "KILL", **_summary(form)))
    return redirect(one.url + one.here)


@router.post(_ONE + "/restore")
def restore(ctx: Ctx, who: Person, project: str, flag: str, form: Form) -> Response:
    """Undo a kill."""
    one = load(ctx, who, project, flag, form_text(form, "environment"))
    try:
        definitions.restore(ctx, who.actor, project, flag, form_text(form, "environment"), Summary(**_summary(form)))
    except ApprovalRequired:
        return ask(ctx, who, one, Proposal("flag", one.flag.name, "RESTORE", **_summary(form)))
    return redirect(one.url + one.here)


def ask(ctx: Context, who: SignedIn, one: OneFlag, proposal: Proposal) -> Response:
    """Where a change has to be approved first, ask for it, and show the request."""
    place = one.environment.id if one.environment else ""
    new = change_requests.submit(ctx, who.actor, one.project.id, place, proposal)
    return redirect(f"/projects/{one.project.id}/change-requests/{new.request.id}")


def _summary(form: Form) -> dict[str, Any]:
    return {"title": form_text(form, "title"), "comment": form_text(form, "comment")}


@router.get(_ONE + "/integrations")
def integrations_tab(
    request: Request, ctx: Ctx, who: Person, project: str, flag: str, environment: str | None = None
) -> Response:
    """The issues of a flag, and what Jira knows of it."""
    return _integrations(request, ctx, who, load(ctx, who, project, flag, environment))


@router.get(_ONE + "/integrations/preview")
def preview(request: Request, ctx: Ctx, who: Person, project: str, flag: str) -> Response:
    """Exactly what Jira would be sent of the flag now."""
    one = load(ctx, who, project, flag, None)
    found = payload_preview.preview(ctx, who.actor, one.project.id, one.flag.id)
    body = json.dumps(found.body, indent=2, ensure_ascii=False) if found.body else ""
    return show_tab(request, ctx, who, one, "jira_preview", found=found, body=body)


@router.get(_ONE + "/integrations/log")
def log_tab(request: Request, ctx: Ctx, who: Person, project: str, flag: str) -> Response:
    """What Jira was told of a flag, and answered."""
    one = load(ctx, who, project, flag, None)
    asked = {name: value for name, value in asked_of_log(request).items() if name != "flag"}
    place = (ctx, who.actor, one.project.id, one.flag.id)
    try:
        found = delivery_health.flag_log(*place, filter_of_log(asked), after=asked.get("after"))
    except FlagpostError as error:
        return show_tab(request, ctx, who, one, "jira_log", error, **shown_log(asked, None))
    return show_tab(request, ctx, who, one, "jira_log", **shown_log(asked, found))


@router.post(_ONE + "/integrations/act")
def act_on_jira(request: Request, ctx: Ctx, who: Person, project: str, flag: str, form: Form) -> Response:
    """Send a flag again, or have it read back from Jira, as the button says."""
    one = load(ctx, who, project, flag, None)
    ask = resync.send_again if form_text(form, "act") == "resend" else reconciliation.ask_for_check
    try:
        ask(ctx, who.actor, one.project.id, one.flag.id)
    except FlagpostError as error:
        return _integrations(request, ctx, who, one, error)
    return redirect(one.url + "/integrations")


@router.post(_ONE + "/issues")
def connect(request: Request, ctx: Ctx, who: Person, project: str, flag: str, form: Form) -> Response:
    """Connect with one or more issues."""
    one = load(ctx, who, project, flag, None)
    try:
        issue_links.connect_issues(ctx, who.actor, one.project.id, one.flag.id, [form_text(form, "issues")])
    except FlagpostError as error:
        return _integrations(request, ctx, who, one, error, form_text(form, "issues"))
    return redirect(one.url + "/integrations")


@router.post(_ONE + "/issues/{issue}/disconnect")
def disconnect(ctx: Ctx, who: Person, project: str, flag: str, issue: str) -> Response:
    """Take a connection away."""
    issue_links.disconnect_issue(ctx, who.actor, project, flag, issue)
    return redirect(f"/projects/{project}/flags/{flag}/integrations")


def _integrations(
    request: Request, ctx: Context, who: SignedIn, one: OneFlag, error: FlagpostError | None = None, typed: str = ""
) -> Response:
    chosen = issue_links.projects_for_connect(ctx, who.actor)
    return show_tab(
        request,
        ctx,
        who,
        one,
        "integrations",
        error,
        typed=typed,
        connected=issue_links.list_connections(ctx, who.actor, one.project.id, one.flag.id),
        push=issue_links.delivery_status(ctx, who.actor, one.project.id, one.flag.id),
        told=delivery_health.flag_log(ctx, who.actor, one.project.id, one.flag.id, limit=_TOLD_SHOWN).entries,
        findings=delivery_health.flag_findings(ctx, who.actor, one.project.id, one.flag.id)[:1],
        primary=next((at.environment for at in chosen if at.project.id == one.project.id), None),
    )


@router.get(_ONE + "/audit")
def audit_tab(request: Request, ctx: Ctx, who: Person, project: str, flag: str, offset: int = 0) -> Response:
    """What changed on a flag, the newest first."""
    one = load(ctx, who, project, flag, None)
    page = audit.list_audit(ctx, who.actor, one.project.id, flag=one.flag.id, offset=max(offset, 0))
    return show_tab(request, ctx, who, one, "audit", page=page)


@router.get(_ONE + "/settings")
def settings_tab(request: Request, ctx: Ctx, who: Person, project: str, flag: str) -> Response:
    """What is said about a flag, and archiving and deleting it."""
    return _settings(request, ctx, who, load(ctx, who, project, flag, None))


@router.post(_ONE + "/settings")
def save_settings(request: Request, ctx: Ctx, who: Person, project: str, flag: str, form: Form) -> Response:
    """Save, archive, bring back, or delete, as the button says."""
    one = load(ctx, who, project, flag, None)
    try:
        return _act(ctx, who, one, form)
    except FlagpostError as error:
        return _settings(request, ctx, who, one, error)


def _act(ctx: Context, who: SignedIn, one: OneFlag, form: Form) -> Response:
    place = (ctx, who.actor, one.project.id, one.flag.id)
    match form_text(form, "act"):
        case "archive":
            flags.archive_flag(*place)
        case "unarchive":
            flags.unarchive_flag(*place)
        case "delete":
            flags.delete_flag(*place)
            return redirect(f"/projects/{one.project.id}/flags")
        case "remove":
            definitions.remove_definition(*place, form_text(form, "environment"))
        case _:
            flags.update_flag(
                *place,
                base_version=int(form_text(form, "version", "0")) or None,
                description=form_text(form, "description"),
                tags=listed(form_text(form, "tags")),
                owners=[(kind, id) for kind, _, id in (text.partition(":") for text in form_list(form, "owners"))],
                rollout_status=form_text(form, "rollout_status") or None,
            )
    return redirect(one.url + "/settings")


def _settings(
    request: Request, ctx: Context, who: SignedIn, one: OneFlag, error: FlagpostError | None = None
) -> Response:
    return show_tab(
        request,
        ctx,
        who,
        one,
        "settings",
        error,
        owners=users.possible_owners(ctx, who.actor),
        statuses=projects.list_rollout_statuses(ctx, who.actor, one.project.id),
    )
