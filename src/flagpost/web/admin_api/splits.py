"""Feature flags (Split: splits), without their definitions, and their tags."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Query

from flagpost.actions.flags import flags
from flagpost.errors import InvalidInput, Problem
from flagpost.store.flags.flags import FlagFilter
from flagpost.web.admin_api import schemas
from flagpost.web.admin_api.documented import Key, Offset, WideKey
from flagpost.web.admin_api.json_patch import Patch, apply
from flagpost.web.state import Ctx

router = APIRouter(tags=["Feature flags"])
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SplitQuery:
    """Which flags to list. Archived ones are found by their whole name only."""

    tag: Annotated[list[str], Query(default_factory=list)]
    name: str | None = None
    rolloutStatus: str | None = None

    def wanted(self) -> FlagFilter:
        """The query as the store filters by it."""
        archived = None if self.name else False
        return FlagFilter(name=self.name, tags=tuple(self.tag), rollout_status=self.rolloutStatus, archived=archived)


@router.get("/splits/ws/{workspace}")
def list_splits(
    ctx: Ctx,
    key: Key,
    workspace: str,
    query: Annotated[SplitQuery, Depends()],
    offset: Offset = 0,
    limit: Annotated[int, Query(ge=1)] = 20,
) -> Json:
    """A project's flags, by name; at most 50 a page. `name` is the whole name, `tag` can be given more than once."""
    page = flags.list_flags(ctx, key, workspace, query.wanted(), offset=offset, limit=min(limit, 50))
    return schemas.paged(page, schemas.split)


@router.post("/splits/ws/{workspace}/trafficTypes/{traffic_type}")
def create_split(ctx: Ctx, key: Key, workspace: str, traffic_type: str, body: schemas.NewSplit) -> Json:
    """A new flag, not set up in any environment yet."""
    new = flags.create_flag(
        ctx,
        key,
        workspace,
        name=body.name,
        traffic_type=traffic_type,
        description=body.description or "",
        tags=_tags(body.tags or []),
        owners=_owners(body.owners),
    )
    return schemas.split(new)


@router.get("/splits/ws/{workspace}/{split}")
def get_split(ctx: Ctx, key: Key, workspace: str, split: str) -> Json:
    """One flag."""
    return schemas.split(flags.get_flag(ctx, key, workspace, split))


@router.patch("/splits/ws/{workspace}/{split}")
def update_split(ctx: Ctx, key: Key, workspace: str, split: str, patch: Patch) -> Json:
    """Change `/description`, `/tags`, `/owners` or `/rolloutStatus/id`."""
    old = flags.get_flag(ctx, key, workspace, split)
    before = {**schemas.split(old), "tags": [{"name": tag} for tag in old.tags]}
    after = apply(patch, before)
    status = after.get("rolloutStatus")
    if not isinstance(after.get("description"), str) or not isinstance(status, dict):
        raise InvalidInput([Problem("", "description is text, rolloutStatus an object with an id.")])
    changed = flags.update_flag(
        ctx,
        key,
        workspace,
        old.id,
        base_version=old.version,
        description=after["description"],
        tags=_tags(after.get("tags") or []),
        owners=_owners(after.get("owners") or []),
        rollout_status=str(status.get("id")) if status != before["rolloutStatus"] else None,
    )
    return schemas.split(changed)


@router.put("/splits/ws/{workspace}/{split}/updateDescription")
def update_description(ctx: Ctx, key: Key, workspace: str, split: str, description: Annotated[str, Body()]) -> Json:
    """Change the description; the body is a JSON string."""
    return schemas.split(flags.update_flag(ctx, key, workspace, split, description=description))


@router.delete("/splits/ws/{workspace}/{split}")
def delete_split(ctx: Ctx, key: Key, workspace: str, split: str) -> bool:
    """Remove a flag that is set up in no environment any more."""
    flags.delete_flag(ctx, key, workspace, split)
    return True


@router.post("/splits/ws/{workspace}/{split}/archive")
def archive_split(ctx: Ctx, key: Key, workspace: str, split: str, body: schemas.Comment | None = None) -> Json:
    """Take a flag out of use."""
    comment = (body.comment if body else None) or ""
    return schemas.split(flags.archive_flag(ctx, key, workspace, split, comment=comment))


@router.post("/splits/ws/{workspace}/{split}/unarchive")
def unarchive_split(ctx: Ctx, key: Key, workspace: str, split: str, body: schemas.Comment | None = None) -> Json:
    """Bring an archived flag back."""
    comment = (body.comment if body else None) or ""
    return schemas.split(flags.unarchive_flag(ctx, key, workspace, split, comment=comment))


@router.post("/tags/ws/{workspace}/object/{name}/objecttype/{object_type}", tags=["Tags"])
def associate_tags(ctx: Ctx, key: WideKey, workspace: str, name: str, object_type: str, tags: list[str]) -> list[Json]:
    """Give a flag exactly these tags."""
    if object_type.lower() not in ("split", "feature_flag"):
        raise InvalidInput("Only feature flags carry tags: the object type is Split.", "objecttype")
    flag = flags.update_flag(ctx, key, workspace, name, tags=tags)
    return [{"name": tag} for tag in flag.tags]


@router.get("/tags/ws/{workspace}", tags=["Tags"])
def list_tags(ctx: Ctx, key: WideKey, workspace: str) -> list[Json]:
    """Every tag in use in a project."""
    return [{"name": tag} for tag in flags.list_tags(ctx, key, workspace)]


def _tags(tags: list[Any]) -> list[str]:
    """Split shows tags as objects, and takes them as objects or plain text."""
    names = [tag.get("name") if isinstance(tag, dict) else tag for tag in tags]
    if not all(isinstance(name, str) for name in names):
        raise InvalidInput('A tag is text, or an object like {"name": "web"}.', "tags")
    return [str(name) for name in names]


def _owners(owners: list[Any] | None) -> list[tuple[str, str]] | None:
    if owners is None:
        return None
    if not all(isinstance(one, dict) and isinstance(one.get("id"), str) for one in owners):
        raise InvalidInput('An owner is an object like {"id": "…", "type": "user"}.', "owners")
    return [(str(one.get("type") or "user"), one["id"]) for one in owners]
