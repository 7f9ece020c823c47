"""Admin settings → Integrations: the Marketplace, and Jira Cloud from its set-up to its removal."""

from fastapi import APIRouter
from fastapi.responses import Response

from flagpost.actions.jira import integration, pages
from flagpost.actions.jira.diagnostics import Finding, check_integration
from flagpost.actions.jira.status import get_integration
from flagpost.errors import FlagpostError
from flagpost.web.console.page import Console, Form, form_list, form_text, redirect

router = APIRouter(prefix="/admin/integrations")
_HOME = "/admin/integrations"


@router.get("")
def integrations_page(console: Console, tab: str = "marketplace") -> Response:
    """The integrations to add (Marketplace), and the one that is set up (Configured)."""
    return _page(console, tab)


@router.get("/jira")
def projects_page(console: Console) -> Response:
    """Choose projects and exactly one environment of each, to add the integration or to edit it."""
    return _projects(console)


@router.post("/jira")
def save(console: Console, form: Form) -> Response:
    """Set the integration up and show its token once; or save other projects."""
    chosen = {project: form_text(form, f"environment-{project}") for project in form_list(form, "projects")}
    choices, site = list(chosen.items()), form_text(form, "site")
    try:
        if get_integration(console.ctx, console.actor).key:
            integration.change_projects(console.ctx, console.actor, choices)
            return redirect(f"{_HOME}?tab=configured")
        token = integration.set_up_integration(console.ctx, console.actor, choices, site=site or None)
    except FlagpostError as error:
        return _projects(console, chosen, error, site)
    return _page(console, "configured", token=token.secret)


@router.post("/jira/act")
def act(console: Console, form: Form) -> Response:
    """A button of the page: about the token, the site, a resync, a check, or the removal."""
    who = (console.ctx, console.actor)
    try:
        match form_text(form, "act"):
            case "check":
                return _page(console, "configured", findings=check_integration(*who))
            case "address":
                integration.confirm_address(*who)
            case "forget":
                integration.forget_site(*who)
            case "regenerate":
                return _page(console, "configured", token=integration.regenerate_token(*who).secret)
            case "revoke":
                integration.revoke_token(*who)
            case "grant":
                integration.grant_project(*who, form_text(form, "project"))
            case "resync":
                integration.resync_all(*who)
            case "remove":
                integration.remove_integration(*who)
    except FlagpostError as error:
        return _page(console, "configured", error=error)
    return redirect(f"{_HOME}?tab=configured")


def _page(
    console: Console,
    tab: str,
    *,
    token: str = "",
    error: FlagpostError | None = None,
    findings: list[Finding] | None = None,
) -> Response:
    page = pages.load_integration(console.ctx, console.actor)
    shown = {"tab": tab, "token": token, "findings": findings}
    return console.render("integrations.html", page, error=error, nav="admin-integrations", **shown)


def _projects(
    console: Console, chosen: dict[str, str] | None = None, error: FlagpostError | None = None, site: str = ""
) -> Response:
    page = pages.load_integration_projects(console.ctx, console.actor)
    saved = {one.project.id: one.environment.id for one in page.state.projects}
    return console.render(
        "integration_jira.html",
        page,
        error=error,
        nav="admin-integrations",
        chosen=saved if chosen is None else chosen,
        site=site,
        editing=page.state.key is not None,
    )
