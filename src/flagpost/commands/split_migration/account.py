"""The content of a Split account, read through its Admin API on demand."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from flagpost.commands.split_migration.api import SplitApi, SplitError, quoted
from flagpost.flags.bucketing import Seeds

_SPEC = "1.3"  # the version of the protocol of Split's SDKs
_MURMUR = 2  # the number of MurmurHash3 in that protocol: the hash that Flagpost buckets keys by
_NEW_KEY_PAUSES = (0.0, 1.0, 3.0, 10.0)  # seconds: Split does not accept a new SDK key at once


class SplitModel(BaseModel):
    """A part of a response: the fields that the migration needs."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)


class Named(SplitModel):
    """An object with an id and a name."""

    id: str
    name: str


class Workspace(Named):
    """A project. Since Harness, two organisations (`organizationIdentifier`) can have projects of one name."""

    requiresTitleAndComments: bool | None = None
    organizationIdentifier: str | None = None


class SplitEnvironment(Named):
    """An environment. Split's list has no `changePermissions`; that of another Flagpost does."""

    production: bool | None = None
    changePermissions: dict[str, Any] | None = None


class SplitAttribute(SplitModel):
    """An attribute of a traffic type."""

    id: str
    displayName: str | None = None
    description: str | None = None
    dataType: str | None = None
    isSearchable: bool | None = None
    suggestedValues: list[str] | None = None


class SplitSegment(SplitModel):
    """A segment of any kind."""

    name: str
    description: str | None = None
    trafficType: Named


class Tag(SplitModel):
    """A tag of a flag."""

    name: str


class Reference(SplitModel):
    """A reference to a user, a group, a key or a flag set."""

    id: str
    type: str | None = None


class SplitFlag(SplitSegment):
    """A feature flag."""

    rolloutStatus: Named | None = None
    tags: list[Tag] | None = None
    owners: list[Reference] | None = None


class SplitFlagSet(Named):
    """A flag set."""

    description: str | None = None


class SplitUser(SplitModel):
    """A user."""

    id: str
    email: str
    name: str | None = None
    status: str | None = None

    @property
    def is_active(self) -> bool:
        """Whether the user uses Split or is invited to."""
        return self.status != "DEACTIVATED"


class EnvironmentItem(SplitModel):
    """A segment or definition in an environment. `body` is the whole object as Split shows it."""

    name: str
    body: dict[str, Any]


class SplitDefinition(EnvironmentItem):
    """A flag's definition in an environment."""

    killed: bool | None = None
    flagSets: list[Reference] | None = None


@dataclass(frozen=True, slots=True)
class ViewPermission:
    """Who may view a project. `restricted` is None if Split does not say."""

    restricted: bool | None
    grants: list[Reference]


_Model = TypeVar("_Model", bound=SplitModel)


