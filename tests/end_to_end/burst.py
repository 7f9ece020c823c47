"""Many hands that change flags all at once, and remember what was acknowledged, whatever fails meanwhile."""

import os
import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx2

from tests.end_to_end.world import World, until

FLAGS_EACH = 16
REGULAR_CHANGES = 160
_HANDS = 8
_REFUSED = (503, 507)  # what may be answered while something is broken; 507 promises that nothing was changed
_PATIENCE = 90.0
_ON_ITS_WAY_SECONDS = 0.5
_BODY = {"treatments": [{"name": "on"}, {"name": "off"}], "defaultTreatment": "off", "rules": []}


def changes_of_a_burst() -> int:
    """How many; `python -m benchmarks.faults` asks for more than the regular run."""
    return int(os.environ.get("FLAGPOST_FAULTS_CHANGES", REGULAR_CHANGES))


@dataclass(frozen=True)
class State:
    """What a flag is, as far as the burst changes it. `share`: the percentage of its default treatment."""

    exists: bool = False
    initiated: bool = False
    killed: bool = False
    share: int = 0
    connected: bool = False

    @property
    def shown(self) -> dict[str, Any] | None:
        """What Jira is to show; None: nothing."""
        if not (self.exists and self.connected):
            return None
        if not self.initiated:
            return {"enabled": False, "rollout": {"text": "Not initiated"}}
        rollout = {"text": "Killed"} if self.killed else {"percentage": self.share}
        return {"enabled": not self.killed, "defaultValue": "off", "rollout": rollout}


@dataclass(frozen=True)
class Change:
    """A request, and what it makes of a flag."""

    method: str
    path: str
    body: Any
    after: State


class Hand:
    """Changes flags of its own, one after the other, so that it knows what each of them must be."""

    def __init__(self, world: World, home: str, number: int, seed: int, changes: int, issues: Sequence[str]) -> None:
        self._random = random.Random(f"{seed}-{number}")
        self._http = httpx2.Client(base_url=world.url, headers=dict(world.http.headers), timeout=30, trust_env=False)
        self._home = home
        self._left = changes
        self._issues = {f"hand{number}-{one}": issues[one % len(issues)] for one in range(FLAGS_EACH)}
        self.flags = dict.fromkeys(self._issues, State())
        self.acknowledged = self.unanswered = 0

    def work(self) -> None:
        """Until it has made all its changes; one that was not acknowledged is looked at, and not counted."""
        while self._left > self.acknowledged:
            name = self._random.choice(list(self.flags))
            change = self._random.choice(self._possible(name, self.flags[name]))
            answer = self._try(change.method, change.path, change.body)
            if answer is not None and answer.is_success:
                self.acknowledged += 1
                self.flags[name] = change.after
            else:
                self.unanswered += 1
                self.flags[name] = self._look(name, change, answer)

    def close(self) -> None:
        self._http.close()

    def _look(self, name: str, change: Change, answer: httpx2.Response | None) -> State:
        """What became of a change that was not acknowledged: it was made, or it was not; nothing else may be there."""
        allowed = (
            {self.flags[name], change.after} if answer is None or answer.status_code == 503 else {self.flags[name]}
        )
        if len(allowed) > 1:
            time.sleep(_ON_ITS_WAY_SECONDS)  # a commit whose connection was cut may reach PostgreSQL all the same
        found = self.look_at(name)
        assert found in allowed, (name, found, allowed, change, answer)
        return found

    def look_at(self, name: str) -> State:
        """What Flagpost says of a flag, once it can be asked."""
        flag = self._read(f"/internal/api/v2/splits/ws/{self._home}/{name}")
        if flag is None:
            return State()
        there = self._read(f"/internal/api/v2/splits/ws/{self._home}/{name}/environments/Production")
        issues = self._read(f"/api/v1/projects/{self._home}/flags/{name}/issues")["issues"]
        if there is None:
            return State(exists=True, connected=bool(issues))
        share = sum(one["size"] for one in there["defaultRule"] if one["treatment"] == "off")
        return State(True, True, there["killed"], share, bool(issues))

    def _read(self, path: str) -> Any:
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            answer = self._try("GET", path, None)
            if answer is not None and answer.status_code in (200, 404):
                return answer.json() if answer.is_success else None
            time.sleep(0.05)
        raise AssertionError(f"{path} was not answered for {_PATIENCE} s")

    def _try(self, method: str, path: str, body: Any) -> httpx2.Response | None:
        """The answer; None where none came. A refusal must say in a sentence what is the matter."""
        try:
            answer = self._http.request(method, path, **({} if body is None else {"json": body}))
        except httpx2.TransportError:
            time.sleep(0.02)
            return None
        if answer.status_code in _REFUSED:
            assert "database" in answer.text, answer.text
            assert int(answer.headers["Retry-After"]) > 0
        elif not answer.is_success:
            assert (method, answer.status_code) == ("GET", 404), (method, path, answer.status_code, answer.text)
        return answer

    def _possible(self, name: str, state: State) -> list[Change]:
        """What can be done with a flag as it is; what is named twice is done more often."""
        flag = f"/internal/api/v2/splits/ws/{self._home}/{name}"
        place, links = f"{flag}/environments/Production", f"/api/v1/projects/{self._home}/flags/{name}/issues"
        if not state.exists:
            create = f"/internal/api/v2/splits/ws/{self._home}/trafficTypes/user"
            return [Change("POST", create, {"name": name}, State(exists=True))]
        issue, share = self._issues[name], self._random.randrange(101)
        rule = [{"treatment": "off", "size": share}, {"treatment": "on", "size": 100 - share}]
        body = {**_BODY, "defaultRule": rule}
        connect = Change("POST", links, {"issues": [issue]}, replace(state, connected=True))
        link = (
            Change("DELETE", f"{links}/{issue}", None, replace(state, connected=False)) if state.connected else connect
        )
        if not state.initiated:
            initiated = Change("POST", place, body, replace(state, initiated=True, killed=False, share=share))
            return [initiated, initiated, link, Change("DELETE", flag, None, State())]
        verb = "restore" if state.killed else "kill"
        switch = Change("PUT", f"{place}/{verb}", None, replace(state, killed=not state.killed))
        save = Change("PUT", place, body, replace(state, share=share))
        undo = Change("DELETE", place, None, replace(state, initiated=False, killed=False, share=0))
        return [switch, switch, switch, save, save, save, link, undo, *([] if state.connected else [connect] * 4)]


