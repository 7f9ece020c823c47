"""Admin settings → Integrations: the Marketplace, and Jira Cloud from its set-up to its removal."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from flagpost.actions.access import Right
from flagpost.actions.accounts.sessions import SignedIn
from flagpost.actions.context import Context
from flagpost.actions.jira import integration
from flagpost.actions.jira.diagnostics import Finding, check_integration
from flagpost.actions.jira.status import get_integration
from flagpost.actions.projects import environments, projects
from flagpost.errors import FlagpostError
from flagpost.web.console.page import MOST_PROJECTS, Form, form_list, form_text, problems_of, redirect, render_page
from flagpost.web.guard import Person
from flagpost.web.state import Ctx

router = APIRouter(prefix="/admin/integrations")
_HOME = "/admin/integrations"


@router.get("")
def page(request: Request, ctx: Ctx, who: Person, tab: str = "marketplace") -> Response:
    """What can be added (Marketplace), and what is set up (Configured)."""
    who.actor.require(Right.MANAGE_INTEGRATIONS)
    return _page(request, ctx, who, tab)


@router.get("/jira")
def choose(request: Request, ctx: Ctx, who: Person) -> Response:
    """Choose projects and exactly one environment of each, to add the integration or to edit it."""
    who.actor.require(Right.MANAGE_INTEGRATIONS)
    state = get_integration(ctx, who.actor)
    return _choose(request, ctx, who, {one.project.id: one.environment.id for one in state.projects})


@router.post("/jira")
def save(request: Request, ctx: Ctx, who: Person, form: Form) -> Response:
    """Set the integration up and show its token once; or save other projects."""
    chosen = {project: form_text(form, f"environment-{project}") for project in form_list(form, "projects")}
    try:
        if get_integration(ctx, who.actor).key:
            integration.change_projects(ctx, who.actor, list(chosen.items()))
            return redirect(f"{_HOME}?tab=configured")
        token = integration.set_up_integration(
            ctx, who.actor, list(chosen.items()), site=form_text(form, "site") or None
        )
    except FlagpostError as error:
        return _choose(request, ctx, who, chosen, error, form_text(form, "site"))
    return _page(request, ctx, who, "configured", token.secret)


@router.post("/jira/act")
def act(request: Request, ctx: Ctx, who: Person, form: Form) -> Response:
    """Whatever the page's buttons say: about the token, the site, sending again, checking, removing."""
    try:
        match form_text(form, "act"):
            case "check":
                return _page(request, ctx, who, "configured", findings=check_integration(ctx, who.actor))
            case "address":
                integration.confirm_address(ctx, who.actor)
            case "forget":
                integration.forget_site(ctx, who.actor)
            case "regenerate":
                return _page(request, ctx, who, "configured", integration.regenerate_token(ctx, who.actor).secret)
            case "revoke":
                integration.revoke_token(ctx, who.actor)
            case "grant":
                integration.grant_project(ctx, who.actor, form_text(form, "project"))
            case "resend":
                integration.resend(ctx, who.actor)
            case "remove":
                integration.remove_integration(ctx, who.actor)
    except FlagpostError as error:
        return _page(request, ctx, who, "configured", error=error)
    return redirect(f"{_HOME}?tab=configured")


def _page(
    request: Request,
    ctx: Context,
    who: SignedIn,
    tab: str,
    token: str = "",
    error: FlagpostError | None = None,
    findings: list[Finding] | None = None,
) -> Response:
    state = get_integration(ctx, who.actor)
    return render_page(
        request,
        ctx,
        who,
        "integrations.html",
        nav="admin-integrations",
        tab=tab,
        state=state,
        token=token,
        findings=findings,
        now=ctx.clock(),
        problems=problems_of(error) if error else [],
        status=error.status if error else 200,
    )


def _choose(
    request: Request,
    ctx: Context,
    who: SignedIn,
    chosen: dict[str, str],
    error: FlagpostError | None = None,
    site: str = "",
) -> Response:
    visible = projects.list_projects(ctx, who.actor, limit=MOST_PROJECTS).items
    return render_page(
        request,
        ctx,
        who,
        "integration_jira.html",
        nav="admin-integrations",
        choices=[(one, environments.list_environments(ctx, who.actor, one.id)) for one in visible],
        chosen=chosen,
        site=site,
        editing=get_integration(ctx, who.actor).key is not None,
        problems=problems_of(error) if error else [],
        status=error.status if error else 200,
    )
