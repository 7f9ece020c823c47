"""What goes wrong on the way to Jira ends with Jira showing what is true, and nothing sent out of order."""

import pytest

from tests.end_to_end.world import FEATURE_FLAGS, World, until

pytestmark = pytest.mark.slow

FAULTS = {
    "asked to wait": {"rate_limited": {"count": 3, "retry_after": 1}},
    "unavailable": {"unavailable": {"count": 2, "retry_after": 1}},
    "connections cut": {"drop_connections": 2},
    "answers lost after the work was done": {"lose_answers": 2},
    "slow": {"latency_ms": 300},
}

KILLED = {"enabled": False, "rollout": {"text": "Killed"}}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_delays_and_loses_nothing(connected_on_both: World, fault: dict[str, object]) -> None:
    connected_on_both.new_flag("before", "PAY-1")
    connected_on_both.settled()
    connected_on_both.sandbox.faults(**fault, prefix=FEATURE_FLAGS)
    connected_on_both.new_flag("during", "PAY-2")
    connected_on_both.act("kill", "before")
    connected_on_both.define("during", share=44)
    connected_on_both.expect_equal()
    connected_on_both.disconnect("before", "PAY-1")
    connected_on_both.expect_equal()


@pytest.mark.slow
def test_the_wait_jira_asks_for_is_kept(connected: World) -> None:
    connected.sandbox.faults(rate_limited={"count": 1, "retry_after": 3}, prefix=FEATURE_FLAGS)
    connected.new_flag("pay", "PAY-1")
    until(lambda: connected.integration()["paused_until"], "the pause is noted")
    connected.settled()
    first, second = [one["at"] for one in connected.sandbox.requests(FEATURE_FLAGS) if one["method"] == "POST"][:2]
    assert second - first >= 3


def test_a_poison_flag_does_not_hold_up_the_others(connected_on_both: World) -> None:
    connected_on_both.sandbox.faults(reject_flags=[{"key": "poison", "message": "Bad flag"}])
    for number in range(5):
        connected_on_both.new_flag(f"good{number}", "PAY-1")
    connected_on_both.new_flag("poison", "PAY-1")
    connected_on_both.settled()
    assert sorted(flag["key"] for flag in connected_on_both.sandbox.flags().values()) == [f"good{n}" for n in range(5)]
    assert [one["words"] for one in connected_on_both.integration()["refused_flags"]] == ["Bad flag"]


@pytest.mark.parametrize("what", ["a flag", "a delete"])
def test_one_flag_that_jira_breaks_down_over_does_not_hold_up_the_others(connected_on_both: World, what: str) -> None:
    ids = {name: connected_on_both.new_flag(name, "PAY-1") for name in ("a", "b", "c")}
    connected_on_both.settled()
    connected_on_both.sandbox.faults(break_over=[ids["a"]])
    if what == "a flag":
        connected_on_both.act("kill", "a")
    else:
        connected_on_both.disconnect("a", "PAY-1")
    connected_on_both.act("kill", "b")
    connected_on_both.disconnect("c", "PAY-1")
    until(lambda: connected_on_both.in_jira("c") is None, "c is gone from Jira", 60)
    assert connected_on_both.known_in_jira("b")["summary"]["status"]["enabled"] is False
    refused = until(lambda: connected_on_both.integration()["refused_flags"], "it is said which flag Jira fails at", 60)
    assert "fails at it again and again (500)" in refused[0]["words"]
    connected_on_both.sandbox.no_faults()
    connected_on_both.call("POST", "/api/v1/jira/integration/resend")
    connected_on_both.expect_equal()


def test_a_kill_made_while_jira_fails_at_the_flag_is_not_deferred_with_the_version_that_failed(
    connected_on_both: World,
) -> None:
    """The deferral covers the version that failed. The kill is a newer one, and Jira was never asked about it."""
    world = connected_on_both
    pay = world.new_flag("pay", "PAY-1")
    world.settled()
    world.sandbox.faults(break_over=[pay], latency_ms=1500, prefix=FEATURE_FLAGS)
    asked = len(world.sandbox.requests("/bulk"))
    world.define("pay", share=40)
    until(lambda: len(world.sandbox.requests("/bulk")) == asked + 3, "the attempt that ends in a deferral is under way")
    world.act("kill", "pay")
    until(lambda: world.sandbox.requests("/bulk")[asked + 2]["status"] == 500, "Jira fails at it once more")
    world.sandbox.no_faults()
    assert world.on_issue("pay")["summary"]["status"] == {**KILLED, "defaultValue": "off"}
    world.expect_equal()


def test_a_kill_that_jira_failed_at_reaches_jira_soon_after_it_is_well_again(connected_on_both: World) -> None:
    """The kill is all that is pending, so it is what Jira seems to fail at. Its first deferral takes seconds."""
    world = connected_on_both
    pay = world.new_flag("pay", "PAY-1")
    world.settled()
    world.sandbox.faults(break_over=[pay])
    world.act("kill", "pay")
    until(lambda: world.integration()["refused_flags"], "the kill is deferred")
    world.sandbox.no_faults()
    assert world.on_issue("pay")["summary"]["status"] == {**KILLED, "defaultValue": "off"}
    world.expect_equal()


def test_a_body_that_is_too_large_goes_in_parts(connected_on_both: World) -> None:
    for number in range(9):
        connected_on_both.new_flag(f"flag{number}", "PAY-1")
    connected_on_both.settled()
    connected_on_both.sandbox.settings(max_body_bytes=3000)
    connected_on_both.call("POST", "/api/v1/jira/integration/resend", expect=202)
    connected_on_both.expect_equal()
    assert 413 in [one["status"] for one in connected_on_both.sandbox.requests(FEATURE_FLAGS)]


def test_a_refused_token_stops_delivery_and_says_what_to_do(connected_on_both: World) -> None:
    connected_on_both.new_flag("pay", "PAY-1")
    connected_on_both.settled()
    connected_on_both.sandbox.faults(forbidden=True)
    connected_on_both.act("kill", "pay")
    until(lambda: connected_on_both.integration()["last_error"], "the refusal is noted")
    assert connected_on_both.integration()["behind"] == 1
    connected_on_both.sandbox.no_faults()
    connected_on_both.sandbox.tick(connected_on_both.installation)
    connected_on_both.call("POST", "/api/v1/jira/integration/resend", expect=202)
    connected_on_both.expect_equal()


def test_a_token_that_runs_out_waits_for_the_next_one(connected: World) -> None:
    connected.new_flag("pay", "PAY-1")
    connected.settled()
    connected.sandbox.settings(system_token_seconds=4)
    connected.sandbox.call(connected.installation, endpoint="token", body={})
    connected.sandbox.settings(system_token_seconds=4 * 3600)
    connected.act("kill", "pay")
    connected.expect_equal()


def test_a_burst_of_changes_ends_with_the_last_state(connected: World) -> None:
    connected.new_flag("pay", "PAY-1")
    for _ in range(25):
        connected.act("kill", "pay")
        connected.act("restore", "pay")
    connected.expect_equal()
    history = connected.sandbox.history(next(iter(connected.sandbox.flags())))
    assert history == sorted(history)
    assert len(history) <= 52
