"""Jira's limits are kept, however much there is to send; the sandbox enforces the same ones and counts every breach."""

import csv
from pathlib import Path

import pytest

from tests.end_to_end.test_import import run_import
from tests.end_to_end.world import FEATURE_FLAGS, World, until

pytestmark = pytest.mark.slow

FLAGS, ISSUES, ROUNDS = 1000, 250, 100


def import_flags(world: World, sqlite_url: str, folder: Path) -> None:
    """A thousand flags, four to an issue and two issues to a flag."""
    for number in range(ISSUES):
        world.sandbox.add_issue(f"BIG-{number + 1}")
    file = folder / "flags.csv"
    with file.open("w", newline="") as text:
        lines = csv.writer(text)
        lines.writerow(["name", "issues", "default"])
        for number in range(FLAGS):
            one, other = number % ISSUES, number * 7 % ISSUES
            lines.writerow([f"flag{number}", f"BIG-{one + 1};BIG-{other + 1}", "true"])
    done = run_import(world, sqlite_url, file)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_hundred_thousand_changes_reach_jira_without_one_breach(
    connected: World, sqlite_url: str, tmp_path: Path
) -> None:
    import_flags(connected, sqlite_url, tmp_path)
    connected.settled(180)
    environment = f"/internal/api/v2/environments/ws/{connected.workspace()}/"
    for number in range(ROUNDS):
        name = "Production" if number == 0 else f"Live {number}"
        patch = [{"op": "replace", "path": "/name", "value": f"Live {number + 1}"}]
        connected.call("PATCH", environment + name, json=patch)
    connected.settled(180)
    connected.expect_equal()
    sent = [one for one in connected.sandbox.requests(f"{FEATURE_FLAGS}0.1/bulk") if one["status"] == 202]
    assert len(sent) > 2 * FLAGS / 100
    assert {flag["details"][0]["environment"]["name"] for flag in connected.sandbox.flags().values()} == {"Live 100"}


@pytest.mark.slow
def test_an_issue_with_many_flags_is_written_within_its_limit(connected: World) -> None:
    for number in range(30):
        connected.new_flag(f"flag{number}", "PAY-1")
    for _ in range(2):
        connected.call("POST", "/api/v1/jira/integration/resend", expect=202)
        connected.settled()
    connected.expect_equal()


def test_a_quota_that_is_used_up_silences_everything_until_its_reset(connected: World) -> None:
    connected.new_flag("pay", "PAY-1")
    connected.settled()
    connected.sandbox.settings(points_per_hour=3, quota_window_seconds=4)
    connected.act("kill", "pay")
    for number in range(12):
        connected.define("pay", share=number)
    until(lambda: connected.integration()["paused_until"], "the pause is noted")
    connected.settled()
    assert {one["kind"] for one in connected.sandbox.breaches()} <= {"rate limit"}  # that it was full, once
    assert connected.on_issue("pay")["summary"]["status"]["rollout"] == {"text": "Killed"}


def test_while_a_quota_is_used_up_the_integration_says_so_and_a_person_can_ask_all_the_same(connected: World) -> None:
    quota = {"count": 1, "retry_after": 1800, "reason": "jira-quota-tenant-based"}
    connected.sandbox.faults(rate_limited=quota, prefix=FEATURE_FLAGS)
    connected.new_flag("pay", "PAY-1")
    until(lambda: connected.integration()["state"] == "needs_attention", "the silence shows")
    assert "quota of requests is used up" in connected.integration()["reason"]
    asked = len(connected.sandbox.requests())
    found = connected.call("POST", "/api/v1/jira/integration/check")["findings"]
    assert any("nothing may be asked of it now" in one["text"] for one in found)
    assert len(connected.sandbox.requests()) == asked
    connected.call("POST", "/api/v1/jira/integration/resend", expect=202)
    connected.settled()
    assert connected.in_jira("pay")
    assert (connected.integration()["state"], connected.integration()["reason"]) == ("connected", "")
