"""Everything that is in an account, by name: what a move has to carry over, without the ids and times that differ."""

from collections.abc import Iterator
from typing import Any

from tests.end_to_end.world import World

API = "/internal/api/v2"
_OWN = ("id", "creationTime", "lastUpdateTime", "environment", "trafficType", "openChangeRequestId", "version")


def differences(one: Any, other: Any, path: str = "") -> Iterator[str]:
    """Where two accounts differ, in words; nothing where they are the same."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in {**one, **other}:
            yield from differences(one.get(name), other.get(name), f"{path} / {name}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from differences(left, right, f"{path}[{number}]")
    elif one != other:
        yield f"{path}: {one!r} is not {other!r}"


def everything_in(world: World) -> dict[str, Any]:
    """The account's projects by name, with all that is in them."""
    homes = world.call("GET", f"{API}/workspaces", params={"limit": 1000})["objects"]
    return {home["name"]: _project(world, home) for home in homes}


def _project(world: World, home: dict[str, Any]) -> dict[str, Any]:
    ws = home["id"]
    places = world.call("GET", f"{API}/environments/ws/{ws}")
    sets = world.call("GET", "/api/v3/flag-sets", params={"workspace_id": ws})["data"]
    names = {one["id"]: one["name"] for one in sets} | _people(world)
    return {
        "asks": home["requiresTitleAndComments"],
        "environments": {one["name"]: _environment(world, ws, one, names) for one in places},
        "traffic types": {one["name"]: _attributes(world, ws, one["id"]) for one in _traffic_types(world, ws)},
        "flag sets": {one["name"]: one["description"] for one in sets},
        "segments": [_described(one) for kind in _KINDS for one in _listed(world, f"{API}/{kind}/ws/{ws}")],
        "flags": [_flag(one) for one in _listed(world, f"{API}/splits/ws/{ws}")],
        "view": _view(world, ws, names),
    }


_KINDS = ("segments", "large-segments", "rule-based-segments")


def _people(world: World) -> dict[str, str]:
    users = [one for state in ("ACTIVE", "PENDING") for one in world.call("GET", f"{API}/users?status={state}")["data"]]
    groups = world.call("GET", f"{API}/groups")["objects"]
    return {one["id"]: one["email"] for one in users} | {one["id"]: one["name"] for one in groups}


def _environment(world: World, ws: str, place: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    at = f"ws/{ws}/environments/{place['id']}"
    permissions = {"allowKills": True, "approvers": [], **place["changePermissions"]}
    return {
        "production": place["production"],
        "approvals": (permissions["areApprovalsRequired"], permissions["allowKills"]),
        "approvers": sorted(names[one["id"]] for one in permissions["approvers"]),
        "definitions": [_definition(one, names) for one in _listed(world, f"{API}/splits/{at}")],
        "keys": {
            one["name"]: [key["key"] for key in _listed(world, f"{API}/segments/{place['id']}/{one['name']}/keys")]
            for one in _listed(world, f"{API}/segments/{at}")
        },
        "large": [one["name"] for one in _listed(world, f"{API}/large-segments/{at}")],
        "rules": [_without(one) for one in _listed(world, f"{API}/rule-based-segments/{at}")],
    }


def _definition(one: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    return {**_without(one), "flagSets": sorted(names[flag_set["id"]] for flag_set in one["flagSets"])}


def _flag(one: dict[str, Any]) -> dict[str, Any]:
    owners = sorted((owner["type"], owner["name"]) for owner in one["owners"])
    return {**_described(one), "owners": owners, "rolloutStatus": one["rolloutStatus"]["name"], "tags": one["tags"]}


def _described(one: dict[str, Any]) -> dict[str, Any]:
    return {"name": one["name"], "description": one["description"], "trafficType": one["trafficType"]["name"]}


def _traffic_types(world: World, ws: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = world.call("GET", f"{API}/trafficTypes/ws/{ws}")
    return found


def _attributes(world: World, ws: str, traffic_type: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = world.call("GET", f"{API}/schema/ws/{ws}/trafficTypes/{traffic_type}")
    return [{name: value for name, value in one.items() if "Id" not in name} for one in found]


def _view(world: World, ws: str, names: dict[str, str]) -> tuple[bool, list[str]]:
    found = world.call("GET", f"{API}/restrictions?resource_type=workspace&resource_id={ws}")["objects"][0]
    view = found["resourcePermissions"]["view"]
    return found["operations"]["view"], sorted(names[one["id"]] for one in view if one["id"] in names)


def _listed(world: World, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        page = world.call("GET", path, params={"offset": len(found), "limit": 50})
        items = page if isinstance(page, list) else page.get("objects", page.get("keys"))
        found += items
        if not items:
            return found


def _without(one: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in one.items() if name not in _OWN}
