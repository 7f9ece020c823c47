"""A process that dies, or is stopped, at a chosen moment; at random ones: `test_bursts`."""

import signal
import time

import pytest

from jira_sandbox.embedded import Sandbox
from tests.end_to_end.world import FEATURE_FLAGS, World, process


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
