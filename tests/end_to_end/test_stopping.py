"""Processes that are told to stop: they finish what is in hand within the bound that was set, and lose nothing."""

import signal
import threading
import time
from typing import Any

import httpx2
import pytest

from jira_sandbox.embedded import Sandbox
from tests.end_to_end.workers import Workers, in_the_middle
from tests.end_to_end.world import FEATURE_FLAGS, World, process, until

pytestmark = pytest.mark.slow
BOUND = 3.0
STARTING_AND_ENDING = 10.0  # of a process on a machine that has more to do; far less than what Jira keeps it waiting


def test_what_is_in_hand_is_finished_when_a_serving_process_stops(sandbox: Sandbox, database_url: str) -> None:
    with process(sandbox, database_url) as running:
        world = World(running.url, sandbox)
        world.connect_jira()
        world.new_flag("pay", "PAY-1")
        world.settled()
        sandbox.faults(latency_ms=1500, prefix=FEATURE_FLAGS)
        world.act("kill", "pay")
        in_the_middle(world)
        running.stop()
        assert sandbox.requests(FEATURE_FLAGS)[-1]["status"] == 202
        sandbox.no_faults()
        told = len(sandbox.requests(FEATURE_FLAGS))
        running.start()
        world.expect_equal()
        assert len(sandbox.requests(FEATURE_FLAGS)) == told, "its answer was noted, so that nothing is sent again"
        world.close()


def test_a_request_in_hand_is_answered_when_a_serving_process_stops(sandbox: Sandbox, sqlite_url: str) -> None:
    with process(sandbox, sqlite_url) as running:
        world = World(running.url, sandbox)
        world.connect_jira()
        world.new_flag("pay")
        sandbox.faults(latency_ms=1000)
        answers: list[Any] = []
        connecting = threading.Thread(target=lambda: answers.append(world.connect("pay", "PAY-1")))
        seen = len(sandbox.requests("/ex/"))
        connecting.start()
        until(lambda: len(sandbox.requests("/ex/")) > seen, "Jira is asked for the issue")
        running.terminate()
        connecting.join(20)
        until(running.ended, "it has ended")
        assert len(answers) == 1
        with pytest.raises(httpx2.TransportError):
            world.integration()
        sandbox.no_faults()
        running.start()
        world.expect_equal()
        assert world.on_issue("pay")["issues"] == ["PAY-1"]
        world.close()


def test_a_jira_that_does_not_answer_holds_no_process_beyond_the_bound(sandbox: Sandbox, database_url: str) -> None:
    with process(sandbox, database_url, stop_seconds="3", jira_timeout="60") as running:
        world = World(running.url, sandbox)
        world.connect_jira()
        world.new_flag("pay", "PAY-1")
        world.settled()
        sandbox.faults(latency_ms=40_000, prefix=FEATURE_FLAGS)
        world.act("kill", "pay")
        in_the_middle(world)
        begun = time.monotonic()
        running.stop()
        assert time.monotonic() - begun < BOUND + STARTING_AND_ENDING  # the promise, not a measurement of speed
        sandbox.no_faults()
        running.start()
        world.expect_equal()
        world.close()


def test_a_jira_that_does_not_answer_holds_no_worker_beyond_the_bound(served: World, workers: Workers) -> None:
    workers.start(1, stop_seconds="3", jira_timeout="60")
    served.new_flag("pay", "PAY-1")
    served.settled()
    served.sandbox.faults(latency_ms=40_000, prefix=FEATURE_FLAGS)
    served.act("kill", "pay")
    in_the_middle(served)
    begun = time.monotonic()
    workers[0].send(signal.SIGTERM)
    assert workers[0].process.wait(BOUND + STARTING_AND_ENDING) == 0
    assert time.monotonic() - begun >= BOUND - 1, "it gave the batch its time"
    served.sandbox.no_faults()
    workers.start(1)
    served.expect_equal()
