"""What there is in a Split account, read through its Admin API as it is asked for."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from flagpost.flags.bucket import Seeds
from flagpost.from_split.api import SplitApi, SplitError, part

_SPEC = "1.3"  # of the protocol of Split's SDKs


class Thing(BaseModel):
    """Something Split answers, with what is needed of it."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)


class Named(Thing):
    """Something with an id and a name."""

    id: str
    name: str


class Workspace(Named):
    """A project."""

    requiresTitleAndComments: bool | None = None


class SplitEnvironment(Named):
    """An environment. Split itself shows no `changePermissions` in its list; another Flagpost does."""

    production: bool | None = None
    changePermissions: dict[str, Any] | None = None


class SplitAttribute(Thing):
    """An attribute of a traffic type."""

    id: str
    displayName: str | None = None
    description: str | None = None
    dataType: str | None = None
    isSearchable: bool | None = None
    suggestedValues: list[str] | None = None


class SplitSegment(Thing):
    """A segment, of whatever kind."""

    name: str
    description: str | None = None
    trafficType: Named


class Tag(Thing):
    """A tag of a flag."""

    name: str


class Reference(Thing):
    """A user, a group, a key or a flag set."""

    id: str
    type: str = ""


class SplitFlag(SplitSegment):
    """A feature flag."""

    rolloutStatus: Named | None = None
    tags: list[Tag] | None = None
    owners: list[Reference] | None = None


class SplitFlagSet(Named):
    """A flag set."""

    description: str | None = None


class Person(Thing):
    """A user."""

    id: str
    email: str
    name: str | None = None
    status: str | None = None


class SplitDefinition(Thing):
    """A flag's definition in an environment: `body` is all of it, as Split shows it."""

    name: str
    killed: bool | None = None
    flagSets: list[Reference] | None = None
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class View:
    """Who may view a project."""

    restricted: bool
    grants: list[Reference]


_Thing = TypeVar("_Thing", bound=Thing)


