"""Definitions of flags, one per environment."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from flagpost.actions.access import Actor
from flagpost.actions.change_requests import requests as change_requests
from flagpost.actions.context import Context
from flagpost.actions.flags import definitions
from flagpost.actions.flags.definitions import Draft
from flagpost.actions.unit_of_work import Summary
from flagpost.flags.definition_json import dump, parse
from flagpost.web.admin_api import schemas
from flagpost.web.admin_api.documented import Key, Offset
from flagpost.web.admin_api.json_patch import Patch, apply
from flagpost.web.state import Ctx

router = APIRouter(tags=["Feature flag definitions"])
Json = dict[str, Any]
_PLACE = "/splits/ws/{workspace}/{split}/environments/{environment}"


@router.get("/splits/ws/{workspace}/environments/{environment}")
def list_definitions(
    ctx: Ctx,
    key: Key,
    workspace: str,
    environment: str,
    offset: Offset = 0,
    limit: Annotated[int, Query(ge=1)] = 20,
) -> Json:
    """The definitions in an environment, by flag name; at most 50 a page."""
    page = definitions.list_definitions(ctx, key, workspace, environment, offset=offset, limit=min(limit, 50))
    waiting = change_requests.open_in_environment(ctx, key, workspace, environment, [one.flag_id for one in page.items])
    return schemas.paged(page, lambda one: schemas.definition(one, waiting.get(one.flag_id)))


@router.get(_PLACE)
def get_definition(ctx: Ctx, key: Key, workspace: str, split: str, environment: str) -> Json:
    """A flag's definition in an environment; 404 where it is not set up there."""
    found = definitions.get_definition(ctx, key, workspace, split, environment)
    waiting = change_requests.open_in_environment(ctx, key, workspace, environment, [found.flag_id])
    return schemas.definition(found, waiting.get(found.flag_id))


@router.post(_PLACE)
def create_definition(ctx: Ctx, key: Key, workspace: str, split: str, environment: str, body: Json) -> Json:
    """Set a flag up in an environment (Split: initiate). At least `treatments`, `defaultTreatment`, `defaultRule`."""
    draft = Draft(parse(body), schemas.flag_sets(body))
    new = definitions.create_definition(ctx, key, workspace, split, environment, draft, _summary(body))
    return schemas.definition(new)


@router.put(_PLACE)
def replace_definition(ctx: Ctx, key: Key, workspace: str, split: str, environment: str, body: Json) -> Json:
    """Replace a definition as a whole."""
    draft = Draft(parse(body), schemas.flag_sets(body))
    new = definitions.save_definition(ctx, key, workspace, split, environment, draft, _summary(body))
    return schemas.definition(new)


@router.patch(_PLACE)
def patch_definition(ctx: Ctx, key: Key, workspace: str, split: str, environment: str, patch: Patch) -> Json:
    """Change parts of a definition, for example `/defaultRule` or `/trafficAllocation`."""
    old = definitions.get_definition(ctx, key, workspace, split, environment)
    sets = [{"id": id, "type": "FLAG_SET"} for id in old.flag_set_ids]
    changed = apply(patch, {**dump(old.definition), "flagSets": sets, "title": "", "comment": ""})
    draft, summary = Draft(parse(changed), schemas.flag_sets(changed)), _summary(changed)
    new = definitions.save_definition(ctx, key, workspace, split, environment, draft, summary, old.version)
    return schemas.definition(new)


@router.delete(_PLACE)
def delete_definition(
    ctx: Ctx, key: Key, workspace: str, split: str, environment: str, title: str = "", comment: str = ""
) -> bool:
    """Remove a definition."""
    definitions.remove_definition(ctx, key, workspace, split, environment, Summary(title, comment))
    return True


@router.put(f"{_PLACE}/kill")
def kill(ctx: Ctx, key: Key, workspace: str, split: str, environment: str, body: schemas.Comment | None = None) -> bool:
    """Give all keys the default treatment at once."""
    _toggle(ctx, key, workspace, split, environment, body, definitions.kill)
    return True


@router.put(f"{_PLACE}/restore")
def restore(
    ctx: Ctx, key: Key, workspace: str, split: str, environment: str, body: schemas.Comment | None = None
) -> bool:
    """Undo a kill."""
    _toggle(ctx, key, workspace, split, environment, body, definitions.restore)
    return True


def _toggle(
    ctx: Context, key: Actor, workspace: str, split: str, environment: str, body: schemas.Comment | None, act: Any
) -> None:
    said = body or schemas.Comment()
    act(ctx, key, workspace, split, environment, Summary(said.title or "", said.comment or ""))


def _summary(body: Json) -> Summary:
    """Title and comment of a save; a value that is not text is ignored."""
    return Summary(**{name: body[name] for name in ("title", "comment") if isinstance(body.get(name), str)})
