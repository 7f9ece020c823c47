"""What there is in a Split account, read through its Admin API as it is asked for."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from flagpost.commands.split_migration.api import SplitApi, SplitError, part
from flagpost.flags.bucketing import Seeds

_SPEC = "1.3"  # of the protocol of Split's SDKs
_MURMUR = 2  # the hash that Flagpost deals keys out by, in that protocol's numbers
_A_NEW_KEY_WORKS_AFTER = (0.0, 1.0, 3.0, 10.0)  # seconds


class Thing(BaseModel):
    """Something Split answers, with what is needed of it."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)


class Named(Thing):
    """Something with an id and a name."""

    id: str
    name: str


class Workspace(Named):
    """A project. `organizationIdentifier`: since Harness, two organisations can have projects of the same name."""

    requiresTitleAndComments: bool | None = None
    organizationIdentifier: str | None = None


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
    type: str | None = None


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

    @property
    def works(self) -> bool:
        """Whether they still use Split, or are about to."""
        return self.status != "DEACTIVATED"


class Bare(Thing):
    """Something of an environment that has a name: `body` is all of it, as Split shows it."""

    name: str
    body: dict[str, Any]


class SplitDefinition(Bare):
    """A flag's definition in an environment."""

    killed: bool | None = None
    flagSets: list[Reference] | None = None


@dataclass(frozen=True, slots=True)
class View:
    """Who may view a project; `restricted` None: Split does not say."""

    restricted: bool | None
    grants: list[Reference]


_Thing = TypeVar("_Thing", bound=Thing)


