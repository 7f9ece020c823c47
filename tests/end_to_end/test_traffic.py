"""What applications send is in the sums: from Split's own SDK in each of its modes, and when the process is killed."""

import json
import logging
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx2
import pytest
from splitio import get_factory

from flagpost.flags.bucketing import seeds_of
from flagpost.flags.model import Bucket, Definition, Treatment
from flagpost.flags.targeting import TargetedFlag, Targeting
from jira_sandbox.embedded import Sandbox
from tests.end_to_end.world import Process, World, process, until
from tests.flags.stand_in import serving

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:setDaemon:DeprecationWarning")]  # the SDK's

NAMES = ("checkout", "search")
KEYS = [f"user{number}" for number in range(40)]
TURNS = 5


@pytest.fixture
def _quiet_sdk() -> Iterator[None]:
    logging.getLogger("splitio").setLevel(logging.CRITICAL + 1)
    yield
    logging.getLogger("splitio").setLevel(logging.NOTSET)


def sdk_key(world: World, place: str = "Production", kind: str = "server_side") -> str:
    home = world.workspace()
    places = world.call("GET", f"/internal/api/v2/environments/ws/{home}")
    found = next(one["id"] for one in places if one["name"] == place)
    body = {
        "name": f"{place} {kind}",
        "apiKeyType": kind,
        "workspace": {"id": home, "type": "workspace"},
        "environments": [{"id": found, "type": "environment"}],
    }
    return str(world.call("POST", "/internal/api/v2/apiKeys", json=body)["key"])


def served(world: World, flag: str) -> dict[str | None, int]:
    """How often each treatment was served, as the REST API says."""
    path = f"/api/v1/projects/Default/flags/{flag}/traffic"
    found: Counter[str | None] = Counter()
    for one in world.call("GET", path, params={"environment": "Production", "by": "day"})["served"]:
        found[one["treatment"]] += one["count"]
    return dict(found)


def _is_served(world: World, flag: str, total: int) -> bool:
    return sum(served(world, flag).values()) >= total


def half_on(name: str) -> TargetedFlag:
    definition = Definition((Treatment("on"), Treatment("off")), "off", (Bucket("on", 50), Bucket("off", 50)))
    return TargetedFlag(name, "user", definition, seeds_of(name, "here"))


def ask(world: World, key: str, mode: str) -> dict[str, Counter[str]]:
    """An application that asks for each flag and key a few times; what it was given."""
    given = {name: Counter[str]() for name in NAMES}
    with serving([Targeting(tuple(half_on(name) for name in NAMES))]) as base:
        factory = get_factory(
            key,
            config={"streamingEnabled": False, "impressionsMode": mode, "connectionTimeout": 30_000},
            sdk_api_base_url=f"{base}/0/sdk",
            auth_api_base_url=f"{base}/0/auth",
            events_api_base_url=f"{world.url}/sdk",
            telemetry_api_base_url=f"{world.url}/sdk",
        )
        factory.block_until_ready(30)
        client = factory.client()
        for _ in range(TURNS):
            for user in KEYS:
                for name in NAMES:
                    given[name][client.get_treatment(user, name)] += 1
        client.track(KEYS[0], "user", "bought", 1.0)
        sending = factory._sync_manager._synchronizer._periodic_data_recording_tasks
        until(
            lambda: all(task.is_running() for task in sending), "the SDK sends: it drops what it has, if it ends before"
        )
        gone = threading.Event()
        factory.destroy(gone)
        assert gone.wait(30)
    return given


