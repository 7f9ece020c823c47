"""Writes of flags, definitions, flag sets and connections with issues."""

from functools import partial
from typing import Any

from tests.end_to_end.stored_account import HOME, State, create, put, remove
from tests.end_to_end.writes.call import API, FLAGS, ISSUES, REST, Effect, Made, Scene, patch, write


@write(f"POST {API}/splits/ws/{{workspace}}/trafficTypes/{{traffic_type}}")
def _new_flag(at: Scene) -> Made:
    name, fields = at.pick("split", FLAGS), {"description": at.text, "archived": False, "tags": ()}
    effect: Effect = lambda state, said: create(state, ("flag", name), said["id"], **fields)  # noqa: E731
    return Made({"json": {"name": name, "description": at.text}}, effect)


@write(f"PATCH {API}/splits/ws/{{workspace}}/{{split}}")
def _edit_flag(at: Scene) -> Made:
    sent, fields = patch(description=at.text), {"description": at.text}
    return Made(sent, lambda state, _: put(state, ("flag", at["split"]), **fields))


@write(f"PUT {API}/splits/ws/{{workspace}}/{{split}}/updateDescription")
def _describe_flag(at: Scene) -> Made:
    return Made({"json": at.text}, lambda state, _: put(state, ("flag", at["split"]), description=at.text))


@write(f"POST {API}/tags/ws/{{workspace}}/object/{{name}}/objecttype/{{object_type}}")
def _tag(at: Scene) -> Made:
    return Made({"json": [at.text]}, lambda state, _: put(state, ("flag", at["name"]), tags=(at.text,)))


@write(f"DELETE {API}/splits/ws/{{workspace}}/{{split}}")
def _no_flag(at: Scene) -> Made:
    return Made(effect=lambda state, _: remove(state, ("flag", at["split"]), unless=("definition",)))


@write(f"POST {API}/splits/ws/{{workspace}}/{{split}}/archive")
def _archive(at: Scene) -> Made:
    return Made(effect=lambda state, _: put(state, ("flag", at["split"]), archived=True))


@write(f"POST {API}/splits/ws/{{workspace}}/{{split}}/unarchive")
def _unarchive(at: Scene) -> Made:
    return Made(effect=lambda state, _: put(state, ("flag", at["split"]), archived=False))


_PLACE = f"{API}/splits/ws/{{workspace}}/{{split}}/environments/{{environment}}"


def _place_of(at: Scene) -> tuple[str, ...]:
    return ("definition", at["split"], at["environment"])


@write(f"POST {_PLACE}")
def _initiate(at: Scene) -> Made:
    fields = {"share": at.share, "killed": False, "sets": at.sets()}
    return Made({"json": at.definition()}, lambda state, _: create(state, _place_of(at), **fields))


@write(f"PUT {_PLACE}")
def _save(at: Scene) -> Made:
    fields = {"share": at.share, "sets": at.sets()}
    return Made({"json": at.definition()}, lambda state, _: put(state, _place_of(at), **fields))


@write(f"PATCH {_PLACE}")
def _save_part(at: Scene) -> Made:
    sent = patch(defaultRule=at.definition()["defaultRule"])
    return Made(sent, lambda state, _: put(state, _place_of(at), share=at.share))


@write(f"DELETE {_PLACE}")
def _no_definition(at: Scene) -> Made:
    return Made(effect=lambda state, _: remove(state, _place_of(at)))


@write(f"PUT {_PLACE}/kill")
def _kill(at: Scene) -> Made:
    return Made(effect=lambda state, _: put(state, _place_of(at), killed=True))


@write(f"PUT {_PLACE}/restore")
def _restore(at: Scene) -> Made:
    return Made(effect=lambda state, _: put(state, _place_of(at), killed=False))


@write("POST /api/v3/flag-sets", "POST /internal/api/v3/flag-sets")
def _new_set(at: Scene) -> Made:
    body = {"name": "web", "workspace": {"id": HOME, "type": "WORKSPACE"}}
    return Made({"json": body}, lambda state, said: create(state, ("flag set", "web"), said["id"]))


@write("DELETE /api/v3/flag-sets/{flag_set}", "DELETE /internal/api/v3/flag-sets/{flag_set}")
def _no_set(at: Scene) -> Made:
    def effect(state: State, _: Any) -> None:
        remove(state, ("flag set", "web"))

    return Made(effect=effect)


_ISSUES = f"{REST}/projects/{{project}}/flags/{{flag}}/issues"


@write(f"POST {_ISSUES}")
def _connect(at: Scene) -> Made:
    keys = at.some(ISSUES, ISSUES[:1], ISSUES[1:])

    def effect(state: State, _: Any) -> None:
        put(state, ("flag", at["flag"]))
        state.update({("issue", at["flag"], key): True for key in keys})

    return Made({"json": {"issues": list(keys)}}, effect)


@write(f"DELETE {_ISSUES}/{{key}}")
def _disconnect(at: Scene) -> Made:
    return Made(effect=partial(_gone, ("issue", at["flag"], at["key"])))


def _gone(key: tuple[str, ...], state: State, _: Any) -> None:
    remove(state, key)
