"""Two processes on one PostgreSQL, and any two writes in the same moment: what was acknowledged is stored and served.

After each pair, the stored account is what the acknowledged ones of the two make of the account before, in one of
their two orders: nothing that was acknowledged is lost, and nothing else has changed. A failing run prints its seed;
with `FLAGPOST_FAULTS_SEED` chance draws the same pairs again.
"""

import itertools
import random
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest

from flagpost import app
from flagpost.store.db import Database
from flagpost.telemetry import tracing
from jira_sandbox.embedded import Sandbox
from tests.end_to_end import stored_account
from tests.end_to_end.applications import Application, sdk_key
from tests.end_to_end.stored_account import HOME, Impossible, State
from tests.end_to_end.survived import Survived, heavy
from tests.end_to_end.world import World, process, until
from tests.end_to_end.writes import BREAKING, LEFT_OUT, WRITES, Call, Memory, Scene, make
from tests.end_to_end.writes.call import API, FLAGS, PEOPLE, PLACES, SEGMENTS
from tests.web.test_guard import every_route

PAIRS, BREAKING_PAIRS, STOCKED_EVERY, SERVED_EVERY = 150, 30, 5, 50
_WRITING = {"POST", "PUT", "PATCH", "DELETE"}
_FINAL = ("PUBLISHED", "REJECTED", "WITHDRAWN")
_ON = {"treatments": [{"name": "on"}, {"name": "off"}], "defaultTreatment": "off", "rules": []}
_ON |= {"defaultRule": [{"treatment": "on", "size": 100}]}


def test_every_route_that_writes_is_in_the_catalogue_or_left_out_for_a_reason() -> None:
    routes = every_route(app._routes(tracing.provider()))
    writing = [
        f"{method} {one.path}"
        for one in routes
        for method in sorted(_WRITING & set(getattr(one, "methods", None) or ()))
    ]
    left_out = [route for several in LEFT_OUT.values() for route in several]
    assert sorted(writing) == sorted([*WRITES, *left_out])


