"""Writes of users, groups and API keys."""

from typing import Any

from tests.end_to_end.stored_account import HOME, State, create, put, remove
from tests.end_to_end.writes.call import API, GROUPS, PEOPLE, Made, Scene, patch, write

INVITED = PEOPLE[-1]


@write(f"POST {API}/users")
def _invite(at: Scene) -> Made:
    role = at.some("admin", "editor", "viewer")
    fields = {"role": role, "status": "PENDING", "name": "Carol"}
    body = {"email": INVITED, "name": "Carol", "role": role}
    return Made({"json": body}, lambda state, said: create(state, ("user", INVITED), said["id"], **fields))


def _changed(at: Scene, field: str, value: str) -> Made:
    """A status is what the answer says: who has no password yet comes back as PENDING."""

    def effect(state: State, said: Any) -> None:
        put(state, ("user", at["user"]), **{field: said["status"] if field == "status" else value})

    return Made(effect=effect)


def _field(at: Scene) -> tuple[str, str]:
    choices = {"role": ("admin", "viewer", "viewer"), "status": ("ACTIVE", "DEACTIVATED"), "name": (at.text,)}
    field = at.some("role", "role", "status", "status", "name")
    return field, at.some(*choices[field])


@write(f"PUT {API}/users/{{user}}")
def _user(at: Scene) -> Made:
    field, value = _field(at)
    return Made({"json": {field: value}}, _changed(at, field, value).effect)


@write(f"PATCH {API}/users/{{user}}")
def _patch_user(at: Scene) -> Made:
    field, value = _field(at)
    return Made(patch(**{field: value}), _changed(at, field, value).effect)


@write(f"DELETE {API}/users/{{user}}", user=(INVITED, INVITED, PEOPLE[0]))
def _no_invitation(at: Scene) -> Made:
    return Made(effect=lambda state, _: remove(state, ("user", at["user"])))


@write(f"POST {API}/groups")
def _new_group(at: Scene) -> Made:
    name, fields = at.some(*GROUPS), {"description": at.text}
    body = {"name": name, "description": at.text}
    return Made({"json": body}, lambda state, said: create(state, ("group", name), said["id"], **fields))


@write(f"PUT {API}/groups/{{group}}")
def _group(at: Scene) -> Made:
    body = {"name": at["group"], "description": at.text}
    return Made({"json": body}, lambda state, _: put(state, ("group", at["group"]), description=at.text))


@write(f"DELETE {API}/groups/{{group}}")
def _no_group(at: Scene) -> Made:
    return Made(effect=lambda state, _: remove(state, ("group", at["group"])))


@write(f"POST {API}/apiKeys")
def _new_key(at: Scene) -> Made:
    place = {"id": at.state.get(("environment", "Production"), "gone"), "type": "environment"}
    body = {"name": "spare key", "apiKeyType": "server_side", "workspace": {"id": HOME}, "environments": [place]}
    return Made({"json": body}, lambda state, said: create(state, ("api key", said["id"]), said["id"]))


@write(f"DELETE {API}/apiKeys/{{api_key}}")
def _no_key(at: Scene) -> Made:
    return Made(effect=lambda state, _: remove(state, ("api key", at["api_key"])))