@pytest.mark.usefixtures("_quiet_sdk")
@pytest.mark.parametrize("mode", ["DEBUG", "OPTIMIZED", "NONE"])
def test_the_sums_are_what_an_application_with_splits_sdk_asked(world: World, mode: str) -> None:
    for name in NAMES:
        world.new_flag(name, share=50)
    given = ask(world, sdk_key(world), mode)
    total = TURNS * len(KEYS)
    for name in NAMES:
        until(partial(_is_served, world, name, total), f"{name} was served {total} times", 30)
        found = served(world, name)
        assert given[name].total() == total
        if mode == "DEBUG":
            assert found == dict(given[name])
        elif mode == "NONE":
            assert found == {None: total}
        else:  # each key once with its treatment; what it asked again is counted only
            expected: dict[Any, int] = {k: count // TURNS for k, count in given[name].items()}
            assert found == {**expected, None: total - len(KEYS)}


class Senders:
    """Applications that send impressions and count what was acknowledged, and what was on its way at the end."""

    def __init__(self, url: str, key: str) -> None:
        self._url, self._headers = url, {"Authorization": f"Bearer {key}"}
        self._lock = threading.Lock()
        self.acknowledged: Counter[str] = Counter()
        self.unanswered: Counter[str] = Counter()
        self.refused = 0

    def go_on(self, seed: int) -> None:
        """Send until nobody answers."""
        chance = random.Random(seed)
        with httpx2.Client(base_url=self._url, headers=self._headers, timeout=30, trust_env=False) as http:
            while True:
                name, count = chance.choice(NAMES), chance.randint(1, 50)
                try:
                    answer = http.post("/sdk/testImpressions/bulk", content=self._body(name, count))
                except httpx2.TransportError:
                    with self._lock:
                        self.unanswered[name] += count
                    return
                with self._lock:
                    if answer.is_success:
                        self.acknowledged[name] += count
                    else:
                        self.refused += 1

    def _body(self, name: str, count: int) -> str:
        one = {"k": "ann", "t": "on", "m": time.time_ns() // 1_000_000, "c": 1, "r": "default rule"}
        return json.dumps([{"f": name, "i": [one] * count}])


def killed_while_sending(server: Process, key: str, seed: int) -> Senders:
    senders = Senders(server.url, key)
    threads = [threading.Thread(target=senders.go_on, args=(seed * 10 + number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    until(lambda: senders.acknowledged.total() > 500 * seed, "some were acknowledged")
    time.sleep(random.Random(seed).uniform(0, 0.3))
    server.kill()
    for thread in threads:
        thread.join()
    return senders


def test_kill_9_loses_nothing_that_was_acknowledged(sandbox: Sandbox, database_url: str) -> None:
    acknowledged, unanswered = Counter[str](), Counter[str]()
    with process(sandbox, database_url) as server:
        world = World(server.url, sandbox)
        for name in NAMES:
            world.new_flag(name)
        key = sdk_key(world)
        for seed in (1, 2, 3):
            senders = killed_while_sending(server, key, seed)
            assert senders.refused == 0
            acknowledged += senders.acknowledged
            unanswered += senders.unanswered
            server.start()
            for name in NAMES:
                kept = served(world, name)["on"]
                assert acknowledged[name] <= kept <= acknowledged[name] + unanswered[name]
        world.close()


def test_an_orderly_stop_answers_and_keeps_everything(sandbox: Sandbox, sqlite_url: str) -> None:
    with process(sandbox, sqlite_url) as server:
        world = World(server.url, sandbox)
        for name in NAMES:
            world.new_flag(name)
        senders = Senders(server.url, sdk_key(world))
        threads = [threading.Thread(target=senders.go_on, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        until(lambda: senders.acknowledged.total() > 500, "some were acknowledged")
        assert server.stop() in (0, -signal.SIGTERM)
        for thread in threads:
            thread.join()
        server.start()
        for name in NAMES:
            assert senders.acknowledged[name] <= served(world, name)["on"]
        world.close()


def test_the_rest_api_says_what_was_served_and_refuses_what_makes_no_sense(world: World) -> None:
    world.new_flag("checkout")
    path = "/api/v1/projects/Default/flags/checkout/traffic"

    def asked(**more: Any) -> dict[str, Any]:
        return {"environment": "Production", **more}

    before = world.call("GET", path, params=asked())
    assert (before["served"], before["last_traffic"], before["end"] - before["start"]) == ([], None, 86_400_000)
    now = time.time_ns() // 1_000_000
    body = [{"f": "checkout", "i": [{"k": "ann", "t": "on", "m": now}]}]
    key = {"Authorization": f"Bearer {sdk_key(world)}"}
    assert httpx2.post(f"{world.url}/sdk/testImpressions/bulk", json=body, headers=key, trust_env=False).is_success
    after = world.call("GET", path, params=asked(by="day", start=now - 86_400_000, end=now))
    assert [(one["treatment"], one["count"]) for one in after["served"]] == [("on", 1)]
    assert after["last_traffic"] == now
    world.call("GET", path, params=asked(start=now, end=now - 1), expect=400)
    world.call("GET", path, params=asked(start=0), expect=400)
    world.call("GET", path, params=asked(by="week"), expect=400)
    world.call("GET", path, params={"environment": "Nowhere"}, expect=404)
    world.call("GET", path.replace("checkout", "none"), params=asked(), expect=404)
