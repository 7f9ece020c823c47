"""Admin settings: projects and who may view them, environments, API keys, users and groups."""

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from flagpost.actions import audit
from flagpost.actions.access import Right
from flagpost.actions.accounts import api_keys, users
from flagpost.actions.accounts.sessions import SignedIn
from flagpost.actions.context import Context
from flagpost.actions.projects import environments, projects
from flagpost.errors import FlagpostError
from flagpost.flags.model import JiraEnvironmentType
from flagpost.store.records import Owner
from flagpost.web.console.page import MOST_PROJECTS, Form, form_list, form_text, problems_of, redirect, render_page
from flagpost.web.guard import Person
from flagpost.web.state import Ctx

router = APIRouter(prefix="/admin")
_KINDS = [("admin", "Admin API"), ("server_side", "SDK, server side"), ("client_side", "SDK, client side")]
_OF_A_KEY = ("name", "kind", "role", "scope", "days")
_LIVES = [("", "Never"), ("30", "In 30 days"), ("90", "In 90 days"), ("365", "In a year")]


def _attempt(act: Callable[[], Any], page: Callable[[FlagpostError], Response], target: str) -> Response:
    """Do something and go on to a page; where that fails, show the page it came from with what was wrong."""
    try:
        act()
    except FlagpostError as error:
        return page(error)
    return redirect(target)


def _page(
    request: Request, ctx: Context, who: SignedIn, name: str, error: FlagpostError | None = None, **values: Any
) -> Response:
    status, problems = (error.status, problems_of(error)) if error else (200, [])
    nav = f"admin-{name}"
    return render_page(request, ctx, who, f"admin_{name}.html", nav=nav, status=status, problems=problems, **values)


# Projects -----------------------------------------------------------------------------------------------------------


@router.get("/projects")
def projects_page(request: Request, ctx: Ctx, who: Person) -> Response:
    """Every project, who may view it, and a form for a new one."""
    return _projects(request, ctx, who)


def _projects(request: Request, ctx: Context, who: SignedIn, error: FlagpostError | None = None) -> Response:
    who.actor.require(Right.MANAGE_PROJECTS)
    visible = projects.list_projects(ctx, who.actor, limit=MOST_PROJECTS).items
    restrictions = {one.id: projects.get_restriction(ctx, who.actor, one.id) for one in visible}
    return _page(
        request,
        ctx,
        who,
        "projects",
        error,
        every=visible,
        restrictions=restrictions,
        grantees=[(f"{one.type}:{one.id}", f"{one.name} ({one.type})") for one in _grantees(ctx, who)],
    )


def _grantees(ctx: Context, who: SignedIn) -> list[Owner]:
    keys = [one for one in api_keys.list_api_keys(ctx, who.actor) if one.revoked_at is None]
    return [*users.possible_owners(ctx, who.actor), *(Owner("api_key", one.id, one.name) for one in keys)]


@router.post("/projects")
def create_project(request: Request, ctx: Ctx, who: Person, form: Form) -> Response:
    """A new project, with Staging and Production."""
    asks = form_text(form, "requires") == "yes"
    return _attempt(
        lambda: projects.create_project(ctx, who.actor, form_text(form, "name"), requires_title_and_comments=asks),
        lambda error: _projects(request, ctx, who, error),
        "/admin/projects",
    )


@router.post("/projects/{project}")
def change_project(request: Request, ctx: Ctx, who: Person, project: str, form: Form) -> Response:
    """Rename, ask for titles and comments, choose who may view it, or delete."""

    def act() -> None:
        if form_text(form, "act") == "delete":
            projects.delete_project(ctx, who.actor, project)
            return
        asks = form_text(form, "requires") == "yes"
        name = form_text(form, "name")
        projects.update_project(ctx, who.actor, project, name=name, requires_title_and_comments=asks)
        grants = [(kind, id) for kind, _, id in (text.partition(":") for text in form_list(form, "grants"))]
        projects.set_restriction(
            ctx, who.actor, project, restricted=form_text(form, "restricted") == "yes", grants=grants
        )

    return _attempt(act, lambda error: _projects(request, ctx, who, error), "/admin/projects")


# Environments -------------------------------------------------------------------------------------------------------


