"""The list of a project's flags, creating one, and the two pages that Jira leads to."""

from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from flagpost.actions.flags import pages
from flagpost.actions.flags.pages import MAX_SUGGESTED, FlagQuery
from flagpost.actions.jira import issue_links
from flagpost.actions.jira import pages as jira_pages
from flagpost.errors import FlagpostError
from flagpost.store.flags.flags import FlagFilter
from flagpost.store.flags.stale_flags import Kind
from flagpost.web.console.page import Console, Form, form_owners, form_text, redirect, split_list

router = APIRouter()
_FLAGS_A_PAGE = 100
_FOUND_BY_SEARCH = 20
_NEW_FLAG_FIELDS = ("name", "traffic_type", "description", "tags", "issues")


@router.get("/projects/{project}/flags")
def list_page(console: Console, project: str, offset: int = 0) -> Response:
    """The flags of a project: searched, filtered, sorted and paged."""
    params = {name: value for name, value in console.request.query_params.items() if value and name != "offset"}
    environment = params.get("environment")
    query = FlagQuery(_filter(params), environment, _stale(params), max(offset, 0), _FLAGS_A_PAGE)
    page = pages.load_flag_list(console.ctx, console.actor, project, query)
    if page.environment and params.keys() & {"state", "removal"}:
        params |= {"environment": page.environment.id}
    return console.render(
        "flags.html",
        page,
        nav="flags",
        query=params,
        url="?" + (urlencode(params) + "&" if params else ""),
        filtered=bool(set(params) - {"q", "sort"}),
        days=console.ctx.settings.stale_flag_days,
    )


def _stale(params: dict[str, str]) -> Kind | None:
    wanted = params.get("removal")
    return wanted if wanted in ("any", "unused", "settled") else None  # type: ignore[return-value]


def _filter(params: dict[str, str]) -> FlagFilter:
    state = params.get("state")
    return FlagFilter(
        text=params.get("q", ""),
        tags=(params["tag"],) if "tag" in params else (),
        traffic_type=params.get("traffic_type"),
        owner_id=params.get("owner"),
        rollout_status=params.get("rollout_status"),
        state=state if state in ("active", "killed", "none") else None,  # type: ignore[arg-type]
        archived=params.get("archived") == "yes",
        connected={"yes": True, "no": False}.get(params.get("connected", "")),
        sort=params.get("sort", "name"),
    )


@router.get("/projects/{project}/flag-names")
def flag_names(console: Console, project: str, q: str = "") -> JSONResponse:
    """The names of flags that contain a text, for fields that suggest them."""
    return JSONResponse(pages.find_flag_names(console.ctx, console.actor, project, q.strip(), limit=MAX_SUGGESTED))


@router.get("/flags/new")
def new_page(console: Console) -> Response:
    """The form for a new flag; Jira's *Create feature flag* leads here with `issue` and `summary`."""
    params = dict(console.request.query_params)
    values = {"issues": params.get("issue", ""), "description": params.get("summary", "")}
    return _new_page(console, params.get("project"), values)


@router.post("/flags/new")
def create(console: Console, form: Form) -> Response:
    """Create a flag, and connect it with the issues that were entered."""
    project, values = form_text(form, "project"), {name: form_text(form, name) for name in _NEW_FLAG_FIELDS}
    if form_text(form, "switch"):
        return _new_page(console, project, values)
    try:
        made = issue_links.create_connected_flag(
            console.ctx,
            console.actor,
            project,
            [values["issues"]] if values["issues"] else [],
            name=values["name"],
            traffic_type=values["traffic_type"],
            description=values["description"],
            tags=split_list(values["tags"]),
            owners=form_owners(form, "owners") or None,
        )
    except FlagpostError as error:
        return _new_page(console, project, values, error)
    return redirect(f"/projects/{made.project_id}/flags/{made.id}")


def _new_page(
    console: Console, project: str | None, values: dict[str, str], error: FlagpostError | None = None
) -> Response:
    page = jira_pages.load_new_flag(console.ctx, console.actor, project, from_jira=bool(values["issues"]))
    values = {"name": "", "traffic_type": "", "tags": "", **values}
    return console.render("flag_new.html", page, error=error, nav="flags", values=values)


@router.get("/flags/connect")
def connect_page(console: Console) -> Response:
    """Where Jira's *Connect feature flag* leads: choose a flag of the integration's projects by part of its name."""
    return _connect_page(console, dict(console.request.query_params))


@router.post("/flags/connect")
def connect(console: Console, form: Form) -> Response:
    """Connect the chosen flag with the issue."""
    project, flag, issue = (form_text(form, name) for name in ("project", "flag", "issue"))
    try:
        issue_links.connect_issues(console.ctx, console.actor, project, flag, [issue])
    except FlagpostError as error:
        return _connect_page(console, {"issue": issue, "q": form_text(form, "q")}, error)
    return redirect(f"/projects/{project}/flags/{flag}/integrations")


def _connect_page(console: Console, params: dict[str, Any], error: FlagpostError | None = None) -> Response:
    text = str(params.get("q", ""))
    page = jira_pages.load_connect(console.ctx, console.actor, text, limit=_FOUND_BY_SEARCH)
    shown = {"issue": str(params.get("issue", "")), "summary": str(params.get("summary", "")), "q": text}
    return console.render("flag_connect.html", page, error=error, nav="flags", **shown)