class SplitAccount:
    """Reads one account. Every method raises SplitError where Split refuses, or answers something else than Split.

    `unreadable` is told of each single thing that cannot be read; it is left out.
    """

    def __init__(self, api: SplitApi, unreadable: Callable[[str], None]) -> None:
        self._api, self._unreadable = api, unreadable

    def workspaces(self) -> list[Workspace]:
        """The projects that the key can see: the first thing that is asked, where a wrong address shows."""
        try:
            return self._all(Workspace, self._api.all_by_offset("workspaces", 100))
        except SplitError as error:
            if error.answered != 404:
                raise
            what = f"{error.message} The address of an Admin API ends in /internal/api/v2."
            raise SplitError(what, error.answered) from None

    def environments(self, home: Workspace) -> list[SplitEnvironment]:
        """A project's environments."""
        return self._all(SplitEnvironment, self._api.all_at_once(f"environments/ws/{part(home.id)}"))

    def traffic_types(self, home: Workspace) -> list[Named]:
        """A project's traffic types."""
        return self._all(Named, self._api.all_at_once(f"trafficTypes/ws/{part(home.id)}"))

    def attributes(self, home: Workspace, traffic_type: Named) -> list[SplitAttribute]:
        """A traffic type's attributes."""
        path = f"schema/ws/{part(home.id)}/trafficTypes/{part(traffic_type.id)}"
        return self._all(SplitAttribute, self._api.all_at_once(path))

    def flag_sets(self, home: Workspace) -> list[SplitFlagSet]:
        """A project's flag sets."""
        return self._all(SplitFlagSet, self._api.all_by_marker("flag-sets", 50, workspace_id=home.id))

    def segments(self, home: Workspace, base: str) -> list[SplitSegment]:
        """A project's segments of a kind: below `segments`, `large-segments` or `rule-based-segments`."""
        return self._all(SplitSegment, self._api.all_by_offset(f"{base}/ws/{part(home.id)}", 50))

    def segments_in(self, home: Workspace, place: SplitEnvironment, base: str) -> list[Bare]:
        """The segments of a kind in an environment."""
        path = f"{base}/ws/{part(home.id)}/environments/{part(place.id)}"
        return self._all(Bare, map(_whole, self._api.all_by_offset(path, 50)))

    def keys(self, place: SplitEnvironment, segment: str) -> list[str]:
        """The keys of a standard segment in an environment."""
        path = f"segments/{part(place.id)}/{part(segment)}/keys"
        found = self._api.all_by_offset(path, 100, "keys")
        return [str(one.get("key", "")) if isinstance(one, dict) else str(one) for one in found]

    def flags(self, home: Workspace) -> list[SplitFlag]:
        """A project's feature flags. Split leaves archived ones out."""
        return self._all(SplitFlag, self._api.all_by_offset(f"splits/ws/{part(home.id)}", 50))

    def definitions(self, home: Workspace, place: SplitEnvironment) -> list[SplitDefinition]:
        """The definitions of a project's flags in an environment."""
        path = f"splits/ws/{part(home.id)}/environments/{part(place.id)}"
        return self._all(SplitDefinition, map(_whole, self._api.all_by_offset(path, 50)))

    def people(self) -> list[Person]:
        """The users, those too who do not work there any more: flags can still be theirs."""
        states = ("ACTIVE", "PENDING", "DEACTIVATED")
        found = {state: self._api.all_by_marker("users", 200, status=state) for state in states}
        return [
            one.model_copy(update={"status": state})
            for state, users in found.items()
            for one in self._all(Person, users)
        ]

    def groups(self) -> list[Named]:
        """The groups of users."""
        return self._all(Named, self._api.all_by_offset("groups", 200))

    def members(self, group_id: str) -> list[Person]:
        """The users in a group."""
        return self._all(Person, self._api.all_by_marker("users", 200, group_id=group_id))

    def view_of(self, home: Workspace) -> View:
        """Who may view a project (Split: restrictions)."""
        found = self._api.get("restrictions", resource_type="workspace", resource_id=home.id, offset=0, limit=20)
        entries = (found.get("objects") or []) if isinstance(found, dict) else found
        mine = [one for one in entries or [] if isinstance(one, dict) and _about(one) == home.id]
        if entries and not mine:
            return View(None, [])
        listed = [one for entry in mine for one in (entry.get("resourcePermissions") or {}).get("view") or []]
        restricted = any((entry.get("operations") or {}).get("view") for entry in mine)
        return View(restricted, self._all(Reference, listed))

    def seeds(self, home: Workspace, place: SplitEnvironment, sdk_url: str) -> dict[str, Seeds]:
        """By which seeds each flag is dealt out in an environment. Only applications are told them, so a key for one is
        made for as long as it takes. Flags that Split deals out by its old hash are left out.
        """
        name = f"Moving to Flagpost, {time.strftime('%Y-%m-%d %H:%M')}"
        wanted = {"name": name, "apiKeyType": "server_side", "workspace": {"type": "workspace", "id": home.id}}
        made = self._api.post("apiKeys", {**wanted, "environments": [{"type": "environment", "id": place.id}]})
        if not isinstance(made, dict) or not isinstance(made.get("key"), str):
            raise SplitError(f"Split made the SDK key “{name}” and did not show it.")
        try:
            flags = self._as_applications_see(sdk_url, made["key"])
            return {flag["name"]: seeds for flag in flags if (seeds := _seeds(flag))}
        finally:
            self._remove_key(made, name, place)

    def _remove_key(self, made: dict[str, Any], name: str, place: SplitEnvironment) -> None:
        """By its id, else by its secret, as Split documents both; what was read stays good where neither works."""
        said = ""
        for ref in (made.get("id"), made["key"]):
            try:
                if ref:
                    self._api.delete(f"apiKeys/{part(str(ref))}", f"the SDK key “{name}”")
                    return
            except SplitError as error:
                said = error.message
        self._unreadable(f"SDK key “{name}” of {place.name} in Split: could not be removed, do it there. {said}")

    def _as_applications_see(self, sdk_url: str, key: str) -> list[Any]:
        for pause in _A_NEW_KEY_WORKS_AFTER:
            time.sleep(pause)
            try:
                return [*self._changes(sdk_url, key)]
            except SplitError as error:
                if error.answered not in (401, 403):
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
                raise SplitError(f"What answered to {url} is not Split's SDK API. Look at --sdk-url.", 200)
            yield from flags["d"]
            till = flags.get("t")
            if not isinstance(till, int) or till <= since or not flags["d"]:
                return
            since = till

    def _all(self, kind: type[_Thing], found: Iterable[Any]) -> list[_Thing]:
        return [thing for one in found if (thing := self._one(kind, one))]

    def _one(self, kind: type[_Thing], found: Any) -> _Thing | None:
        try:
            return kind.model_validate(found)
        except ValidationError as error:
            what = error.errors()[0]
            where = ".".join(str(one) for one in what["loc"]) or "all of it"
            name = found.get("name") or found.get("id") if isinstance(found, dict) else found
            self._unreadable(f"{kind.__name__} {name}: cannot be read, and was left out. {where}: {what['msg']}.")
            return None


def _seeds(flag: Any) -> Seeds | None:
    numbers = (flag.get("seed"), flag.get("trafficAllocationSeed"), flag.get("algo")) if isinstance(flag, dict) else ()
    match numbers:
        case (int(shares), int(exposure), int(hash_number)) if hash_number == _MURMUR and isinstance(
            flag.get("name"), str
        ):
            return Seeds(shares, exposure)
    return None


def _about(entry: dict[str, Any]) -> Any:
    resource = entry.get("resource")
    return resource.get("id") if isinstance(resource, dict) else entry.get("id")


def _whole(one: Any) -> Any:
    """With all of it as `body`."""
    return {**one, "body": one} if isinstance(one, dict) else one
