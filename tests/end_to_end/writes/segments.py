"""Writes of segments and of change requests."""

from typing import Any

from tests.end_to_end.stored_account import State, create, put, remove
from tests.end_to_end.writes.call import API, FLAGS, PLACES, SEGMENTS, SHOWN, Effect, Made, Scene, write

_FIELDS = {
    "split": "flag",
    "segment": "segment",
    "ruleBasedSegment": "rule_based_segment",
    "largeSegment": "large_segment",
}


def _content(at: Scene) -> tuple[str, ...]:
    return ("content", at["segment"], at["environment"])


@write(*(f"POST {API}/{base}/ws/{{workspace}}/trafficTypes/{{traffic_type}}" for base in SEGMENTS))
def _new_segment(at: Scene) -> Made:
    name = at.pick("segment", at.choices["segment"])
    return Made({"json": {"name": name}}, lambda state, said: create(state, ("segment", name), said["id"]))


@write(*(f"DELETE {API}/{base}/ws/{{workspace}}/{{segment}}" for base in SEGMENTS))
def _no_segment(at: Scene) -> Made:
    return Made(effect=lambda state, _: remove(state, ("segment", at["segment"]), unless=("content",)))


@write(*(f"POST {API}/{base}/{{environment}}/{{segment}}" for base in SEGMENTS))
def _add_segment(at: Scene) -> Made:
    return Made(effect=lambda state, _: create(state, _content(at), rules=0, keys=frozenset()))


@write(*(f"DELETE {API}/{base}/{{environment}}/{{segment}}" for base in SEGMENTS))
def _take_segment_out(at: Scene) -> Made:
    return Made(effect=lambda state, _: remove(state, _content(at)))


def _change_keys(state: State, key: tuple[str, ...], *, more: Any = (), fewer: Any = (), replace: bool = False) -> None:
    kept = frozenset() if replace else state.get((*key, "keys"), frozenset())
    put(state, key, keys=(kept | set(more)) - set(fewer))


@write(f"PUT {API}/segments/{{environment}}/{{segment}}/uploadKeys")
def _add_keys(at: Scene) -> Made:
    keys, replace = [at.text, at.some("a", "b")], at.some(True, False, False)
    effect: Effect = lambda state, _: _change_keys(state, _content(at), more=keys, replace=replace)  # noqa: E731
    return Made({"json": {"keys": keys}, "params": {"replace": replace}}, effect)


@write(f"PUT {API}/segments/{{environment}}/{{segment}}/upload")
def _add_file(at: Scene) -> Made:
    keys = [at.text, at.some("a", "b")]
    sent = {"content": "\n".join(keys), "headers": {"Content-Type": "text/csv"}}
    return Made(sent, lambda state, _: _change_keys(state, _content(at), more=keys))


@write(f"PUT {API}/segments/{{environment}}/{{segment}}/removeKeys")
def _drop_keys(at: Scene) -> Made:
    present = sorted(at.state.get((*_content(at), "keys"), ()))
    keys = at.some(present or ["a"], ["a", "b"])
    return Made({"json": {"keys": keys}}, lambda state, _: _change_keys(state, _content(at), fewer=keys))


@write(f"PUT {API}/rule-based-segments/ws/{{workspace}}/{{segment}}/environments/{{environment}}")
def _save_rules(at: Scene) -> Made:
    matcher = {"type": "IN_LIST_STRING", "attribute": "plan", "strings": ["pro"]}
    count = at.some(0, 1, 2, 3)
    rules = [{"condition": {"combiner": "AND", "matchers": [matcher]}}] * count
    return Made({"json": {"rules": rules}}, lambda state, _: put(state, _content(at), rules=count))


# Change requests -----------------------------------------------------------------------------------------------------


@write(f"POST {API}/changeRequests/ws/{{workspace}}/environments/{{environment}}")
def _ask(at: Scene) -> Made:
    body = at.some(_change_of_flag, _change_of_flag, _change_of_keys, _change_of_large_segment)(at)

    def effect(state: State, said: Any) -> None:
        field = next(name for name in _FIELDS if said[name] is not None)
        create(state, ("request", said["id"]), _FIELDS[field], status=said["status"])
        if said["status"] == "PUBLISHED":
            _publish(state, said)

    return Made({"json": body}, effect)


def _change_of_flag(at: Scene) -> dict[str, Any]:
    wanted = {"name": at.pick("split", FLAGS), **at.definition()}
    return {"split": wanted, "operationType": at.some("UPDATE", "UPDATE", "KILL", "RESTORE", "ARCHIVE"), "title": "x"}


def _change_of_keys(at: Scene) -> dict[str, Any]:
    wanted = {"name": at.pick("segment", SEGMENTS["segments"]), "keys": [at.text]}
    return {"segment": wanted, "operationType": at.some("UPDATE", "ARCHIVE"), "title": "x"}


def _change_of_large_segment(at: Scene) -> dict[str, Any]:
    wanted = {"name": at.some(*SEGMENTS["large-segments"])}
    operation = at.some("UPLOAD", "UPLOAD", "UPDATE", "ARCHIVE")
    return {"largeSegment": wanted | ({"keys": [at.text]} if operation == "UPDATE" else {}), "operationType": operation}


@write(f"PUT {API}/changeRequests/{{change_request}}")
def _decide(at: Scene) -> Made:
    decision = at.some("APPROVED", "APPROVED", "REJECTED", "WITHDRAWN")

    def effect(state: State, said: Any) -> None:
        put(state, ("request", said["id"]), status=said["status"])
        if said["status"] == "PUBLISHED":
            _publish(state, said)

    return Made({"json": {"status": decision}}, effect)


def _publish(state: State, said: Any) -> None:
    field = next(name for name in _FIELDS if said[name] is not None)
    wanted, place, operation = said[field], said["environment"]["name"], said["operationType"]
    if field != "split":
        fewer = operation == "ARCHIVE"
        keys, key = wanted.get("keys", ()), ("content", wanted["name"], place)
        everything = fewer and "keys" not in wanted
        replace = operation == "UPLOAD" or everything
        _change_keys(state, key, more=() if fewer else keys, fewer=keys if fewer else (), replace=replace)
        return
    key = ("definition", wanted["name"], place)
    if operation in ("KILL", "RESTORE"):
        put(state, key, killed=operation == "KILL")
    elif operation == "ARCHIVE":
        remove(state, key)
    else:
        share = sum(one["size"] for one in wanted["defaultRule"] if one["treatment"] == "off")
        if key not in state:
            create(state, key, killed=False)
        put(state, key, share=share, sets=tuple(one["id"] for one in wanted.get("flagSets", ())))


@write(f"PUT {API}/large-segments/uploads/{{secret}}")
def _send_file(at: Scene) -> Made:
    secret, request, place = at.memory.uploads[-1] if at.memory.uploads else ("none", "", SHOWN[0])
    at.names["secret"] = secret
    keys = [at.text, "whale"]

    def effect(state: State, _: Any) -> None:
        if state.get(("environment", place, "approvals")):
            return
        put(state, ("request", request), status="PUBLISHED")
        _change_keys(state, ("content", SEGMENTS["large-segments"][0], place), more=keys, replace=True)

    assert place in PLACES
    return Made({"content": "\n".join(keys)}, effect)
