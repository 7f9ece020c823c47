"""What was acknowledged arrives in Jira, whenever the process dies."""

import random
import signal
import threading
import time

import httpx2
import pytest

from jira_sandbox.embedded import Sandbox
from tests.end_to_end.world import FEATURE_FLAGS, Process, World, process, until


class Burst:
    """Somebody who creates, connects, kills, restores and disconnects flags, and notes what was acknowledged."""

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._random = random.Random(seed)
        self.acknowledged = 0
        self.connected: dict[str, bool] = {}
        self.killed: dict[str, bool] = {}

    def go_on(self, until: threading.Event) -> None:
        """Work until told to stop, or until nobody answers: what was under way then may have happened or not."""
        while not until.is_set():
            name = self._random.choice([*self.connected, f"flag{len(self.connected)}"])
            try:
                self._one_step(name)
            except httpx2.TransportError:
                self.connected.pop(name, None)
                return

    def _one_step(self, name: str) -> None:
        if name not in self.connected:
            self._world.new_flag(name, "PAY-1")
            self.connected[name], self.killed[name] = True, False
        elif self.connected[name] and self._random.random() < 0.2:
            self._world.disconnect(name, "PAY-1")
            self.connected[name] = False
        elif not self.connected[name]:
            self._world.connect(name, "PAY-1")
            self.connected[name] = True
        else:
            self._world.act("restore" if self.killed[name] else "kill", name)
            self.killed[name] = not self.killed[name]
        self.acknowledged += 1


def killed_in_the_middle(server: Process, world: World, seed: int, changes: int) -> Burst:
    """A burst of changes that ends with kill -9, somewhere after so many of them."""
    burst, end = Burst(world, seed), threading.Event()
    worker = threading.Thread(target=burst.go_on, args=(end,))
    worker.start()
    until(lambda: burst.acknowledged >= changes, f"{changes} changes were acknowledged")
    time.sleep(random.Random(seed).uniform(0, 0.02))
    server.kill()
    end.set()
    worker.join()
    return burst


def check_arrived(world: World, burst: Burst) -> None:
    """Jira equals Flagpost, and Flagpost has everything that it acknowledged."""
    world.expect_equal()
    held = {flag["key"]: flag for flag in world.sandbox.flags().values()}
    for name, connected in burst.connected.items():
        assert (name in held) == connected, name
        if connected:
            assert held[name]["summary"]["status"]["enabled"] is not burst.killed[name], name


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_kill_9_in_a_burst_loses_nothing(sandbox: Sandbox, database_url: str, seed: int) -> None:
    with process(sandbox, database_url) as server:
        world = World(server.url, sandbox)
        world.connect_jira()
        burst = killed_in_the_middle(server, world, seed, 30 + 40 * seed)
        server.start()
        check_arrived(world, burst)
        world.close()


@pytest.mark.slow
def test_kill_9_while_jira_is_away_loses_nothing(sandbox: Sandbox, sqlite_url: str) -> None:
    with process(sandbox, sqlite_url) as server:
        world = World(server.url, sandbox)
        world.connect_jira()
        sandbox.faults(drop_connections=3, prefix=FEATURE_FLAGS)
        burst = killed_in_the_middle(server, world, 7, 40)
        server.start()
        check_arrived(world, burst)
        world.close()


@pytest.mark.slow
def test_kill_9_between_the_work_in_jira_and_the_note_of_it(sandbox: Sandbox, sqlite_url: str) -> None:
    """The weakest point: Jira has stored a flag and Flagpost does not know. It must still be able to delete it."""
    with process(sandbox, sqlite_url) as server:
        world = World(server.url, sandbox)
        world.connect_jira()
        sandbox.faults(lose_answers=1, prefix=FEATURE_FLAGS)
        world.new_flag("pay", "PAY-1")
        deadline = time.monotonic() + 20
        while not sandbox.flags() and time.monotonic() < deadline:
            time.sleep(0.005)
        assert sandbox.flags()
        server.kill()
        server.start()
        world.disconnect("pay", "PAY-1")
        world.settled()
        assert sandbox.flags() == {}
        world.close()


@pytest.mark.slow
def test_a_stop_finishes_the_batch_in_hand(sandbox: Sandbox, sqlite_url: str) -> None:
    with process(sandbox, sqlite_url) as server:
        world = World(server.url, sandbox)
        world.connect_jira()
        sandbox.faults(latency_ms=700, prefix=FEATURE_FLAGS)
        world.new_flag("pay", "PAY-1")
        time.sleep(0.2)
        world.close()
        assert server.stop() in (0, -signal.SIGTERM)
        assert sandbox.flags()
