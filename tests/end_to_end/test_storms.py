"""Jira breaks in a burst of changes, in every way it can: in the end it shows what Flagpost says.

As in `test_bursts`, which also says how to run these with more changes, and a failing one again.
"""

import itertools
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from jira_sandbox.embedded import Sandbox
from tests.end_to_end.burst import Burst
from tests.end_to_end.fleet import fleet
from tests.end_to_end.survived import Survived
from tests.end_to_end.wire import Wire, wire_to
from tests.end_to_end.world import FEATURE_FLAGS, until

pytestmark = [pytest.mark.slow, pytest.mark.faults]


@contextmanager
def wire_to_jira(sandbox: Sandbox) -> Iterator[tuple[Wire, dict[str, str]]]:
    """A wire to the sandbox, and the settings of a Flagpost that is at its end."""
    with wire_to("127.0.0.1", urlsplit(sandbox.url).port) as wire:
        yield wire, {"atlassian_api_url": f"http://127.0.0.1:{wire.port}"}


def test_jira_is_away(sandbox: Sandbox, database_url: str, survived: Survived) -> None:
    with wire_to_jira(sandbox) as (wire, settings), fleet(sandbox, database_url, 1, **settings) as running:
        burst = Burst(running.world, survived.seed)
        with burst.under_way():
            for _ in burst.moments(1):
                wire.cut()
                away_until = time.monotonic() + survived.seconds_away
        time.sleep(max(0.0, away_until - time.monotonic()))
        assert running.world.integration()["behind"] > 0
        wire.mend()
        survived.note(f"Jira away for {survived.seconds_away} s")
        burst.expect_kept(90 + 2 * survived.seconds_away)
        survived.done(burst)


STORMS: dict[str, dict[str, dict[str, object]]] = {
    "Jira asks to wait": {
        "429": {"rate_limited": {"count": 2, "retry_after": 1}},
        "503": {"unavailable": {"count": 2, "retry_after": 1}},
    },
    "answers never come": {
        "connection cut before the answer": {"drop_connections": 2},
        "answer lost after Jira did the work": {"lose_answers": 2},
    },
}


@pytest.mark.parametrize("storm", STORMS)
def test_storms_of_one_kind(sandbox: Sandbox, database_url: str, survived: Survived, storm: str) -> None:
    with fleet(sandbox, database_url) as running:
        burst = Burst(running.world, survived.seed)
        with burst.under_way():
            for _, kind in zip(burst.moments(survived.times(2)), itertools.cycle(STORMS[storm]), strict=False):
                sandbox.faults(**STORMS[storm][kind], prefix=FEATURE_FLAGS)
                survived.note(kind, 2)
        burst.expect_kept()
        survived.done(burst)


def test_answers_that_are_slow_and_some_that_come_too_late(
    sandbox: Sandbox, database_url: str, survived: Survived
) -> None:
    with fleet(sandbox, database_url, jira_timeout="1") as running:
        burst = Burst(running.world, survived.seed)
        with burst.under_way():
            for number, _ in enumerate(burst.moments(survived.times(2))):
                sandbox.faults(latency_ms=(400, 1300)[number % 2], prefix=FEATURE_FLAGS)
                time.sleep(1.5)
                sandbox.faults(latency_ms=0)
                survived.note("1.5 s of slow answers")
        burst.expect_kept()
        survived.done(burst)


def test_connections_to_jira_are_cut_in_the_middle_of_an_answer(
    sandbox: Sandbox, database_url: str, survived: Survived
) -> None:
    chance = random.Random(survived.seed)
    with wire_to_jira(sandbox) as (wire, settings), fleet(sandbox, database_url, 1, **settings) as running:
        burst = Burst(running.world, survived.seed)
        with burst.under_way():
            for moment in burst.moments(survived.times(4)):
                if moment % 2:
                    wire.snap()
                else:
                    wire.tear_answers(1, chance)
                survived.note("connection to Jira cut")
        burst.expect_kept()
        survived.done(burst)


def test_requests_that_jira_refuses_and_one_poison_flag(
    sandbox: Sandbox, database_url: str, survived: Survived
) -> None:
    """While the faults are on the others go through; afterwards everything is sent once more."""
    with fleet(sandbox, database_url) as running:
        world = running.world
        poison = world.new_flag("poison", "PAY-1")
        world.settled()
        burst = Burst(world, survived.seed)
        faults: list[dict[str, object]] = [
            {"reject_flags": [{"id": poison, "message": "Bad flag"}]},
            {"break_over": [poison]},
        ]
        with burst.under_way():
            for number, _ in enumerate(burst.moments(survived.times(2))):
                sandbox.no_faults()
                sandbox.faults(**faults[number % 2])
                sandbox.settings(max_body_bytes=4000)
                world.act("kill" if number % 2 else "restore", "poison")
                survived.note("poison flag, and bodies that are too large")
        until(lambda: len(world.sandbox.flags()) > 1, "the others go through")
        sandbox.no_faults()
        world.call("POST", "/api/v1/jira/integration/resend", expect=202)
        burst.expect_kept()
        survived.done(burst)
