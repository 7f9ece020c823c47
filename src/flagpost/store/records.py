"""The values that the store returns, frozen. Times are milliseconds since 1970."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from flagpost.flags.diff import Change, describe
from flagpost.flags.model import Definition, FlagStatus, JiraEnvironmentType

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list. `total` counts the whole list."""

    items: list[T]
    offset: int
    limit: int
    total: int


@dataclass(frozen=True, slots=True)
class Project:
    """A hard partition: flags, environments and traffic types live inside one (Split: workspace)."""

    id: str
    account_id: str
    name: str
    requires_title_and_comments: bool
    restricted: bool
    created_at: int


@dataclass(frozen=True, slots=True)
class Environment:
    """Where a definition applies. `permissions` is Split's `changePermissions` and the like, as a client sent them."""

    id: str
    project_id: str
    name: str
    production: bool
    jira_type: JiraEnvironmentType
    permissions: dict[str, Any]
    created_at: int


@dataclass(frozen=True, slots=True)
class TrafficType:
    """The kind of keys that a flag is evaluated for, such as user."""

    id: str
    project_id: str
    name: str
    display_attribute_id: str | None


@dataclass(frozen=True, slots=True)
class RolloutStatus:
    """A label of a flag, with no effect on its evaluation."""

    id: str
    name: str
    description: str
    colour: str


@dataclass(frozen=True, slots=True)
class Owner:
    """The owner of a flag, a user or a group; or a viewer of a project, of which `type` may be `api_key` too."""

    type: str
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag without its definitions.

    `updated_at` is the last change of what stands here, `changed_at` that of anything about the flag: its definitions
    too.
    """

    id: str
    project_id: str
    name: str
    description: str
    traffic_type: TrafficType
    rollout_status: RolloutStatus
    rollout_status_at: int
    status: FlagStatus
    tags: tuple[str, ...]
    owners: tuple[Owner, ...]
    version: int
    created_at: int
    updated_at: int
    changed_at: int


@dataclass(frozen=True, slots=True)
class FlagHead:
    """The part of a flag that a change of its definition needs."""

    id: str
    project_id: str
    name: str
    status: FlagStatus


@dataclass(frozen=True, slots=True)
class FlagDefinition:
    """A flag's definition in one environment. `updated_at` is Split's `lastUpdateTime`."""

    id: str
    flag_id: str
    flag_name: str
    environment: Environment
    traffic_type: TrafficType
    definition: Definition
    killed: bool
    version: int
    created_at: int
    updated_at: int
    updated_by: str
    flag_set_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key without its secret, of which the store has only a hash. `hint` is the end of the secret."""

    id: str
    account_id: str
    name: str
    kind: str
    roles: tuple[str, ...]
    project_id: str | None
    environment_ids: tuple[str, ...]
    hint: str
    created_by: str
    created_at: int
    expires_at: int | None
    revoked_at: int | None
    last_used_at: int | None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """An entry of the audit log: who changed what and when, and the object before and after the change."""

    id: int
    project_id: str | None
    environment_id: str | None
    object_type: str
    object_id: str
    object_name: str
    change: str
    actor_type: str
    actor_name: str
    title: str
    comment: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    at: int

    @property
    def differences(self) -> list[Change]:
        """The fields that changed, each with its label and its values."""
        return describe(self.before, self.after)