class SplitAccount:
    """Reads one account. Every method raises SplitError where Split refuses, or answers something else than Split."""

    def __init__(self, api: SplitApi) -> None:
        self.api = api

    def workspaces(self) -> list[Workspace]:
        """The projects that the key can see."""
        return _all(Workspace, self.api.all_by_offset("workspaces", 100))

    def environments(self, home: Workspace) -> list[SplitEnvironment]:
        """A project's environments."""
        return _all(SplitEnvironment, self.api.all_at_once(f"environments/ws/{part(home.id)}"))

    def traffic_types(self, home: Workspace) -> list[Named]:
        """A project's traffic types."""
        return _all(Named, self.api.all_at_once(f"trafficTypes/ws/{part(home.id)}"))

    def attributes(self, home: Workspace, traffic_type: Named) -> list[SplitAttribute]:
        """A traffic type's attributes."""
        path = f"schema/ws/{part(home.id)}/trafficTypes/{part(traffic_type.id)}"
        return _all(SplitAttribute, self.api.all_at_once(path))

    def flag_sets(self, home: Workspace) -> list[SplitFlagSet]:
        """A project's flag sets."""
        return _all(SplitFlagSet, self.api.all_by_marker("flag-sets", 50, workspace_id=home.id))

    def segments(self, home: Workspace, base: str) -> list[SplitSegment]:
        """A project's segments of a kind: below `segments`, `large-segments` or `rule-based-segments`."""
        return _all(SplitSegment, self.api.all_by_offset(f"{base}/ws/{part(home.id)}", 50))

    def segments_in(self, home: Workspace, place: SplitEnvironment, base: str) -> list[dict[str, Any]]:
        """The segments of a kind in an environment, as Split shows them: each has a `name`."""
        path = f"{base}/ws/{part(home.id)}/environments/{part(place.id)}"
        return [_named(one, path) for one in self.api.all_by_offset(path, 50)]

    def keys(self, place: SplitEnvironment, segment: str) -> Iterator[str]:
        """The keys of a standard segment in an environment."""
        path = f"segments/{part(place.id)}/{part(segment)}/keys"
        for one in self.api.all_by_offset(path, 100, "keys"):
            yield one["key"] if isinstance(one, dict) and isinstance(one.get("key"), str) else str(one)

    def flags(self, home: Workspace) -> list[SplitFlag]:
        """A project's feature flags. Split leaves archived ones out."""
        return _all(SplitFlag, self.api.all_by_offset(f"splits/ws/{part(home.id)}", 50))

    def definitions(self, home: Workspace, place: SplitEnvironment) -> list[SplitDefinition]:
        """The definitions of a project's flags in an environment."""
        path = f"splits/ws/{part(home.id)}/environments/{part(place.id)}"
        return _all(SplitDefinition, ({**_named(one, path), "body": one} for one in self.api.all_by_offset(path, 50)))

    def people(self) -> list[Person]:
        """The users who work, and those who are invited."""
        states = ("ACTIVE", "PENDING")
        return [one for state in states for one in _all(Person, self.api.all_by_marker("users", 200, status=state))]

    def groups(self) -> list[Named]:
        """The groups of users."""
        return _all(Named, self.api.all_by_offset("groups", 200))

    def view_of(self, home: Workspace) -> View:
        """Who may view a project (Split: restrictions)."""
        path = "restrictions"
        found = self.api.get(path, resource_type="workspace", resource_id=home.id, offset=0, limit=20)
        entries = found.get("objects", []) if isinstance(found, dict) else found
        mine = [one for one in entries if isinstance(one, dict) and _about(one) == home.id]
        listed = [one for entry in mine for one in (entry.get("resourcePermissions") or {}).get("view") or []]
        restricted = any((entry.get("operations") or {}).get("view") for entry in mine)
        return View(bool(restricted), _all(Reference, listed))

    def seeds(self, home: Workspace, place: SplitEnvironment, sdk_url: str) -> dict[str, Seeds]:
        """By which seeds each flag is dealt out in an environment. Only applications are told them, so a key for one is
        made for as long as it takes.
        """
        scope = {"workspace": {"type": "workspace", "id": home.id}}
        wanted = {"name": "Moving to Flagpost", "apiKeyType": "server_side", **scope}
        made = self.api.post("apiKeys", {**wanted, "environments": [{"type": "environment", "id": place.id}]})
        if not isinstance(made, dict) or not isinstance(made.get("key"), str):
            raise SplitError("Split made an SDK key and did not show it.")
        try:
            return {flag["name"]: _seeds(flag) for flag in self._as_applications_see(sdk_url, made["key"])}
        finally:
            self.api.delete(f"apiKeys/{part(str(made.get('id') or made['key']))}")

    def _as_applications_see(self, sdk_url: str, key: str) -> Iterator[dict[str, Any]]:
        since = -1
        while True:
            url = f"{sdk_url.rstrip('/')}/splitChanges?s={_SPEC}&since={since}&rbSince=-1"
            answer = self.api.get_as_sdk(url, key)
            flags = answer.get("ff") if isinstance(answer, dict) else None
            if not isinstance(flags, dict) or not isinstance(flags.get("d"), list):
                raise SplitError(f"What answered to {url} is not Split's SDK API. Look at --sdk-url.")
            yield from flags["d"]
            if flags.get("t") == since or not flags["d"]:
                return
            since = int(flags["t"])


def _seeds(flag: Any) -> Seeds:
    try:
        return Seeds(shares=int(flag["seed"]), exposure=int(flag["trafficAllocationSeed"]))
    except (KeyError, TypeError, ValueError):
        raise SplitError("Split's SDK API shows a flag without seeds.") from None


def _about(entry: dict[str, Any]) -> Any:
    resource = entry.get("resource")
    return resource.get("id") if isinstance(resource, dict) else entry.get("id")


def _named(one: Any, path: str) -> dict[str, Any]:
    if not isinstance(one, dict) or not isinstance(one.get("name"), str):
        raise SplitError(f"What answered to {path} is not Split's Admin API: something has no name.")
    return one


def _all(kind: type[_Thing], found: Iterable[Any]) -> list[_Thing]:
    try:
        return [kind.model_validate(one) for one in found]
    except ValidationError as error:
        what = error.errors()[0]
        where = ".".join(str(one) for one in what["loc"])
        raise SplitError(f"Split shows a {kind.__name__} that Flagpost cannot read: {where}: {what['msg']}.") from None