class Pairs:
    """Two processes that serve, the first of which delivers, and the account that both write."""

    def __init__(self, worlds: tuple[World, World], database: Database, survived: Survived) -> None:
        self.worlds, self.database, self.survived = worlds, database, survived
        self.chance = random.Random(survived.seed)
        self.memory = Memory(worlds[0].sandbox.url)
        self.numbers = itertools.count(1)
        self.answers: Counter[str] = Counter()
        self.pool = ThreadPoolExecutor(2)
        self.headers = [dict(one.http.headers) for one in worlds]

    def run(self, pairs: list[tuple[str, str]]) -> None:
        """Run these, and compare the account after each; what is served, now and then."""
        for number, routes in enumerate(pairs):
            if number % STOCKED_EVERY == 0:
                self.stock()
            self.one(routes)
            if number % SERVED_EVERY == SERVED_EVERY - 1:
                self.expect_served()

    def one(self, routes: tuple[str, str]) -> None:
        before = self.read()
        first = self.scene(before)
        calls = [make(routes[0], first), make(routes[1], self.scene(before, first.names))]
        answers = self.at_once(calls)
        shown = [
            (one.method, one.path, one.made.sent, it.status_code, it.text)
            for one, it in zip(calls, answers, strict=True)
        ]
        assert all(one.status_code < 500 for one in answers), shown
        done = []
        for call, answer in zip(calls, answers, strict=True):
            self.answers["acknowledged" if answer.is_success else str(answer.status_code)] += 1
            if answer.is_success:
                said = answer.json() if answer.content else None
                self.memory.note(call.route, said)
                done.append((call, said))
        self.answers["both acknowledged"] += len(done) == 2
        expect_one_order(before, done, self.read(), shown)

    def scene(self, state: State, near: Mapping[str, str] | None = None) -> Scene:
        return Scene(state, self.chance, next(self.numbers), self.memory, near or {})

    def read(self) -> State:
        """The stored account, whose invariants hold."""
        with self.database.read() as tx:
            assert stored_account.broken(tx) == []
            return stored_account.read(tx)

    def at_once(self, calls: list[Call]) -> list[httpx2.Response]:
        """The answers; both requests begin in the same moment, each at a process and with a key of its own."""
        ready, turn = threading.Barrier(2), self.chance.randrange(2)

        def act(number: int) -> httpx2.Response:
            call, sent = calls[number], dict(calls[number].made.sent)
            sent["headers"] = {**sent.get("headers", {}), "Authorization": self.headers[number ^ turn]["authorization"]}
            ready.wait()
            return self.worlds[number].http.request(call.method, call.path, **sent)

        return list(self.pool.map(act, range(2)))

    def stock(self) -> None:
        """Bring back what earlier pairs took away; most of it is there, and refused."""
        one = self.worlds[0].http
        for id in [key[1] for key, value in self.read().items() if key[0] == "request" and value not in _FINAL]:
            one.put(f"{API}/changeRequests/{id}", json={"status": "WITHDRAWN"})
        one.post(f"{API}/environments/ws/{HOME}", json={"name": "QA"})
        ids = {key[1]: value for key, value in self.read().items() if key[0] == "environment" and len(key) == 2}
        for place in PLACES:
            step = {"op": "replace", "path": "/changePermissions", "value": {"areApprovalsRequired": False}}
            one.patch(f"{API}/environments/ws/{HOME}/{place}", json=[step])
        for base, names in SEGMENTS.items():
            for name in names:
                one.post(f"{API}/{base}/ws/{HOME}/trafficTypes/user", json={"name": name})
                one.post(f"{API}/{base}/{self.chance.choice(sorted(ids.values()))}/{name}")
        one.post("/api/v3/flag-sets", json={"name": "web", "workspace": {"id": HOME}})
        for flag in FLAGS:
            one.post(f"{API}/splits/ws/{HOME}/trafficTypes/user", json={"name": flag})
            one.post(f"{API}/splits/ws/{HOME}/{flag}/unarchive")
            one.post(f"{API}/splits/ws/{HOME}/{flag}/environments/{self.chance.choice(PLACES)}", json=_ON)
        for person in PEOPLE:
            one.put(f"{API}/users/{person}", json={"role": "admin", "status": "ACTIVE"})

    def expect_served(self) -> None:
        """What each process serves is what is stored, once it has caught up."""
        for place in [key[1] for key in self.read() if key[0] == "environment" and len(key) == 2]:
            stored = self.stored(place)
            secret = sdk_key(self.worlds[0], place=place)
            for world in self.worlds:
                with closing(Application(world, secret).http) as http:
                    until(partial(serves, http, stored), f"{world.url} serves {place} as {stored}")

    def stored(self, place: str) -> dict[str, Any]:
        """By the Admin API: the share, killed and archived of each flag, and the keys of each standard segment."""
        found: dict[str, Any] = {}
        state = self.read()
        for key in [one for one in state if one[0] == "definition" and one[2:] == (place,)]:
            if not state["flag", key[1], "archived"]:
                one = self.worlds[0].call("GET", f"{API}/splits/ws/{HOME}/{key[1]}/environments/{place}")
                share = sum(it["size"] for it in one["defaultRule"] if it["treatment"] == "off")
                found[key[1]] = (one["killed"], share, len(one["flagSets"]))
        return found


def serves(http: httpx2.Client, stored: dict[str, Any]) -> bool:
    """Whether an application is served this."""
    found: dict[str, Any] = {}
    for one in http.get("/sdk/splitChanges", params={"s": "1.3", "since": -1}).json()["ff"]["d"]:
        if one["status"] == "ACTIVE":
            partitions = one["conditions"][-1]["partitions"]
            share = sum(it["size"] for it in partitions if it["treatment"] == "off")
            found[one["name"]] = (one["killed"], share, len(one["sets"]))
    return found == stored


def expect_one_order(before: State, done: list[tuple[Call, Any]], after: State, shown: Any) -> None:
    """What is stored is what these make of what was stored, in one order or the other."""
    said = []
    for order in itertools.permutations(done):
        expected = dict(before)
        try:
            for call, answer in order:
                call.made.effect(expected, answer)
        except Impossible as error:
            said.append(str(error))
            continue
        if not (wrong := differences(expected, after)):
            return
        said.append(", ".join(wrong))
    raise AssertionError("\n".join(["In no order do these lead to what is stored:", *map(str, shown), *said]))


