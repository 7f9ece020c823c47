"""Applications beside a running Flagpost: their SDK keys, Split's official Python SDK, and bare requests."""

import contextlib
from collections.abc import Iterator
from threading import Event
from typing import Any

import httpx2
from splitio import get_factory

from tests.end_to_end.world import World


def place_of(world: World, name: str = "Production") -> str:
    """An environment's id."""
    found = world.call("GET", f"/internal/api/v2/environments/ws/{world.workspace()}")
    return next(str(one["id"]) for one in found if one["name"] == name)


def sdk_key(world: World, kind: str = "server_side", place: str = "Production") -> str:
    """A new key's secret."""
    body = {
        "name": f"{kind} of {place}",
        "apiKeyType": kind,
        "workspace": {"id": world.workspace(), "type": "workspace"},
        "environments": [{"id": place_of(world, place), "type": "environment"}],
    }
    return str(world.call("POST", "/internal/api/v2/apiKeys", json=body)["key"])


class Application:
    """An application that speaks to Flagpost without an SDK."""

    def __init__(self, world: World, secret: str) -> None:
        headers = {"Authorization": f"Bearer {secret}"}
        self.http = httpx2.Client(base_url=world.url, headers=headers, timeout=30, trust_env=False)
        world.closing.append(self.http.close)

    def get(self, path: str, **query: Any) -> Any:
        answer = self.http.get(f"/sdk{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def changes(self, since: int = -1, rules_since: int = -1, **more: Any) -> Any:
        return self.get("/splitChanges", s="1.3", since=since, rbSince=rules_since, **more)

    def flags(self, since: int = -1, **more: Any) -> dict[str, dict[str, Any]]:
        return {one["name"]: one for one in self.changes(since, **more)["ff"]["d"]}


def python_sdk(world: World, secret: str, **config: Any) -> contextlib.AbstractContextManager[Any]:
    """The official SDK's client, ready."""
    return python_sdk_at(world.url, secret, **config)


@contextlib.contextmanager
def python_sdk_at(url: str, secret: str, **config: Any) -> Iterator[Any]:
    """The same of any Flagpost; everything it calls is below the one address /sdk."""
    names = ("sdk", "events", "auth", "telemetry")
    where = {f"{name}_api_base_url": f"{url}/sdk" for name in names}
    quick = {"streamingEnabled": False, "featuresRefreshRate": 1, "segmentsRefreshRate": 1}
    factory, gone = get_factory(secret, config={**quick, **config}, **where), Event()
    factory.block_until_ready(20)
    try:
        yield factory.client()
    finally:
        factory.destroy(gone)
        assert gone.wait(20)
