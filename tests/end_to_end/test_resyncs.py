"""Sending again and reading back, through the API and the command line: with kills, cancelled, and on both stores."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from jira_sandbox.embedded import Sandbox
from tests.end_to_end.world import FEATURE_FLAGS, World, environment, process, until

pytestmark = pytest.mark.slow

BACKFILLS, CHECKS = "/api/v1/jira/backfills", "/api/v1/jira/drift-checks"


def with_flags(world: World, count: int) -> list[str]:
    world.connect_jira()
    ids = [world.new_flag(f"flag{number}", f"PAY-{number % 4 + 1}") for number in range(count)]
    world.settled()
    return ids


def again(world: World, **what: str) -> Any:
    return world.call("POST", BACKFILLS, json=what, expect=202)


def ended(world: World, backfill: Any) -> Any:
    def over() -> Any:
        found = world.call("GET", f"{BACKFILLS}/{backfill['id']}")
        return found if found["outcome"] else None

    return until(over, "the back-fill is over")


def checked(world: World, **what: str) -> Any:
    asked = world.call("POST", CHECKS, json=what, expect=202)

    def over() -> Any:
        found = world.call("GET", f"{CHECKS}/{asked['id']}")
        return found if found["outcome"] else None

    return until(over, "the check is over")


def sent(world: World, flag: str) -> int:
    return len(world.sandbox.history(flag))


def test_everything_a_project_and_a_flag_are_sent_again(world_on_both: World) -> None:
    world = world_on_both
    ids = with_flags(world, 3)
    before = [sent(world, flag) for flag in ids]
    done = ended(world, again(world))
    assert (done["scope"], done["outcome"], done["total"], done["done"], done["left"]) == ("site", "finished", 3, 3, 0)
    assert ended(world, again(world, project="Default"))["total"] == 3
    assert ended(world, again(world, project="Default", flag="flag0"))["total"] == 1
    assert [sent(world, flag) - b for flag, b in zip(ids, before, strict=True)] == [3, 2, 2]
    world.expect_equal()
    shown = world.call("GET", BACKFILLS)["backfills"]
    assert [one["scope"] for one in shown[:3]] == ["flag", "project", "site"]


def test_what_cannot_be_sent_again_is_refused_and_says_why(connected: World) -> None:
    connected.new_flag("alone")
    assert "never connected" in connected.http.post(BACKFILLS, json={"project": "Default", "flag": "alone"}).text
    assert connected.http.post(BACKFILLS, json={"flag": "alone"}).status_code == 400
    assert connected.http.post(BACKFILLS, json={"project": "Nowhere"}).status_code == 404
    assert connected.http.post(f"{BACKFILLS}/nothing/cancel").status_code == 404
    assert connected.http.post(CHECKS, json={"project": "Default"}).status_code == 400


def test_cancelling_while_jira_is_away_loses_no_change(world_on_both: World) -> None:
    world = world_on_both
    ids = with_flags(world, 4)
    world.sandbox.faults(unavailable={"count": 1, "retry_after": 2}, prefix=FEATURE_FLAGS)
    one = again(world)
    until(lambda: world.integration()["paused_until"], "Jira is away")
    world.act("kill", "flag1")
    before = {flag: sent(world, flag) for flag in ids}
    gone = world.call("POST", f"{BACKFILLS}/{one['id']}/cancel")
    assert gone["outcome"] == "cancelled"
    world.expect_equal()
    assert [sent(world, flag) - before[flag] for flag in ids] == [0, 1, 0, 0]
    world.call("POST", f"{BACKFILLS}/{one['id']}/cancel", expect=409)


def test_the_first_sending_after_connecting_cannot_be_cancelled(world: World) -> None:
    world.sandbox.faults(unavailable={"count": 2, "retry_after": 1}, prefix=FEATURE_FLAGS)
    world.new_flag("pay", "PAY-1")
    world.connect_jira()
    (first,) = until(lambda: world.call("GET", BACKFILLS)["backfills"], "it has begun")
    world.call("POST", f"{BACKFILLS}/{first['id']}/cancel", expect=409)
    world.expect_equal()
    assert world.in_jira("pay")


def test_a_kill_in_the_middle_delays_a_back_fill_and_it_goes_on(sandbox: Sandbox, database_url: str) -> None:
    with process(sandbox, database_url) as server:
        world = World(server.url, sandbox)
        ids = with_flags(world, 12)
        sandbox.settings(max_body_bytes=2500)
        before = {flag: sent(world, flag) for flag in ids}
        sandbox.faults(latency_ms=150, prefix=FEATURE_FLAGS)
        one = again(world)
        until(lambda: 0 < world.call("GET", f"{BACKFILLS}/{one['id']}")["done"] < 12, "some of it was sent")
        server.kill()
        sandbox.no_faults()
        server.start()
        assert ended(world, one)["outcome"] == "finished"
        assert all(sent(world, flag) > before[flag] for flag in ids)
        world.expect_equal()
        world.close()


def test_a_flag_that_jira_lost_moments_after_it_was_told_is_not_judged_yet(world_on_both: World) -> None:
    world = world_on_both
    lost, kept = with_flags(world, 2)
    world.sandbox.lose_flag(lost)
    found = checked(world)
    assert (found["outcome"], found["read"], found["later"]) == ("done", 2, 1)  # it was told only seconds ago
    assert found["findings"] == []
    assert kept in world.sandbox.flags()


def test_a_check_that_was_killed_is_taken_over(sandbox: Sandbox, database_url: str) -> None:
    with process(sandbox, database_url) as server:
        world = World(server.url, sandbox)
        with_flags(world, 30)
        sandbox.faults(latency_ms=100, prefix=FEATURE_FLAGS)
        asked = world.call("POST", CHECKS, json={}, expect=202)
        until(lambda: world.call("GET", f"{CHECKS}/{asked['id']}")["read"], "some were read")
        server.kill()
        sandbox.no_faults()
        server.start()
        found = until(
            lambda: (one := world.call("GET", f"{CHECKS}/{asked['id']}"))["outcome"] and one, "the check is over"
        )
        assert (found["outcome"], found["read"] + found["waiting"], found["differed"]) == ("done", 30, 0)
        world.close()


def test_the_log_says_what_jira_was_told_and_when(world_on_both: World) -> None:
    world = world_on_both
    (flag,) = with_flags(world, 1)
    world.act("kill", "flag0")
    world.settled()
    world.disconnect("flag0", "PAY-1")
    world.settled()
    path = "/api/v1/projects/Default/flags/flag0/pushes"
    shown = world.call("GET", path)["pushes"]
    assert [(one["what"], one["outcome"], one["rollout"], one["issues"]) for one in shown[:2]] == [
        ("deleted", "accepted", None, 0),
        ("sent", "accepted", "Killed", 1),
    ]
    first = world.call("GET", path, params={"limit": 1})
    second = world.call("GET", path, params={"limit": 1, "after": first["next"]})
    assert [first["pushes"][0], second["pushes"][0]] == shown[:2]
    every = world.call("GET", "/api/v1/jira/pushes", params={"flag": "flag0"})["pushes"]
    assert [one["sequence"] for one in every] == [one["sequence"] for one in shown]
    assert world.call("GET", "/api/v1/jira/pushes", params={"outcome": "refused"})["pushes"] == []
    assert {one["flag"] for one in shown} == {flag}
    world.call("GET", path, params={"after": "nonsense"}, expect=400)
    world.call("GET", path, params={"outcome": "odd"}, expect=400)


def test_health_names_what_was_refused_and_what_to_do(connected: World) -> None:
    connected.sandbox.faults(reject_flags=[{"key": "poison", "message": "Bad flag"}])
    connected.new_flag("poison", "PAY-1")
    connected.new_flag("good", "PAY-1")
    connected.settled()
    health = connected.call("GET", "/api/v1/jira/health", params={"period": "week"})
    (refused,) = health["refused_flags"]
    assert (refused["name"], refused["words"], "Change what Jira names" in refused["to_do"]) == (
        "poison",
        "Bad flag",
        True,
    )
    told = [(one["accepted"], one["refused"]) for one in health["hours"]]
    assert (sum(good for good, _ in told) >= 1, sum(bad for _, bad in told) >= 1) == (True, True)
    connected.call("GET", "/api/v1/jira/health", params={"period": "century"}, expect=400)


# The command line -------------------------------------------------------------------------------------------------


class Commands:
    """`flagpost …` on the database of a serving process."""

    def __init__(self, sandbox: Sandbox, database_url: str) -> None:
        self._values = {**os.environ, **environment(sandbox, database_url), "FLAGPOST_LOG_LEVEL": "error"}

    def start(self, *words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "flagpost", *words]
        return subprocess.Popen(command, env=self._values, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def __call__(self, *words: str) -> tuple[int, str]:
        running = self.start(*words)
        out, problem = running.communicate(timeout=60)
        return running.returncode, out + problem


@pytest.fixture
def served(sandbox: Sandbox, sqlite_url: str) -> Iterator[tuple[World, Commands]]:
    with process(sandbox, sqlite_url) as server:
        world = World(server.url, sandbox)
        yield world, Commands(sandbox, sqlite_url)
        world.close()


def test_the_commands_show_the_progress_of_the_serving_process(served: tuple[World, Commands]) -> None:
    world, flagpost = served
    with_flags(world, 3)
    code, said = flagpost("resync")
    assert (code, "Jira has received 3 flags again." in said) == (0, True)
    code, said = flagpost("resync", "--flag", "flag1")
    assert (code, "1 flag again." in said) == (0, True)
    code, said = flagpost("compare")
    assert (code, "3 flags compared, 0 differed" in said) == (0, True)
    code, said = flagpost("resync", "--cancel")
    assert (code, "No resync is in progress." in said) == (1, True)
    code, said = flagpost("resync", "--project", "Nowhere")
    assert (code, "Could not find the project" in said) == (1, True)


def test_waiting_can_be_stopped_and_the_resync_be_cancelled(served: tuple[World, Commands]) -> None:
    world, flagpost = served
    with_flags(world, 2)
    world.sandbox.faults(unavailable={"count": 50, "retry_after": 30}, prefix=FEATURE_FLAGS)
    command = flagpost.start("resync")
    until(lambda: world.integration()["paused_until"], "Jira is away")
    command.send_signal(signal.SIGINT)
    out, _ = command.communicate(timeout=30)
    assert (command.returncode, "The work continues without this command." in out) == (0, True)
    assert world.integration()["behind"] == 2
    code, said = flagpost("resync", "--cancel")
    assert (code, "Cancelled" in said) == (0, True)
    assert world.integration()["behind"] == 0
