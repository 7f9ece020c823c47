"""What the store gives back: frozen values, with names where a person would see a name. Times are milliseconds."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from flagpost.flags.diff import Change, describe
from flagpost.flags.model import Definition, FlagStatus, JiraEnvironmentType

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list: `total` counts the whole."""

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
    """Where a definition applies. `permissions` is Split's `changePermissions` and its like, as they were sent."""

    id: str
    project_id: str
    name: str
    production: bool
    jira_type: JiraEnvironmentType
    permissions: dict[str, Any]
    created_at: int


@dataclass(frozen=True, slots=True)
class TrafficType:
    """What kind of key a flag is evaluated for."""

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
    """A user or a group that answers for a flag; or one that may view a project, where `type` may be `api_key` too."""

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
    """As much of a flag as a change of its definition needs."""

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
    """A key, without its secret, which is stored as a hash only. `hint` is the secret's end."""

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
    """One change: who, when, of what, and how it was before and after."""

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
        """What changed, in words."""
        return describe(self.before, self.after)
