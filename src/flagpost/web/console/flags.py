"""The list of a project's flags, creating one, and the two pages that Jira leads to."""

from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from flagpost.actions import audit
from flagpost.actions.access import Right
from flagpost.actions.accounts import users
from flagpost.actions.accounts.sessions import SignedIn
from flagpost.actions.context import Context
from flagpost.actions.flags import flags
from flagpost.actions.jira import issue_links
from flagpost.actions.projects import environments, projects
from flagpost.errors import FlagpostError, InvalidInput
from flagpost.store.flags.flags import FlagFilter
from flagpost.store.flags.stale_flags import Kind
from flagpost.store.records import Project
from flagpost.web.console.page import SUGGESTED, Form, form_list, form_text, listed, problems_of, redirect, render_page
from flagpost.web.guard import Person
from flagpost.web.state import Ctx

router = APIRouter()
PAGE = 100
SHOWN_BY_SEARCH = 20


@router.get("/projects/{project}/flags")
def list_page(request: Request, ctx: Ctx, who: Person, project: str, offset: int = 0) -> Response:
    """The flags of a project: searched, filtered, sorted and paged."""
    found = projects.get_project(ctx, who.actor, project)
    asked = {name: value for name, value in request.query_params.items() if value and name != "offset"}
    places = environments.list_environments(ctx, who.actor, found.id)
    place = next((at for at in places if at.id == asked.get("environment")), None)
    place = place or next((at for at in places if at.production), next(iter(places), None))
    asked |= {"environment": place.id} if place and asked.keys() & {"state", "removal"} else {}
    page = flags.list_rows(
        ctx,
        who.actor,
        found.id,
        place.id if place else None,
        _filter(asked),
        candidates=_candidates(asked),
        offset=max(offset, 0),
        limit=PAGE,
    )
    return render_page(
        request,
        ctx,
        who,
        "flags.html",
        project=found,
        nav="flags",
        page=page,
        asked=asked,
        url="?" + (urlencode(asked) + "&" if asked else ""),
        tags=flags.list_tags(ctx, who.actor, found.id),
        owners=flags.list_owners(ctx, who.actor, found.id),
        traffic_types=environments.list_traffic_types(ctx, who.actor, found.id),
        statuses=projects.list_rollout_statuses(ctx, who.actor, found.id),
        places=[(at.id, at.name) for at in places],
        environment=place,
        filtered=bool(set(asked) - {"q", "sort"}),
        days=ctx.settings.stale_flag_days,
    )


def _candidates(asked: dict[str, str]) -> Kind | None:
    wanted = asked.get("removal")
    return wanted if wanted in ("any", "unused", "settled") else None  # type: ignore[return-value]


def _filter(asked: dict[str, str]) -> FlagFilter:
    state = asked.get("state")
    connected = {"yes": True, "no": False}.get(asked.get("connected", ""))
    return FlagFilter(
        text=asked.get("q", ""),
        tags=(asked["tag"],) if "tag" in asked else (),
        traffic_type=asked.get("traffic_type"),
        owner_id=asked.get("owner"),
        rollout_status=asked.get("rollout_status"),
        environment_id=asked.get("environment"),
        state=state if state in ("active", "killed", "none") else None,  # type: ignore[arg-type]
        archived=asked.get("archived") == "yes",
        connected=connected,
        sort=asked.get("sort", "name"),
    )


@router.get("/projects/{project}/flag-names")
def names(ctx: Ctx, who: Person, project: str, q: str = "") -> JSONResponse:
    """The names of flags that contain a text, for fields that suggest them."""
    found = projects.get_project(ctx, who.actor, project)
    rows = flags.find_flags(ctx, who.actor, q.strip(), project_ids=[found.id], limit=SUGGESTED)
    return JSONResponse([one.name for one in rows])


@router.get("/flags/new")
def new_page(request: Request, ctx: Ctx, who: Person) -> Response:
    """Where a flag is created; Jira's *Create feature flag* leads here with `issue` and `summary`."""
    asked = dict(request.query_params)
    values = {"issues": asked.get("issue", ""), "description": asked.get("summary", "")}
    return _new_page(request, ctx, who, asked.get("project"), values)


