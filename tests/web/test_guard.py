"""Every route says who may call it, and strangers get nowhere."""

from collections.abc import Sequence
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant

from flagpost.web import sdk
from flagpost.web.guard import GUARDS, anyone, person
from tests.web.conftest import Console

pytestmark = pytest.mark.slow


def every_route(app: FastAPI) -> list[Any]:
    """Those of the framework, and the raw ones in front of it."""
    return routes_of(app, sdk.mounts())


def routes_of(app: FastAPI, mounts: Sequence[Any] = ()) -> list[Any]:
    """Every route of an application and of these mounts, with the whole of its path."""
    found: list[Any] = []
    for part in [*app.routes, *mounts]:
        contexts = getattr(part, "effective_route_contexts", None)
        inside = [one for one in getattr(part, "routes", None) or () if hasattr(one, "guard")]
        found += list(contexts()) if contexts else [Raw(part.path, one) for one in inside] or [part]
    return found


class Raw:
    """A raw route for applications, with the path that it is mounted at."""

    def __init__(self, prefix: str, route: Any) -> None:
        self.path, self.methods = prefix + route.path, route.methods - {"HEAD"}
        self.dependant = Dependant(call=route.guard)


def guards_of(dependant: Dependant) -> set[object]:
    below = [guards_of(one) for one in dependant.dependencies]
    return ({dependant.call} & set(GUARDS)).union(*below)


def test_every_route_declares_exactly_one_guard(console: Console) -> None:
    found = every_route(console.app.routes)
    assert len(found) > 80
    unguarded = [one.path for one in found if not hasattr(one, "dependant") or len(guards_of(one.dependant)) != 1]
    assert unguarded == ["/static"]


def test_strangers_are_sent_to_sign_in_or_refused(console: Console) -> None:
    for route in every_route(console.app.routes):
        guards = guards_of(route.dependant) if hasattr(route, "dependant") else {anyone}
        if anyone in guards:
            continue
        path = route.path.replace("{", "").replace("}", "")
        for method in route.methods:
            answer = console.stranger.request(method, path)
            assert answer.status_code == (303 if person in guards else 401), (method, path)