class SplitAccount:
    """Reads one account. Every method raises SplitError if Split refuses, or if the response is not Split's.

    An object that cannot be read is left out, and `warn` is called with the reason.
    """

    def __init__(self, api: SplitApi, warn: Callable[[str], None]) -> None:
        self._api, self._warn = api, warn

    def workspaces(self) -> list[Workspace]:
        """The projects that the key can see. The first request of a run: a wrong address shows here."""
        try:
            return self._validated(Workspace, self._api.list_by_offset("workspaces", 100))
        except SplitError as error:
            if error.split_status != 404:
                raise
            what = f"{error.message} The address of an Admin API ends in /internal/api/v2."
            raise SplitError(what, error.split_status) from None

    def environments(self, workspace: Workspace) -> list[SplitEnvironment]:
        """A project's environments."""
        return self._validated(SplitEnvironment, self._api.list_unpaged(f"environments/ws/{quoted(workspace.id)}"))

    def traffic_types(self, workspace: Workspace) -> list[Named]:
        """A project's traffic types."""
        return self._validated(Named, self._api.list_unpaged(f"trafficTypes/ws/{quoted(workspace.id)}"))

    def attributes(self, workspace: Workspace, traffic_type: Named) -> list[SplitAttribute]:
        """A traffic type's attributes."""
        path = f"schema/ws/{quoted(workspace.id)}/trafficTypes/{quoted(traffic_type.id)}"
        return self._validated(SplitAttribute, self._api.list_unpaged(path))

    def flag_sets(self, workspace: Workspace) -> list[SplitFlagSet]:
        """A project's flag sets."""
        return self._validated(SplitFlagSet, self._api.list_by_marker("flag-sets", 50, workspace_id=workspace.id))

    def segments(self, workspace: Workspace, base: str) -> list[SplitSegment]:
        """A project's segments of a kind: below `segments`, `large-segments` or `rule-based-segments`."""
        return self._validated(SplitSegment, self._api.list_by_offset(f"{base}/ws/{quoted(workspace.id)}", 50))

    def segments_in(self, workspace: Workspace, environment: SplitEnvironment, base: str) -> list[EnvironmentItem]:
        """The segments of a kind in an environment."""
        path = f"{base}/ws/{quoted(workspace.id)}/environments/{quoted(environment.id)}"
        return self._validated(EnvironmentItem, map(_with_body, self._api.list_by_offset(path, 50)))

    def keys(self, environment: SplitEnvironment, segment: str) -> list[str]:
        """The keys of a standard segment in an environment."""
        path = f"segments/{quoted(environment.id)}/{quoted(segment)}/keys"
        found = self._api.list_by_offset(path, 100, "keys")
        return [str(one.get("key", "")) if isinstance(one, dict) else str(one) for one in found]

    def flags(self, workspace: Workspace) -> list[SplitFlag]:
        """A project's feature flags. Split leaves archived ones out."""
        return self._validated(SplitFlag, self._api.list_by_offset(f"splits/ws/{quoted(workspace.id)}", 50))

    def definitions(self, workspace: Workspace, environment: SplitEnvironment) -> list[SplitDefinition]:
        """The definitions of a project's flags in an environment."""
        path = f"splits/ws/{quoted(workspace.id)}/environments/{quoted(environment.id)}"
        return self._validated(SplitDefinition, map(_with_body, self._api.list_by_offset(path, 50)))

    def users(self) -> list[SplitUser]:
        """All users, deactivated ones too, because they can still own flags."""
        states = ("ACTIVE", "PENDING", "DEACTIVATED")
        found = {state: self._api.list_by_marker("users", 200, status=state) for state in states}
        return [
            one.model_copy(update={"status": state})
            for state, users in found.items()
            for one in self._validated(SplitUser, users)
        ]

    def groups(self) -> list[Named]:
        """The groups of users."""
        return self._validated(Named, self._api.list_by_offset("groups", 200))

    def members(self, group_id: str) -> list[SplitUser]:
        """The users in a group."""
        return self._validated(SplitUser, self._api.list_by_marker("users", 200, group_id=group_id))

    def view_of(self, workspace: Workspace) -> ViewPermission:
        """Who may view a project (Split: restrictions)."""
        found = self._api.get("restrictions", resource_type="workspace", resource_id=workspace.id, offset=0, limit=20)
        entries = (found.get("objects") or []) if isinstance(found, dict) else found
        mine = [one for one in entries or [] if isinstance(one, dict) and _resource_id(one) == workspace.id]
        if entries and not mine:
            return ViewPermission(None, [])
        listed = [one for entry in mine for one in (entry.get("resourcePermissions") or {}).get("view") or []]
        restricted = any((entry.get("operations") or {}).get("view") for entry in mine)
        return ViewPermission(restricted, self._validated(Reference, listed))

    def seeds(self, workspace: Workspace, environment: SplitEnvironment, sdk_url: str) -> dict[str, Seeds]:
        """The seeds by which each flag buckets its keys in an environment, by the flag's name.

        Split gives seeds to applications only. So this creates an SDK key, reads with it, and deletes it. Flags that
        Split buckets by its old hash are left out.
        """
        name = f"Migration to Flagpost, {time.strftime('%Y-%m-%d %H:%M')}"
        scope = {
            "workspace": {"type": "workspace", "id": workspace.id},
            "environments": [{"type": "environment", "id": environment.id}],
        }
        created = self._api.post("apiKeys", {"name": name, "apiKeyType": "server_side", **scope})
        if not isinstance(created, dict) or not isinstance(created.get("key"), str):
            raise SplitError(f"Split created the SDK key “{name}” and did not show its secret.")
        try:
            flags = self._read_as_application(sdk_url, created["key"])
            return {flag["name"]: seeds for flag in flags if (seeds := _seeds(flag))}
        finally:
            self._delete_key(created, name, environment)

    def _delete_key(self, created: dict[str, Any], name: str, environment: SplitEnvironment) -> None:
        """Delete the key by its id, else by its secret: Split documents both. The seeds are valid if neither works."""
        reason = ""
        for ref in (created.get("id"), created["key"]):
            try:
                if ref:
                    self._api.delete(f"apiKeys/{quoted(str(ref))}", f"the SDK key “{name}”")
                    return
            except SplitError as error:
                reason = error.message
        what = f"SDK key “{name}” of {environment.name} in Split"
        self._warn(f"{what}: could not be deleted. Delete it in Split. {reason}")

    def _read_as_application(self, sdk_url: str, key: str) -> list[Any]:
        for pause in _NEW_KEY_PAUSES:
            time.sleep(pause)
            try:
                return [*self._changes(sdk_url, key)]
            except SplitError as error:
                if error.split_status not in (401, 403):
                    raise
                refused = error
        raise refused

    def _changes(self, sdk_url: str, key: str) -> Iterator[Any]:
        since = -1
        while True:
            url = f"{sdk_url.rstrip('/')}/splitChanges?s={_SPEC}&since={since}&rbSince=-1"
            answer = self._api.get_as_sdk(url, key)
            flags = answer.get("ff") if isinstance(answer, dict) else None
            if not isinstance(flags, dict) or not isinstance(flags.get("d"), list):
                raise SplitError(f"The response to {url} is not from Split's SDK API. Check --sdk-url.", 200)
            yield from flags["d"]
            till = flags.get("t")
            if not isinstance(till, int) or till <= since or not flags["d"]:
                return
            since = till

    def _validated(self, kind: type[_Model], found: Iterable[Any]) -> list[_Model]:
        return [model for one in found if (model := self._validate(kind, one))]

    def _validate(self, kind: type[_Model], found: Any) -> _Model | None:
        try:
            return kind.model_validate(found)
        except ValidationError as error:
            what = error.errors()[0]
            where = ".".join(str(one) for one in what["loc"]) or "the whole object"
            name = found.get("name") or found.get("id") if isinstance(found, dict) else found
            self._warn(f"{kind.__name__} {name}: cannot be read and was left out. {where}: {what['msg']}.")
            return None


def _seeds(flag: Any) -> Seeds | None:
    numbers = (flag.get("seed"), flag.get("trafficAllocationSeed"), flag.get("algo")) if isinstance(flag, dict) else ()
    match numbers:
        case (int(shares), int(exposure), int(hash_number)) if hash_number == _MURMUR and isinstance(
            flag.get("name"), str
        ):
            return Seeds(shares, exposure)
    return None


def _resource_id(entry: dict[str, Any]) -> Any:
    resource = entry.get("resource")
    return resource.get("id") if isinstance(resource, dict) else entry.get("id")


def _with_body(one: Any) -> Any:
    """The object with a copy of itself as `body`."""
    return {**one, "body": one} if isinstance(one, dict) else one