class Burst:
    """Hands at work. `seed` decides what they do; what they get in each other's way with is chance."""

    def __init__(self, world: World, seed: int, changes: int | None = None) -> None:
        self._world = world
        self.seed = seed
        self.changes = changes or changes_of_a_burst()
        home = world.workspace()
        issues = [world.sandbox.add_issue(f"BURST-{number + 1}")["key"] for number in range(_HANDS * FLAGS_EACH)]
        self.hands = [
            Hand(world, home, number, seed, self.changes // _HANDS, issues[number::_HANDS]) for number in range(_HANDS)
        ]
        self._failures: list[BaseException] = []

    @property
    def acknowledged(self) -> int:
        return sum(hand.acknowledged for hand in self.hands)

    @property
    def unanswered(self) -> int:
        return sum(hand.unanswered for hand in self.hands)

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """The hands work; the block does what goes wrong meanwhile. Ends once all have made their changes."""
        threads = [threading.Thread(target=self._work, args=(hand,)) for hand in self.hands]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            for thread in threads:
                thread.join()
        self._raise()

    def _work(self, hand: Hand) -> None:
        try:
            hand.work()
        except BaseException as error:
            self._failures.append(error)
        finally:
            hand.close()

    def _raise(self) -> None:
        if self._failures:
            raise self._failures[0]

    def moments(self, count: int) -> Iterator[int]:
        """Random moments of the burst, by how many of its changes were acknowledged, each when it has come."""
        chance = random.Random(f"{self.seed}-moments")
        for moment in sorted(chance.sample(range(self.changes // 20, self.changes * 9 // 10), count)):
            self._wait_for(moment)
            yield moment

    def _wait_for(self, moment: int) -> None:
        until(lambda: self.acknowledged >= moment or self._failures, f"{moment} changes are acknowledged", 180)
        self._raise()

    def _refused(self, count: int) -> bool:
        return self.unanswered >= count or self.acknowledged >= self.changes // _HANDS * _HANDS

    def wait_for_refusals(self, count: int) -> None:
        """Until so many changes of the burst were not acknowledged, or all were."""
        until(lambda: self._refused(count) or self._failures, f"{count} changes are refused", 120)
        self._raise()

    def expect_kept(self, patience: float = 400.0) -> None:
        """Everything that was acknowledged is there, in Flagpost and in Jira, and all else is equal too.

        After a storm delivery may rest for up to five minutes, and a third of that more, before it asks again.
        """
        self._world.expect_equal(patience)
        held = {flag["key"]: flag["summary"]["status"] for flag in self._world.sandbox.flags().values()}
        for hand in self.hands:
            for name, state in hand.flags.items():
                assert held.get(name) == state.shown, (name, state)