@router.post("/flags/new")
def create(request: Request, ctx: Ctx, who: Person, form: Form) -> Response:
    """Create a flag, and connect it with the issues that were entered."""
    values = {name: form_text(form, name) for name in ("name", "traffic_type", "description", "tags", "issues")}
    if form_text(form, "switch"):
        return _new_page(request, ctx, who, form_text(form, "project"), values)
    try:
        made = issue_links.create_connected_flag(
            ctx,
            who.actor,
            form_text(form, "project"),
            [values["issues"]] if values["issues"] else [],
            name=values["name"],
            traffic_type=values["traffic_type"],
            description=values["description"],
            tags=listed(values["tags"]),
            owners=[_owner(one) for one in form_list(form, "owners")] or None,
        )
    except FlagpostError as error:
        return _new_page(request, ctx, who, form_text(form, "project"), values, error)
    return redirect(f"/projects/{made.project_id}/flags/{made.id}")


def _owner(text: str) -> tuple[str, str]:
    kind, _, id = text.partition(":")
    return kind, id


def _new_page(
    request: Request,
    ctx: Context,
    who: SignedIn,
    project: str | None,
    values: dict[str, str],
    error: FlagpostError | None = None,
) -> Response:
    who.actor.require(Right.EDIT_FLAGS)
    chosen = projects.get_project(ctx, who.actor, project) if project else _first(ctx, who, bool(values["issues"]))
    return render_page(
        request,
        ctx,
        who,
        "flag_new.html",
        project=chosen,
        nav="flags",
        values={"name": "", "traffic_type": "", "tags": "", **values},
        chosen=chosen,
        in_jira={one.project.id for one in issue_links.projects_for_connect(ctx, who.actor)},
        owners=users.possible_owners(ctx, who.actor),
        traffic_types=environments.list_traffic_types(ctx, who.actor, chosen.id),
        problems=problems_of(error) if error else [],
        status=error.status if error else 200,
    )


def _first(ctx: Context, who: SignedIn, from_jira: bool) -> Project:
    """The project to offer first: from Jira, one of the integration's."""
    chosen = issue_links.projects_for_connect(ctx, who.actor) if from_jira else []
    if chosen:
        return chosen[0].project
    visible = projects.list_projects(ctx, who.actor, limit=1).items
    if not visible:
        raise InvalidInput("There is no project that you can see. Ask an admin.")
    return visible[0]


@router.get("/flags/connect")
def connect_page(request: Request, ctx: Ctx, who: Person) -> Response:
    """Where Jira's *Connect feature flag* leads: choose a flag of the integration's projects by part of its name."""
    return _connect_page(request, ctx, who, dict(request.query_params))


@router.post("/flags/connect")
def connect(request: Request, ctx: Ctx, who: Person, form: Form) -> Response:
    """Connect the chosen flag with the issue."""
    try:
        issue_links.connect_issues(
            ctx, who.actor, form_text(form, "project"), form_text(form, "flag"), [form_text(form, "issue")]
        )
    except FlagpostError as error:
        return _connect_page(request, ctx, who, {"issue": form_text(form, "issue"), "q": form_text(form, "q")}, error)
    return redirect(f"/projects/{form_text(form, 'project')}/flags/{form_text(form, 'flag')}/integrations")


def _connect_page(
    request: Request, ctx: Context, who: SignedIn, asked: dict[str, Any], error: FlagpostError | None = None
) -> Response:
    who.actor.require(Right.EDIT_FLAGS)
    chosen = [one.project.id for one in issue_links.projects_for_connect(ctx, who.actor)]
    text = str(asked.get("q", ""))
    found = flags.find_flags(ctx, who.actor, text, project_ids=chosen, limit=SHOWN_BY_SEARCH) if chosen else []
    return render_page(
        request,
        ctx,
        who,
        "flag_connect.html",
        nav="flags",
        issue=str(asked.get("issue", "")),
        summary=str(asked.get("summary", "")),
        q=text,
        found=found,
        configured=bool(chosen),
        problems=problems_of(error) if error else [],
        status=error.status if error else 200,
    )


@router.get("/projects/{project}/audit")
def audit_page(request: Request, ctx: Ctx, who: Person, project: str, offset: int = 0) -> Response:
    """What changed in a project, the newest first."""
    found = projects.get_project(ctx, who.actor, project)
    page = audit.list_audit(ctx, who.actor, found.id, offset=max(offset, 0))
    places = environments.list_environments(ctx, who.actor, found.id)
    return render_page(request, ctx, who, "audit.html", project=found, nav="audit", page=page, places=places)


@router.get("/projects/{project}/environments")
def environments_page(request: Request, ctx: Ctx, who: Person, project: str) -> Response:
    """Where a project's flags apply."""
    found = projects.get_project(ctx, who.actor, project)
    places = environments.list_environments(ctx, who.actor, found.id)
    return render_page(request, ctx, who, "environments.html", project=found, nav="environments", environments=places)
