"""Flag sets. Split has them at version 3 of its API, and its clients call them under two paths."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query

from flagpost.actions.flags import flag_sets
from flagpost.store.flags.flag_sets import FlagSet
from flagpost.web.admin_api import schemas
from flagpost.web.admin_api.documented import Key, marked
from flagpost.web.state import Ctx

PREFIXES = ("/api/v3", "/internal/api/v3")
router = APIRouter(prefix="/flag-sets", tags=["Flag sets"])
Json = dict[str, Any]


@router.get("")
def list_flag_sets(
    ctx: Ctx,
    key: Key,
    workspace_id: str,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1)] = 200,
) -> Json:
    """A project's flag sets, by name; at most 200 a page, `after` being the `nextMarker` of the page before."""
    limit = min(limit, 200)
    found = flag_sets.list_flag_sets(ctx, key, workspace_id, after=after or "", limit=limit + 1)
    return marked(found, limit, after, _shown, lambda one: one.name)


@router.post("")
def create_flag_set(ctx: Ctx, key: Key, body: schemas.NewFlagSet) -> Json:
    """A new flag set. A definition adds its flag to it with `flagSets`."""
    described = {"name": body.name, "description": body.description or ""}
    return _shown(flag_sets.create_flag_set(ctx, key, body.workspace.id, **described))


@router.get("/{flag_set}")
def get_flag_set(ctx: Ctx, key: Key, flag_set: str) -> Json:
    """One flag set, by its id."""
    return _shown(flag_sets.get_flag_set(ctx, key, flag_set))


@router.delete("/{flag_set}")
def delete_flag_set(ctx: Ctx, key: Key, flag_set: str) -> bool:
    """Delete an empty flag set; 409, with the list, where it has flags."""
    flag_sets.delete_flag_set(ctx, key, flag_set)
    return True


def _shown(one: FlagSet) -> Json:
    return {
        "id": one.id,
        "name": one.name,
        "description": one.description,
        "workspace": {"id": one.project_id, "type": "WORKSPACE"},
        "createdAt": datetime.fromtimestamp(one.created_at / 1000, UTC).isoformat(timespec="seconds"),
        "type": "FLAG_SET",
    }
