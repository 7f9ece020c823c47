"""Who is asking, and what they may do.

People have one of three roles. Keys have Split's roles (`API_…`) within a scope: everything, one project, or some
environments of one project. On top of that stands the project view permission (Split: *restriction*): a restricted
project exists only for those it lists, and for account admins, who could list themselves anyway.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from flagpost.errors import NotAllowed


class Right(StrEnum):
    """Something an action can require."""

    VIEW_FLAGS = "see flags"
    EDIT_FLAGS = "change flags"
    VIEW_SEGMENTS = "see segments"
    EDIT_SEGMENTS = "change segments"
    MANAGE_PROJECTS = "manage projects, environments and traffic types"
    MANAGE_KEYS = "manage API keys"
    MANAGE_PEOPLE = "manage users and groups"
    MANAGE_INTEGRATIONS = "manage integrations"


_EVERYTHING = frozenset(Right)
_FLAGS = frozenset({Right.VIEW_FLAGS, Right.EDIT_FLAGS})
_SEGMENTS = frozenset({Right.VIEW_SEGMENTS, Right.EDIT_SEGMENTS})

RIGHTS_OF_USER_ROLE: dict[str, frozenset[Right]] = {
    "admin": _EVERYTHING,
    "editor": _FLAGS | _SEGMENTS,
    "viewer": frozenset({Right.VIEW_FLAGS, Right.VIEW_SEGMENTS}),
}
RIGHTS_OF_KEY_ROLE: dict[str, frozenset[Right]] = {
    "API_ALL_GRANTED": _EVERYTHING,
    "API_ADMIN": _EVERYTHING,
    "API_APIKEY": frozenset({Right.MANAGE_KEYS}),
    "API_WORKSPACE_ADMIN": _FLAGS | _SEGMENTS | {Right.MANAGE_PROJECTS},
    "API_FEATURE_FLAG_VIEWER": frozenset({Right.VIEW_FLAGS}),
    "API_FEATURE_FLAG_EDITOR": _FLAGS,
    "API_SEGMENT_VIEWER": frozenset({Right.VIEW_SEGMENTS}),
    "API_SEGMENT_EDITOR": _SEGMENTS,
    "JIRA_INTEGRATION": frozenset({Right.VIEW_FLAGS}),
}


class ActorType(StrEnum):
    """What kind of party an actor is; the audit log keeps it."""

    USER = "user"
    API_KEY = "api_key"
    JIRA = "jira"
    SYSTEM = "system"


NO_ACCOUNT = ""
"""The account of an actor whose work belongs to none: it writes nothing to an audit log, and wakes no delivery."""


@dataclass(frozen=True, slots=True)
class Actor:
    """A signed-in person, a key, the Jira app, or Flagpost itself (the command line, a first start).

    `project_id` and `environment_ids` bound a key's scope; None and empty mean everything. `sees_all_projects` lets
    view permissions pass: account admins and Flagpost itself.
    """

    account_id: str
    type: ActorType
    id: str
    name: str
    rights: frozenset[Right]
    group_ids: frozenset[str] = field(default_factory=frozenset)
    project_id: str | None = None
    environment_ids: frozenset[str] = field(default_factory=frozenset)
    sees_all_projects: bool = False

    def may(self, right: Right) -> bool:
        """Whether this actor has a right, scope and view permissions aside."""
        return right in self.rights

    def require(self, right: Right) -> None:
        """Raise NotAllowed, saying what was missing, unless the actor has the right."""
        if right not in self.rights:
            raise NotAllowed(f"You are not allowed to {right.value}.")


def system(account_id: str) -> Actor:
    """Flagpost itself, acting for an operator at the command line or at a first start."""
    return Actor(account_id, ActorType.SYSTEM, "system", "Flagpost", _EVERYTHING, sees_all_projects=True)


def split_migration(account_id: str) -> Actor:
    """The actor of `flagpost migrate-from split`, by which the audit log tells imported changes from all others."""
    return Actor(account_id, ActorType.SYSTEM, "split", "Split migration", _EVERYTHING, sees_all_projects=True)


def jira_app(account_id: str, cloud_id: str, site_url: str) -> Actor:
    """The Flagpost app on a Jira site. It has no rights: actions that it may call ask for none."""
    return Actor(account_id, ActorType.JIRA, cloud_id, site_url, frozenset())
