"""The clock of Flagpost's host is set back by an hour: delivery goes on, in order, and waits for no hour to pass."""

import os
import signal
import sys

import pytest

from jira_sandbox.embedded import Sandbox
from tests.end_to_end.burst import Burst
from tests.end_to_end.fleet import Fleet, fleet
from tests.end_to_end.survived import Survived
from tests.end_to_end.world import FEATURE_FLAGS, until

pytestmark = [pytest.mark.slow, pytest.mark.faults]
PROGRAM = (sys.executable, "-m", "tests.end_to_end.clock_set_back")


def set_clocks_back(running: Fleet) -> None:
    for pid in running.pids:
        os.kill(pid, signal.SIGUSR1)


def test_the_clock_is_set_back_in_a_burst_of_changes(sandbox: Sandbox, database_url: str, survived: Survived) -> None:
    with fleet(sandbox, database_url, program=PROGRAM) as running:
        burst = Burst(running.world, survived.seed)
        with burst.under_way():
            for _ in burst.moments(1):
                set_clocks_back(running)
                survived.note("clock set back by an hour")
        burst.expect_kept()
        survived.done(burst)


def test_the_clock_is_set_back_while_jira_is_away(sandbox: Sandbox, database_url: str, survived: Survived) -> None:
    """No change comes that would wake anyone: what was left is found by the sweep, and the pause ends in time."""
    with fleet(sandbox, database_url, program=PROGRAM) as running:
        world = running.world
        world.new_flag("pay", "PAY-1")
        world.settled()
        sandbox.faults(unavailable={"count": 2, "retry_after": 2}, prefix=FEATURE_FLAGS)
        world.act("kill", "pay")
        until(lambda: world.integration()["paused_until"], "the pause is noted")
        set_clocks_back(running)
        world.expect_equal(40)
        assert world.known_in_jira("pay")["summary"]["status"]["rollout"] == {"text": "Killed"}
        survived.note("clock set back by an hour")
        survived.done(changes=1)