def differences(expected: State, after: State) -> list[str]:
    """Where two states differ. Other writes withdraw an open change request, and take it along with its environment."""
    found = []
    for key in expected.keys() | after.keys():
        one, other = expected.get(key), after.get(key)
        if key[0] == "request" and (key not in after or expected.get((*key[:2], "status")) not in _FINAL):
            continue
        if one != other:
            found.append(f"{key} is {other!r}, not {one!r}")
    return found


@contextmanager
def two_processes(sandbox: Sandbox, database_url: str, survived: Survived, folder: Path) -> Iterator[Pairs]:
    database = Database(database_url)
    logs = [folder / f"process{number}.log" for number in range(2)]
    with (
        process(sandbox, database_url, log=logs[0]) as first,
        process(sandbox, database_url, "--no-worker", log=logs[1]) as second,
        closing(World(first.url, sandbox)) as one,
        closing(World(second.url, sandbox)) as other,
        closing(database),
    ):
        try:
            one.connect_jira()
            prepare(one, other)
            yield Pairs((one, other), database, survived)
        finally:
            for log in logs:
                print(log.read_text()[-20_000:])


def prepare(one: World, other: World) -> None:
    """Two admins who have signed in, and for the second process a key of its own, so that it can approve."""
    for person in PEOPLE[:2]:
        body = {"email": person, "name": person.partition("@")[0], "role": "admin"}
        url = one.call("POST", f"{API}/users", json=body)["invitationUrl"]
        form, headers = {"name": body["name"], "password": "a long password"}, {"sec-fetch-site": "same-origin"}
        answer = one.http.post(f"/invite/{url.rpartition('/')[2]}", data=form, headers=headers)
        assert answer.status_code == 303, answer.text
    key = {"name": "second admin", "apiKeyType": "admin", "roles": ["API_ADMIN"]}
    secret = one.call("POST", f"{API}/apiKeys", json=key)["key"]
    other.http.headers["Authorization"] = f"Bearer {secret}"
    for name in ("plan", "tier"):
        one.call("POST", f"{API}/schema/ws/{HOME}/trafficTypes/user", json={"id": name})


def pairs_of(chance: random.Random, first: list[str], second: list[str], count: int) -> list[tuple[str, str]]:
    """So many pairs, drawn at random, more of them among writes of one kind of thing; in the long run, every pair."""
    every = [(one, other) for one in first for other in second]
    chance.shuffle(every)
    if heavy():
        return every
    near = [one for one in every if len({WRITES[route].__module__ for route in one}) == 1]
    return [one for two in zip(near, every, strict=False) for one in two][:count]


@pytest.mark.slow
@pytest.mark.faults
def test_any_two_writes_at_once(sandbox: Sandbox, postgres_url: str, survived: Survived, tmp_path: Path) -> None:
    with two_processes(sandbox, postgres_url, survived, tmp_path) as pairs:
        routes = sorted(WRITES.keys() - BREAKING)
        chosen = pairs_of(pairs.chance, routes, routes, PAIRS)
        pairs.run(chosen)
        pairs.expect_served()
        pairs.worlds[0].expect_equal()
        finish(pairs, chosen)


@pytest.mark.slow
@pytest.mark.faults
def test_any_write_beside_one_of_the_connection(
    sandbox: Sandbox, postgres_url: str, survived: Survived, tmp_path: Path
) -> None:
    sandbox.settings(api_tokens={"ada@example.com": "api-token"})
    with two_processes(sandbox, postgres_url, survived, tmp_path) as pairs:
        chosen = pairs_of(pairs.chance, sorted(BREAKING), sorted(WRITES), BREAKING_PAIRS)
        pairs.run(chosen)
        pairs.expect_served()
        finish(pairs, chosen)


def finish(pairs: Pairs, chosen: list[tuple[str, str]]) -> None:
    with pairs.database.read() as tx:
        deadlocks = tx.exec_driver_sql("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        print(f"{len(chosen)} pairs: {dict(pairs.answers)}; {deadlocks.scalar()} deadlocks that nobody saw")
    pairs.survived.note("two writes in the same moment", len(chosen))
    pairs.survived.done(changes=pairs.answers["acknowledged"])
