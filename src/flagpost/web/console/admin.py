"""Admin settings: projects and who may view them, environments, users, groups, and the audit log of the account."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from flagpost.actions.accounts import pages as account_pages
from flagpost.actions.accounts import users
from flagpost.actions.console import ConsolePage
from flagpost.actions.projects import environments, pages, projects
from flagpost.errors import FlagpostError
from flagpost.flags.model import JiraEnvironmentType
from flagpost.web.console.page import PAGE_SIZE, Console, Form, form_list, form_owners, form_text, redirect

router = APIRouter(prefix="/admin")


def render_settings(
    console: Console, name: str, page: ConsolePage, error: FlagpostError | None = None, **values: Any
) -> Response:
    """A page of the admin settings, from the template ``admin_<name>.html``."""
    return console.render(f"admin_{name}.html", page, error=error, nav=f"admin-{name}", **values)


def _attempt(act: Callable[[], Any], page: Callable[[FlagpostError], Response], target: str) -> Response:
    """Run an action and go on to `target`; where it fails, show the page that it came from with the error."""
    try:
        act()
    except FlagpostError as error:
        return page(error)
    return redirect(target)


# Projects -----------------------------------------------------------------------------------------------------------


@router.get("/projects")
def projects_page(console: Console) -> Response:
    """Every project, who may view it, and a form for a new one."""
    return _projects(console)


def _projects(console: Console, error: FlagpostError | None = None) -> Response:
    page = pages.load_projects(console.ctx, console.actor)
    grantees = [(f"{one.type}:{one.id}", f"{one.name} ({one.type})") for one in page.grantees]
    return render_settings(console, "projects", page, error, grantees=grantees)


@router.post("/projects")
def create_project(console: Console, form: Form) -> Response:
    """A new project, with Staging and Production."""
    asks, name = form_text(form, "requires") == "yes", form_text(form, "name")
    return _attempt(
        lambda: projects.create_project(console.ctx, console.actor, name, requires_title_and_comments=asks),
        lambda error: _projects(console, error),
        "/admin/projects",
    )


@router.post("/projects/{project}")
def change_project(console: Console, project: str, form: Form) -> Response:
    """Rename a project, require titles and comments, choose who may view it, or delete it."""
    where = (console.ctx, console.actor, project)

    def act() -> None:
        if form_text(form, "act") == "delete":
            projects.delete_project(*where)
            return
        asks, name = form_text(form, "requires") == "yes", form_text(form, "name")
        projects.update_project(*where, name=name, requires_title_and_comments=asks)
        restricted = form_text(form, "restricted") == "yes"
        projects.set_restriction(*where, restricted=restricted, grants=form_owners(form, "grants"))

    return _attempt(act, lambda error: _projects(console, error), "/admin/projects")


# Environments -------------------------------------------------------------------------------------------------------


@router.get("/environments")
def environments_page(console: Console, project: str | None = None) -> Response:
    """A project's environments and traffic types."""
    return _environments(console, project)


def _environments(console: Console, project: str | None, error: FlagpostError | None = None) -> Response:
    page = pages.load_environment_settings(console.ctx, console.actor, project)
    types = [(kind.value, kind.value.capitalize()) for kind in JiraEnvironmentType]
    return render_settings(console, "environments", page, error, types=types)


@router.post("/environments")
def change_environments(console: Console, form: Form) -> Response:
    """Create, change or delete an environment or a traffic type."""
    project = form_text(form, "project")
    return _attempt(
        lambda: _change_environment(console, project, form),
        lambda error: _environments(console, project, error),
        f"/admin/environments?project={project}",
    )


def _change_environment(console: Console, project: str, form: Form) -> None:
    where, place, name = (console.ctx, console.actor, project), form_text(form, "environment"), form_text(form, "name")
    match form_text(form, "act"):
        case "delete":
            environments.delete_environment(*where, place)
        case "update":
            environments.update_environment(*where, place, name=name, **_environment_values(console, project, form))
        case "add-type":
            environments.create_traffic_type(*where, name)
        case "delete-type":
            environments.delete_traffic_type(console.ctx, console.actor, form_text(form, "type"))
        case _:
            environments.create_environment(*where, name, **_environment_values(console, project, form))


def _environment_values(console: Console, project: str, form: Form) -> dict[str, Any]:
    return {
        "production": form_text(form, "production") == "yes",
        "jira_type": form_text(form, "jira_type") or None,
        "permissions": _permissions(console, project, form),
    }


def _permissions(console: Console, project: str, form: Form) -> dict[str, Any] | None:
    """An environment's permissions with the form's fields about approvals; None where these change nothing."""
    place = form_text(form, "environment")
    kept = environments.get_environment(console.ctx, console.actor, project, place).permissions if place else {}
    present = kept.get("changePermissions") or {}
    wanted = {
        "areApprovalsRequired": form_text(form, "approvals") == "yes",
        "allowKills": form_text(form, "kills") == "yes",
    }
    before = {"areApprovalsRequired": False, "allowKills": True} | present
    if {name: before[name] for name in wanted} == wanted:
        return None
    return {"changePermissions": {**present, **wanted}}


# Users and groups ---------------------------------------------------------------------------------------------------


@router.get("/users")
def users_page(console: Console) -> Response:
    """The users of the account, and a form for an invitation."""
    return _users(console)


def _users(console: Console, error: FlagpostError | None = None, link: str = "") -> Response:
    page = account_pages.load_users(console.ctx, console.actor)
    return render_settings(console, "users", page, error, link=link, roles=users.ROLES)


@router.post("/users")
def change_users(console: Console, form: Form) -> Response:
    """Invite a user, make a new link, change a role, deactivate or bring back."""
    try:
        link = _change_user(console, form)
    except FlagpostError as error:
        return _users(console, error)
    return _users(console, link=link) if link else redirect("/admin/users")


def _change_user(console: Console, form: Form) -> str:
    """Do what the button says; the link to show, where there is one."""
    who, user = (console.ctx, console.actor), form_text(form, "user")
    match form_text(form, "act"):
        case "role":
            users.update_user(*who, user, role=form_text(form, "role"))
        case "deactivate":
            users.update_user(*who, user, active=False)
        case "activate":
            users.update_user(*who, user, active=True)
        case "link":
            return users.new_password_link(*who, user).url
        case _:
            email, name, role = (form_text(form, field) for field in ("email", "name", "role"))
            return users.invite_user(*who, email=email, name=name, role=role).url
    return ""


@router.get("/groups")
def groups_page(console: Console) -> Response:
    """The groups and their members."""
    return _groups(console)


def _groups(console: Console, error: FlagpostError | None = None) -> Response:
    return render_settings(console, "groups", account_pages.load_groups(console.ctx, console.actor), error)


@router.post("/groups")
def change_groups(console: Console, form: Form) -> Response:
    """Create a group, choose its members, or delete it."""
    who, group, members = (console.ctx, console.actor), form_text(form, "group"), form_list(form, "members")

    def act() -> None:
        match form_text(form, "act"):
            case "delete":
                users.delete_group(*who, group)
            case "members":
                users.set_members(*who, group, members)
            case _:
                users.create_group(*who, form_text(form, "name"), form_text(form, "description"), members)

    return _attempt(act, lambda error: _groups(console, error), "/admin/groups")


# Audit log ----------------------------------------------------------------------------------------------------------


@router.get("/audit")
def audit_page(console: Console, offset: int = 0) -> Response:
    """What changed in the whole account, the newest first."""
    page = pages.load_account_audit(console.ctx, console.actor, offset=max(offset, 0), limit=PAGE_SIZE)
    return console.render("audit.html", page, nav="admin-audit")
