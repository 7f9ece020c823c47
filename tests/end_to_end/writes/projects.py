"""Writes of projects, environments, traffic types, attributes and identities."""

from typing import Any

from tests.end_to_end.stored_account import State, create, put, remove
from tests.end_to_end.writes.call import API, ATTRIBUTES, KEYS, SPARE, SPARE_PLACE, Effect, Made, Scene, patch, write


@write(f"POST {API}/workspaces")
def _new_project(at: Scene) -> Made:
    effect: Effect = lambda state, said: create(state, ("project", SPARE), said["id"], asks=False, restricted=False)  # noqa: E731
    return Made({"json": {"name": SPARE}}, effect)


@write(f"PATCH {API}/workspaces/{{workspace}}", workspace=(SPARE,))
def _project(at: Scene) -> Made:
    asks = at.some(True, False)
    effect: Effect = lambda state, _: put(state, ("project", SPARE), asks=asks)  # noqa: E731
    return Made(patch(requiresTitleAndComments=asks), effect)


@write(f"DELETE {API}/workspaces/{{workspace}}", workspace=(SPARE,))
def _no_project(at: Scene) -> Made:
    return Made(effect=lambda state, _: remove(state, ("project", SPARE)))


@write(f"PUT {API}/restrictions")
def _restrict(at: Scene) -> Made:
    restricted = at.some(True, False)
    resource = {"id": at.state.get(("project", SPARE), SPARE), "type": "workspace"}
    body = {"resource": resource, "operations": {"view": restricted}, "resourcePermissions": {"view": []}}
    return Made({"json": body}, lambda state, _: put(state, ("project", SPARE), restricted=restricted))


@write(f"POST {API}/environments/ws/{{workspace}}")
def _new_place(at: Scene) -> Made:
    fields = {"production": False, "type": "testing", "approvals": False, "exporters": False}
    effect: Effect = lambda state, said: create(state, ("environment", SPARE_PLACE), said["id"], **fields)  # noqa: E731
    return Made({"json": {"name": SPARE_PLACE}}, effect)


@write(f"PATCH {API}/environments/ws/{{workspace}}/{{environment}}")
def _place(at: Scene) -> Made:
    key, chosen = ("environment", at["environment"]), at.some("production", "type", "approvals", "exporters")
    value: Any = at.some("staging", "testing", "production") if chosen == "type" else at.some(True, False, False)
    steps = {
        "production": patch(production=value),
        "type": patch(jiraType=value),
        "approvals": patch(changePermissions={"areApprovalsRequired": value}),
        "exporters": patch(dataExportPermissions={"areExportersRestricted": value, "exporters": []}),
    }
    return Made(steps[chosen], lambda state, _: put(state, key, **{chosen: value}))


@write(f"DELETE {API}/environments/ws/{{workspace}}/{{environment}}", environment=(SPARE_PLACE,))
def _no_place(at: Scene) -> Made:
    return Made(effect=lambda state, _: remove(state, ("environment", SPARE_PLACE), unless=("definition",)))


@write(f"POST {API}/trafficTypes/ws/{{workspace}}")
def _new_traffic_type(at: Scene) -> Made:
    return Made({"json": {"name": "visit"}}, lambda state, said: create(state, ("traffic type", "visit"), said["id"]))


@write(f"DELETE {API}/trafficTypes/{{traffic_type}}", traffic_type=("visit",))
def _no_traffic_type(at: Scene) -> Made:
    return Made(effect=lambda state, _: remove(state, ("traffic type", "visit")))


_SCHEMA = f"{API}/schema/ws/{{workspace}}/trafficTypes/{{traffic_type}}"


@write(f"POST {_SCHEMA}")
def _new_attribute(at: Scene) -> Made:
    name = at.pick("attribute", ATTRIBUTES)
    fields = {"display": name, "description": at.text}
    body = {"id": name, "description": at.text}
    return Made({"json": body}, lambda state, _: create(state, ("attribute", name), name, **fields))


def _put_attribute(state: State, name: str, fields: dict[str, str]) -> None:
    state.setdefault(("attribute", name), name)
    put(state, ("attribute", name), **fields)


@write(f"PUT {_SCHEMA}")
def _attribute(at: Scene) -> Made:
    name = at.pick("attribute", ATTRIBUTES)
    body: Any = {"id": name, "description": at.text}
    fields = {"display": name, "description": at.text}
    return Made({"json": body}, lambda state, _: _put_attribute(state, name, fields))


@write(f"POST {_SCHEMA}/attribute:bulk")
def _attributes(at: Scene) -> Made:
    def effect(state: State, _: Any) -> None:
        for name in ATTRIBUTES:
            _put_attribute(state, name, {"display": name, "description": at.text})

    return Made({"json": [{"id": name, "description": at.text} for name in ATTRIBUTES]}, effect)


@write(f"PATCH {_SCHEMA}/{{attribute}}")
def _describe_attribute(at: Scene) -> Made:
    key, shown = ("attribute", at["attribute"]), at.some(True, False)
    fields = {"display" if shown else "description": at.text}
    sent = patch(displayName=at.text) if shown else patch(description=at.text)
    return Made(sent, lambda state, _: put(state, key, **fields))


@write(f"DELETE {_SCHEMA}/{{attribute}}")
def _no_attribute(at: Scene) -> Made:
    key = ("attribute", at["attribute"])

    def effect(state: State, _: Any) -> None:
        if key not in state:
            remove(state, key)
        for name in [one for one in state if one[:2] == key]:
            del state[name]

    return Made(effect=effect)


_IDENTITIES = f"{API}/trafficTypes/{{traffic_type}}/environments/{{environment}}/identities"


def _know(state: State, key: tuple[str, ...], values: dict[str, Any], keep: bool) -> None:
    for name in [one for one in state if one[:3] == key and not keep]:
        del state[name]
    state[key] = True
    put(state, key, **values)


@write(f"PUT {_IDENTITIES}/{{identity}}")
def _identity(at: Scene) -> Made:
    key, values = ("identity", at["identity"], at["environment"]), {at.some(*ATTRIBUTES): at.text}
    return Made({"json": {"values": values}}, lambda state, _: _know(state, key, values, False))


@write(f"POST {_IDENTITIES}")
def _identities(at: Scene) -> Made:
    values = {at.some(*ATTRIBUTES): at.text}

    def effect(state: State, said: Any) -> None:
        for one in said["objects"]:
            _know(state, ("identity", one["key"], at["environment"]), values, False)

    return Made({"json": [{"key": key, "values": values} for key in KEYS]}, effect)


@write(f"PATCH {_IDENTITIES}/{{identity}}", f"POST {_IDENTITIES}/{{identity}}/patch")
def _more_of_identity(at: Scene) -> Made:
    key, values = ("identity", at["identity"], at["environment"]), {at.some(*ATTRIBUTES): at.text}
    return Made({"json": {"values": values}}, lambda state, _: _know(state, key, values, True))


@write(f"DELETE {_IDENTITIES}/{{identity}}")
def _no_identity(at: Scene) -> Made:
    return Made(effect=lambda state, _: remove(state, ("identity", at["identity"], at["environment"])))