@router.get("/environments")
def environments_page(request: Request, ctx: Ctx, who: Person, project: str | None = None) -> Response:
    """A project's environments and traffic types."""
    return _environments(request, ctx, who, project)


def _environments(
    request: Request, ctx: Context, who: SignedIn, project: str | None, error: FlagpostError | None = None
) -> Response:
    who.actor.require(Right.MANAGE_PROJECTS)
    visible = projects.list_projects(ctx, who.actor, limit=MOST_PROJECTS).items
    chosen = projects.get_project(ctx, who.actor, project) if project else next(iter(visible), None)
    return _page(
        request,
        ctx,
        who,
        "environments",
        error,
        project=chosen,
        every=visible,
        chosen=chosen,
        environments=environments.list_environments(ctx, who.actor, chosen.id) if chosen else [],
        traffic_types=environments.list_traffic_types(ctx, who.actor, chosen.id) if chosen else [],
        types=[(kind.value, kind.value.capitalize()) for kind in JiraEnvironmentType],
    )


@router.post("/environments")
def change_environments(request: Request, ctx: Ctx, who: Person, form: Form) -> Response:
    """Create, change or delete an environment or a traffic type."""
    project = form_text(form, "project")

    def act() -> None:
        values: dict[str, Any] = {"production": form_text(form, "production") == "yes"}
        values["jira_type"] = form_text(form, "jira_type") or None
        values["permissions"] = _permissions(ctx, who, project, form)
        match form_text(form, "act"):
            case "delete":
                environments.delete_environment(ctx, who.actor, project, form_text(form, "environment"))
            case "update":
                place = form_text(form, "environment")
                environments.update_environment(ctx, who.actor, project, place, name=form_text(form, "name"), **values)
            case "add-type":
                environments.create_traffic_type(ctx, who.actor, project, form_text(form, "name"))
            case "delete-type":
                environments.delete_traffic_type(ctx, who.actor, form_text(form, "type"))
            case _:
                environments.create_environment(ctx, who.actor, project, form_text(form, "name"), **values)

    target = f"/admin/environments?project={project}"
    return _attempt(act, lambda error: _environments(request, ctx, who, project, error), target)


def _permissions(ctx: Context, who: SignedIn, project: str, form: Form) -> dict[str, Any] | None:
    """An environment's permissions with what the form says of approvals; None where it says nothing new."""
    place = form_text(form, "environment")
    kept = environments.get_environment(ctx, who.actor, project, place).permissions if place else {}
    present = kept.get("changePermissions") or {}
    wanted = {
        "areApprovalsRequired": form_text(form, "approvals") == "yes",
        "allowKills": form_text(form, "kills") == "yes",
    }
    before = {"areApprovalsRequired": False, "allowKills": True} | present
    if {name: before[name] for name in wanted} == wanted or form_text(form, "act") not in ("update", "create"):
        return None
    return {**kept, "changePermissions": {**present, **wanted}}


# API keys -----------------------------------------------------------------------------------------------------------


@router.get("/api-keys")
def keys_page(request: Request, ctx: Ctx, who: Person) -> Response:
    """Every key, and a form for a new one."""
    return _keys(request, ctx, who)


def _keys(
    request: Request,
    ctx: Context,
    who: SignedIn,
    error: FlagpostError | None = None,
    secret: str = "",
    typed: Mapping[str, str] | None = None,
) -> Response:
    visible = projects.list_projects(ctx, who.actor, limit=MOST_PROJECTS).items
    places = [(one, at) for one in visible for at in environments.list_environments(ctx, who.actor, one.id)]
    return _page(
        request,
        ctx,
        who,
        "api-keys",
        error,
        keys=api_keys.list_api_keys(ctx, who.actor),
        secret=secret,
        now=ctx.clock(),
        kinds=_KINDS,
        roles=[(role, role) for role in api_keys.ROLES],
        scopes=[("", "Everything"), *((one.id, f"{one.name}, all of it") for one in visible)]
        + [(f"{one.id}:{at.id}", f"{one.name} · {at.name}") for one, at in places],
        lives=_LIVES,
        typed=typed or dict.fromkeys(_OF_A_KEY, ""),
    )


