"""The bodies of Split's Admin API. Fields are Split's; times are milliseconds since 1970."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from flagpost.actions.projects.projects import Restriction
from flagpost.errors import InvalidInput
from flagpost.flags.definition_json import dump
from flagpost.store.records import (
    ApiKey,
    Environment,
    Flag,
    FlagDefinition,
    Page,
    Project,
    RolloutStatus,
    TrafficType,
)

Json = dict[str, Any]


class Body(BaseModel):
    """A request body. Split's clients send more than is needed (ids, empty lists), so unknown fields are ignored."""

    model_config = ConfigDict(extra="ignore")


class NewWorkspace(Body):
    """A project to create."""

    name: str = Field(max_length=255)
    requiresTitleAndComments: bool = False


class NewEnvironment(Body):
    """An environment to create. Flagpost adds `jiraType`: development, testing, staging or production."""

    name: str = Field(max_length=255)
    production: bool = False
    changePermissions: Json | None = None
    dataExportPermissions: Json | None = None
    jiraType: str | None = None


class NewTrafficType(Body):
    """A traffic type to create."""

    name: str = Field(max_length=255)


class NewSplit(Body):
    """A feature flag to create."""

    name: str = Field(max_length=255)
    description: str | None = None
    tags: list[str | Json] | None = None
    owners: list[Json] | None = None


class Reference(Body):
    """An object, named by its id."""

    id: str = Field(max_length=255)
    type: str = ""


_REFERENCES = TypeAdapter(list[Reference])


class NewApiKey(Body):
    """A key to create. `roles` are for the admin kind; SDK keys name exactly one environment."""

    name: str = Field(max_length=255)
    apiKeyType: str
    workspace: Reference | None = None
    environments: list[Reference] | None = None
    roles: list[str] | None = None


class NewFlagSet(Body):
    """A flag set to create."""

    name: str
    description: str | None = None
    workspace: Reference


class Comment(Body):
    """The reason for a change."""

    title: str | None = None
    comment: str | None = None


class Operations(Body):
    """What a restriction limits: viewing."""

    view: bool = False


class NewRestriction(Body):
    """Who may view a project."""

    resource: Reference
    operations: Operations = Operations()
    resourcePermissions: dict[Literal["view"], list[Reference]] = {}


class Error(BaseModel):
    """Every answer that is not a success. `details` is JSON text with one entry a field, or empty."""

    code: int
    message: str
    details: str
    transactionId: str


def paged(page: Page[Any], show: Any) -> Json:
    """Split's paging by offset."""
    objects = [show(item) for item in page.items]
    return {"objects": objects, "offset": page.offset, "limit": page.limit, "totalCount": page.total}


def workspace(project: Project) -> Json:
    """A project as Split shows it."""
    return {
        "id": project.id,
        "name": project.name,
        "type": "workspace",
        "requiresTitleAndComments": project.requires_title_and_comments,
    }


_UNRESTRICTED: Json = {
    "changePermissions": {
        "areApprovalsRequired": False,
        "allowKills": True,
        "areApproversRestricted": False,
        "approvers": [],
        "areEditorsRestricted": False,
        "editors": [],
        "approvalSkippableBy": [],
    },
    "dataExportPermissions": {"areExportersRestricted": False, "exporters": []},
}


def environment(one: Environment) -> Json:
    """An environment as Split shows it, with Flagpost's `jiraType`."""
    return {
        "id": one.id,
        "name": one.name,
        "type": "environment",
        "production": one.production,
        "creationTime": one.created_at,
        "workspaceIds": [one.project_id],
        "status": "ACTIVE",
        "jiraType": one.jira_type.value,
        **_UNRESTRICTED,
        **one.permissions,
    }


def traffic_type(one: TrafficType) -> Json:
    """A traffic type as Split shows it."""
    return {
        "id": one.id,
        "name": one.name,
        "type": "trafficType",
        "displayAttributeId": one.display_attribute_id,
        "workspace": {"id": one.project_id, "type": "workspace"},
    }


def rollout_status(one: RolloutStatus) -> Json:
    """A rollout status as Split shows it."""
    return {"id": one.id, "name": one.name, "description": one.description}


def split(flag: Flag) -> Json:
    """A flag as Split shows it."""
    return {
        "id": flag.id,
        "name": flag.name,
        "description": flag.description,
        "trafficType": {"id": flag.traffic_type.id, "name": flag.traffic_type.name},
        "creationTime": flag.created_at,
        "lastUpdateTime": flag.updated_at,
        "status": flag.status.value.upper(),
        "rolloutStatus": {"id": flag.rollout_status.id, "name": flag.rollout_status.name},
        "rolloutStatusTimestamp": flag.rollout_status_at,
        "tags": [{"name": tag} for tag in flag.tags] or None,
        "owners": [{"id": owner.id, "type": owner.type, "name": owner.name} for owner in flag.owners],
    }


def definition(one: FlagDefinition, open_change_request: str | None = None) -> Json:
    """A definition as Split shows it."""
    return {
        "id": one.id,
        "name": one.flag_name,
        "environment": {"id": one.environment.id, "name": one.environment.name},
        "trafficType": {"id": one.traffic_type.id, "name": one.traffic_type.name},
        "killed": one.killed,
        **dump(one.definition),
        "creationTime": one.created_at,
        "lastUpdateTime": one.updated_at,
        "lastTrafficReceivedAt": None,
        "flagSets": [{"id": id, "type": "FLAG_SET"} for id in one.flag_set_ids],
        "impressionsDisabled": one.definition.impressions_disabled,
        "openChangeRequestId": open_change_request,
    }


def flag_sets(body: Json) -> list[str] | None:
    """The ids of the flag sets in a body; None where it has none."""
    listed = body.get("flagSets")
    if listed is None:
        return None
    try:
        return [one.id for one in _REFERENCES.validate_python(listed)]
    except ValidationError:
        raise InvalidInput("This must be a list of objects, each with the id of a flag set.", "flagSets") from None


def api_key(key: ApiKey, secret: str) -> Json:
    """A new key as Split shows it, with its secret."""
    return {
        "id": key.id,
        "name": key.name,
        "type": "api_key",
        "apiKeyType": key.kind,
        "key": secret,
        "roles": list(key.roles),
        "workspace": {"id": key.project_id, "type": "workspace"} if key.project_id else None,
        "environments": [{"id": id, "type": "environment"} for id in key.environment_ids],
    }


def restriction(project_id: str, found: Restriction) -> Json:
    """Who may view a project, as Split shows it."""
    view = [{"type": grant.type, "id": grant.id, "name": grant.name} for grant in found.grants]
    return {
        "id": project_id,
        "resource": {"type": "workspace", "id": project_id},
        "operations": {"view": found.restricted},
        "resourcePermissions": {"view": view},
    }
