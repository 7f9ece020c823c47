"""Projects (Split: workspaces) with their environments, traffic types and rollout statuses."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from flagpost.actions.projects import environments, projects
from flagpost.errors import InvalidInput
from flagpost.store.records import Environment, Project
from flagpost.web.admin_api import schemas
from flagpost.web.admin_api.documented import Key, Offset, WideKey
from flagpost.web.admin_api.json_patch import Patch, apply
from flagpost.web.state import Ctx

router = APIRouter()
Json = dict[str, Any]
_PERMISSIONS = ("changePermissions", "dataExportPermissions")


@router.get("/workspaces", tags=["Workspaces"])
def list_workspaces(
    ctx: Ctx,
    key: WideKey,
    offset: Offset = 0,
    limit: Annotated[int, Query(ge=1)] = 20,
    name: str | None = None,
    nameOp: str = "IS",
) -> Json:
    """The projects the key can see, by name; at most 1000 a page."""
    page = projects.list_projects(ctx, key, name=name, name_op=nameOp, offset=offset, limit=min(limit, 1000))
    return schemas.paged(page, schemas.workspace)


@router.post("/workspaces", tags=["Workspaces"])
def create_workspace(ctx: Ctx, key: WideKey, body: schemas.NewWorkspace) -> Json:
    """A new project. As with Split, it has no environments and no traffic types yet."""
    new = projects.create_project(
        ctx, key, body.name, requires_title_and_comments=body.requiresTitleAndComments, with_defaults=False
    )
    return schemas.workspace(new)


@router.get("/workspaces/{workspace}", tags=["Workspaces"])
def get_workspace(ctx: Ctx, key: WideKey, workspace: str) -> Json:
    """One project, by id or name."""
    return schemas.workspace(projects.get_project(ctx, key, workspace))


@router.patch("/workspaces/{workspace}", tags=["Workspaces"])
def update_workspace(ctx: Ctx, key: WideKey, workspace: str, patch: Patch) -> Json:
    """Change `/name` or `/requiresTitleAndComments`."""

    def edit(old: Project) -> projects.ProjectChanges:
        new = apply(patch, schemas.workspace(old))
        asks = _bool(new, "requiresTitleAndComments")
        return {"name": _text(new, "name"), "requires_title_and_comments": asks}

    return schemas.workspace(projects.edit_project(ctx, key, workspace, edit))


@router.delete("/workspaces/{workspace}", tags=["Workspaces"])
def delete_workspace(ctx: Ctx, key: WideKey, workspace: str) -> bool:
    """Remove a project that has no flags left."""
    projects.delete_project(ctx, key, workspace)
    return True


@router.get("/environments/ws/{workspace}", tags=["Environments"])
def list_environments(ctx: Ctx, key: WideKey, workspace: str) -> list[Json]:
    """A project's environments."""
    return [schemas.environment(one) for one in environments.list_environments(ctx, key, workspace)]


@router.post("/environments/ws/{workspace}", tags=["Environments"])
def create_environment(ctx: Ctx, key: WideKey, workspace: str, body: schemas.NewEnvironment) -> Json:
    """A new environment."""
    permissions = {name: value for name in _PERMISSIONS if (value := getattr(body, name)) is not None}
    new = environments.create_environment(
        ctx,
        key,
        workspace,
        body.name,
        production=body.production,
        jira_type=body.jiraType,
        permissions=permissions,
    )
    return {**schemas.environment(new), "apiTokens": []}


@router.patch("/environments/ws/{workspace}/{environment}", tags=["Environments"])
def update_environment(ctx: Ctx, key: WideKey, workspace: str, environment: str, patch: Patch) -> Json:
    """Change `/name`, `/production`, `/jiraType`, `/changePermissions` or `/dataExportPermissions`."""

    def edit(old: Environment) -> environments.EnvironmentChanges:
        shown = schemas.environment(old)
        new = apply(patch, shown)
        return {
            "name": _text(new, "name"),
            "production": _bool(new, "production"),
            "jira_type": _text(new, "jiraType"),
            "permissions": {name: _object(new, name) for name in _PERMISSIONS if new.get(name) != shown[name]},
        }

    return schemas.environment(environments.edit_environment(ctx, key, workspace, environment, edit))


@router.delete("/environments/ws/{workspace}/{environment}", tags=["Environments"])
def delete_environment(ctx: Ctx, key: WideKey, workspace: str, environment: str) -> bool:
    """Remove an environment without definitions."""
    environments.delete_environment(ctx, key, workspace, environment)
    return True


@router.get("/trafficTypes/ws/{workspace}", tags=["Traffic types"])
def list_traffic_types(ctx: Ctx, key: WideKey, workspace: str) -> list[Json]:
    """A project's traffic types."""
    return [schemas.traffic_type(one) for one in environments.list_traffic_types(ctx, key, workspace)]


@router.post("/trafficTypes/ws/{workspace}", tags=["Traffic types"])
def create_traffic_type(ctx: Ctx, key: WideKey, workspace: str, body: schemas.NewTrafficType) -> Json:
    """A new traffic type."""
    return schemas.traffic_type(environments.create_traffic_type(ctx, key, workspace, body.name))


@router.delete("/trafficTypes/{traffic_type}", tags=["Traffic types"])
def delete_traffic_type(ctx: Ctx, key: WideKey, traffic_type: str) -> bool:
    """Remove a traffic type that no flag is for."""
    environments.delete_traffic_type(ctx, key, traffic_type)
    return True


@router.get("/rolloutStatuses", tags=["Rollout statuses"])
def list_rollout_statuses(ctx: Ctx, key: Key, wsId: str) -> list[Json]:
    """The labels a flag of this project can carry."""
    return [schemas.rollout_status(one) for one in projects.list_rollout_statuses(ctx, key, wsId)]


@router.get("/rolloutStatuses/ws/{workspace}", tags=["Rollout statuses"])
def list_rollout_statuses_of(ctx: Ctx, key: Key, workspace: str) -> list[Json]:
    """The labels a flag of the project that the path names can carry."""
    return [schemas.rollout_status(one) for one in projects.list_rollout_statuses(ctx, key, workspace)]


def _text(patched: Json, name: str) -> str:
    if not isinstance(patched.get(name), str):
        raise InvalidInput("This must be text.", name)
    return str(patched[name])


def _object(patched: Json, name: str) -> Json:
    if not isinstance(patched.get(name), dict):
        raise InvalidInput("This must be an object.", name)
    return dict(patched[name])


def _bool(patched: Json, name: str) -> bool:
    if not isinstance(patched.get(name), bool):
        raise InvalidInput("This must be true or false.", name)
    return bool(patched[name])