@router.post("/api-keys")
def create_key(request: Request, ctx: Ctx, who: Person, form: Form) -> Response:
    """A new key, shown once."""
    project, _, environment = form_text(form, "scope").partition(":")
    kind, days = form_text(form, "kind", "admin"), form_text(form, "days")
    try:
        _, secret = api_keys.create_api_key(
            ctx,
            who.actor,
            name=form_text(form, "name"),
            kind=kind,
            roles=[form_text(form, "role")] if kind == "admin" else [],
            scope=api_keys.KeyScope(project or None, [environment] if environment else []),
            expires_at=ctx.clock() + int(days) * 86_400_000 if days in dict(_LIVES) and days else None,
        )
    except FlagpostError as error:
        typed = {field: form_text(form, field) for field in _OF_A_KEY}
        return _keys(request, ctx, who, error, typed=typed)
    return _keys(request, ctx, who, secret=secret)


@router.post("/api-keys/{key}/revoke")
def revoke_key(ctx: Ctx, who: Person, key: str) -> Response:
    """End a key at once."""
    api_keys.revoke_api_key(ctx, who.actor, key)
    return redirect("/admin/api-keys")


# Users and groups ---------------------------------------------------------------------------------------------------


@router.get("/users")
def users_page(request: Request, ctx: Ctx, who: Person) -> Response:
    """Everybody of the account, and a form to invite somebody."""
    return _users(request, ctx, who)


def _users(
    request: Request, ctx: Context, who: SignedIn, error: FlagpostError | None = None, link: str = ""
) -> Response:
    return _page(
        request, ctx, who, "users", error, users=users.list_users(ctx, who.actor), link=link, roles=users.ROLES
    )


@router.post("/users")
def change_users(request: Request, ctx: Ctx, who: Person, form: Form) -> Response:
    """Invite somebody, make a new link, change a role, deactivate or bring back."""
    user, link = form_text(form, "user"), ""
    try:
        match form_text(form, "act"):
            case "role":
                users.update_user(ctx, who.actor, user, role=form_text(form, "role"))
            case "deactivate":
                users.update_user(ctx, who.actor, user, active=False)
            case "activate":
                users.update_user(ctx, who.actor, user, active=True)
            case "link":
                link = users.new_password_link(ctx, who.actor, user).url
            case _:
                email, name, role = (form_text(form, field) for field in ("email", "name", "role"))
                link = users.invite_user(ctx, who.actor, email=email, name=name, role=role).url
    except FlagpostError as error:
        return _users(request, ctx, who, error)
    return _users(request, ctx, who, link=link) if link else redirect("/admin/users")


@router.get("/groups")
def groups_page(request: Request, ctx: Ctx, who: Person) -> Response:
    """The groups and their members."""
    return _groups(request, ctx, who)


def _groups(request: Request, ctx: Context, who: SignedIn, error: FlagpostError | None = None) -> Response:
    every = [users.get_group(ctx, who.actor, one.id) for one in users.list_groups(ctx, who.actor)]
    return _page(request, ctx, who, "groups", error, groups=every, users=users.list_users(ctx, who.actor))


@router.post("/groups")
def change_groups(request: Request, ctx: Ctx, who: Person, form: Form) -> Response:
    """Create a group, choose its members, or delete it."""

    def act() -> None:
        match form_text(form, "act"):
            case "delete":
                users.delete_group(ctx, who.actor, form_text(form, "group"))
            case "members":
                users.set_members(ctx, who.actor, form_text(form, "group"), form_list(form, "members"))
            case _:
                name = form_text(form, "name")
                users.create_group(ctx, who.actor, name, form_text(form, "description"), form_list(form, "members"))

    return _attempt(act, lambda error: _groups(request, ctx, who, error), "/admin/groups")


# Audit log ----------------------------------------------------------------------------------------------------------


@router.get("/audit")
def audit_page(request: Request, ctx: Ctx, who: Person, offset: int = 0) -> Response:
    """What changed in the whole account, the newest first."""
    page = audit.list_account_audit(ctx, who.actor, offset=max(offset, 0))
    return render_page(request, ctx, who, "audit.html", nav="admin-audit", page=page, places=[])
