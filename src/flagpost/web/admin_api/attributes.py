"""Attributes of traffic types, and identities: attribute values of single keys."""

from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from flagpost.actions.projects import attributes, identities
from flagpost.actions.projects.identities import NewIdentity
from flagpost.store.projects.attributes import Attribute, Identity
from flagpost.web.admin_api.documented import Key, WideKey
from flagpost.web.admin_api.json_patch import Patch, applied_as
from flagpost.web.admin_api.schemas import Body
from flagpost.web.state import Ctx

router = APIRouter()
Json = dict[str, Any]
_SCHEMA = "/schema/ws/{workspace}/trafficTypes/{traffic_type}"
_IDENTITIES = "/trafficTypes/{traffic_type}/environments/{environment}/identities"


@dataclass(frozen=True, slots=True)
class AttributeQuery:
    """Which attributes to list: those whose id or name starts with a text, all at once or by marker."""

    searchPrefix: str = ""
    paginate: bool = False
    afterMarker: str = ""
    markerLimit: Annotated[int, Query(ge=1)] = 200


class AttributeBody(Body):
    """An attribute; `id` is what applications call it."""

    id: str
    displayName: str | None = None
    description: str | None = None
    dataType: str | None = None
    isSearchable: bool | None = None
    suggestedValues: list[str] | None = None


class IdentityBody(Body):
    """The values of a key, by the attribute's id."""

    key: str = ""
    values: Json | None = Field(default_factory=dict)


@router.get(_SCHEMA, tags=["Attributes"])
def list_attributes(
    ctx: Ctx,
    key: WideKey,
    workspace: str,
    traffic_type: str,
    query: Annotated[AttributeQuery, Depends()],
) -> Any:
    """A traffic type's attributes: a plain array, or with `paginate` `objects` and `nextMarker`, at most 200 a page."""
    limit = min(query.markerLimit, 200)
    found = attributes.list_attributes(
        ctx,
        key,
        workspace,
        traffic_type,
        prefix=query.searchPrefix,
        after=query.afterMarker if query.paginate else "",
        limit=limit + 1 if query.paginate else None,
    )
    if not query.paginate:
        return [_attribute(one) for one in found]
    following = found[limit - 1].id if len(found) > limit else None
    return {"objects": [_attribute(one) for one in found[:limit]], "nextMarker": following}


@router.post(_SCHEMA, tags=["Attributes"])
def create_attribute(ctx: Ctx, key: WideKey, workspace: str, traffic_type: str, body: AttributeBody) -> Json:
    """A new attribute; 409 where there is one with this id."""
    return _attribute(
        attributes.save_attributes(ctx, key, workspace, traffic_type, [_read_attribute(body)], new=True)[0]
    )


@router.put(_SCHEMA, tags=["Attributes"])
def save_attribute(ctx: Ctx, key: WideKey, workspace: str, traffic_type: str, body: AttributeBody) -> Json:
    """Create or replace an attribute."""
    return _attribute(attributes.save_attributes(ctx, key, workspace, traffic_type, [_read_attribute(body)])[0])


@router.post(f"{_SCHEMA}/attribute:bulk", tags=["Attributes"])
def save_attributes(ctx: Ctx, key: WideKey, workspace: str, traffic_type: str, body: list[AttributeBody]) -> list[Json]:
    """Create or replace many attributes, at most 1000, all or none."""
    many = [_read_attribute(one) for one in body]
    return [_attribute(one) for one in attributes.save_attributes(ctx, key, workspace, traffic_type, many)]


@router.patch(f"{_SCHEMA}/{{attribute}}", tags=["Attributes"])
def update_attribute(ctx: Ctx, key: WideKey, workspace: str, traffic_type: str, attribute: str, patch: Patch) -> Json:
    """Change `/displayName`, `/description`, `/dataType`, `/isSearchable` or `/suggestedValues`."""

    def edit(old: Attribute) -> Attribute:
        return replace(_read_attribute(applied_as(AttributeBody, patch, _attribute(old))), id=old.id)

    return _attribute(attributes.edit_attribute(ctx, key, workspace, traffic_type, attribute, edit))


@router.delete(f"{_SCHEMA}/{{attribute}}", tags=["Attributes"])
def delete_attribute(ctx: Ctx, key: WideKey, workspace: str, traffic_type: str, attribute: str) -> bool:
    """Remove an attribute; rules that name it keep working."""
    attributes.delete_attribute(ctx, key, workspace, traffic_type, attribute)
    return True


@router.post(_IDENTITIES, tags=["Identities"])
def save_identities(ctx: Ctx, key: Key, traffic_type: str, environment: str, body: list[IdentityBody]) -> Json:
    """Write the values of many keys, at most 1000; invalid ones come back in `failed`."""
    many = [NewIdentity(one.key, one.values or {}) for one in body]
    written, refused = identities.save_identities(ctx, key, traffic_type, environment, many)
    failed = [
        {"object": {"key": one.identity.key, "values": one.identity.values}, "status": 400, "message": one.message}
        for one in refused
    ]
    return {"objects": [_identity(one) for one in written], "failed": failed, "metadata": {"total": len(many)}}


@router.get(f"{_IDENTITIES}/{{identity}}", tags=["Identities"])
def get_identity(ctx: Ctx, key: Key, traffic_type: str, environment: str, identity: str) -> Json:
    """The values of a key."""
    return _identity(identities.get_identity(ctx, key, traffic_type, environment, identity))


@router.put(f"{_IDENTITIES}/{{identity}}", tags=["Identities"])
def save_identity(ctx: Ctx, key: Key, traffic_type: str, environment: str, identity: str, body: IdentityBody) -> Json:
    """Replace the values of a key."""
    new = NewIdentity(identity, body.values or {})
    return _identity(identities.save_identity(ctx, key, traffic_type, environment, new))


@router.patch(f"{_IDENTITIES}/{{identity}}", tags=["Identities"])
@router.post(f"{_IDENTITIES}/{{identity}}/patch", tags=["Identities"])
def update_identity(ctx: Ctx, key: Key, traffic_type: str, environment: str, identity: str, body: IdentityBody) -> Json:
    """Change some values of a key; the others stay as they are."""
    new = NewIdentity(identity, body.values or {})
    return _identity(identities.save_identity(ctx, key, traffic_type, environment, new, keep=True))


@router.delete(f"{_IDENTITIES}/{{identity}}", tags=["Identities"])
def delete_identity(ctx: Ctx, key: Key, traffic_type: str, environment: str, identity: str) -> bool:
    """Delete the values of a key."""
    identities.delete_identity(ctx, key, traffic_type, environment, identity)
    return True


def _read_attribute(body: AttributeBody) -> Attribute:
    kind = body.dataType.upper() if body.dataType else None
    suggested, searchable = body.suggestedValues or [], bool(body.isSearchable)
    return Attribute("", body.id, body.displayName or body.id, body.description or "", kind, searchable, suggested)


def _attribute(one: Attribute) -> Json:
    return {
        "id": one.id,
        "trafficTypeId": one.traffic_type_id,
        "displayName": one.display_name,
        "description": one.description,
        "dataType": one.data_type,
        "isSearchable": one.is_searchable,
        "suggestedValues": one.suggested_values,
    }


def _identity(one: Identity) -> Json:
    return {
        "key": one.key,
        "trafficTypeId": one.traffic_type_id,
        "environmentId": one.environment_id,
        "values": one.values,
    }
