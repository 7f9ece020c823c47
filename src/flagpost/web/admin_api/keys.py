"""API keys, and who may view a project (Split: restrictions)."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from flagpost.actions.accounts import api_keys
from flagpost.actions.projects import projects
from flagpost.errors import InvalidInput
from flagpost.web.admin_api import schemas
from flagpost.web.admin_api.documented import Key, Offset, WideKey
from flagpost.web.state import Ctx

router = APIRouter()
Json = dict[str, Any]


@router.post("/apiKeys", tags=["API keys"])
def create_api_key(ctx: Ctx, key: Key, body: schemas.NewApiKey) -> Json:
    """A new key; `key` is its secret, which is shown once."""
    new, secret = api_keys.create_api_key(
        ctx,
        key,
        name=body.name,
        kind=body.apiKeyType,
        roles=tuple(body.roles or ()),
        scope=api_keys.KeyScope(
            body.workspace.id if body.workspace else None, [one.id for one in body.environments or ()]
        ),
    )
    return schemas.api_key(new, secret)


@router.delete("/apiKeys/{api_key}", tags=["API keys"])
def delete_api_key(ctx: Ctx, key: Key, api_key: str) -> bool:
    """Revoke a key, named by its id or its secret."""
    api_keys.revoke_api_key(ctx, key, api_key)
    return True


@router.get("/restrictions", tags=["Restrictions"])
def list_restrictions(
    ctx: Ctx,
    key: WideKey,
    resource_type: str = "workspace",
    resource_id: str | None = None,
    offset: Offset = 0,
    limit: Annotated[int, Query(ge=1)] = 20,
) -> Json:
    """The view permissions of one project, or of every project that the key can see."""
    _require_workspace(resource_type)
    if resource_id is not None:
        found = [projects.get_project(ctx, key, resource_id)][offset : offset + limit]
        total = 1
    else:
        page = projects.list_projects(ctx, key, offset=offset, limit=min(limit, 50))
        found, total = page.items, page.total
    objects = [schemas.restriction(one.id, projects.get_restriction(ctx, key, one.id)) for one in found]
    return {"objects": objects, "offset": offset, "limit": limit, "totalCount": total}


@router.put("/restrictions", tags=["Restrictions"])
def set_restriction(ctx: Ctx, key: WideKey, body: schemas.NewRestriction) -> Json:
    """Limit the view of a project to these users, groups and keys, or open it to all."""
    _require_workspace(body.resource.type)
    project = projects.get_project(ctx, key, body.resource.id)
    grants = [(one.type, one.id) for one in body.resourcePermissions.get("view", [])]
    done = projects.set_restriction(ctx, key, project.id, restricted=body.operations.view, grants=grants)
    return schemas.restriction(project.id, done)


def _require_workspace(resource_type: str) -> None:
    if resource_type.lower() != "workspace":
        raise InvalidInput("Only a workspace can be restricted.", "resource.type")
