"""The sandbox refuses what Jira would refuse, and notes what callers do against its limits."""

import time

import httpx2
import pytest

from jira_sandbox.embedded import Sandbox
from tests.jira_sandbox.conftest import GATEWAY, OAUTH_FLAGS, flag, send


def kinds(sandbox: Sandbox) -> set[str]:
    return {one["kind"] for one in sandbox.breaches()}


def test_a_burst_is_refused_and_noted(api: httpx2.Client, sandbox: Sandbox) -> None:
    sandbox.settings(post_per_second=3)
    answers = [send(api, flag(sequence=n)) for n in range(1, 5)]
    assert [answer.status_code for answer in answers] == [202, 202, 202, 429]
    refused = answers[-1].headers
    assert (refused["retry-after"], refused["ratelimit-reason"]) == ("1", "jira-burst-based")
    assert kinds(sandbox) == {"rate limit"}


def test_endpoints_are_counted_apart_whatever_the_ids_in_their_paths(api: httpx2.Client, sandbox: Sandbox) -> None:
    sandbox.settings(get_per_second=2, post_per_second=2)
    assert [api.get(f"{OAUTH_FLAGS}/flag/f{n}").status_code for n in range(3)] == [404, 404, 429]
    assert send(api, flag()).status_code == 202


def test_answers_say_how_much_is_left(api: httpx2.Client, sandbox: Sandbox) -> None:
    sandbox.settings(post_per_second=5)
    first = send(api, flag()).headers
    assert (first["x-ratelimit-limit"], first["x-ratelimit-remaining"]) == ("5", "4")
    assert "x-ratelimit-nearlimit" not in first
    assert "q=65000;w=3600" in first["beta-ratelimit-policy"]
    near = [send(api, flag(sequence=n)).headers.get("x-ratelimit-nearlimit") for n in range(2, 6)]
    assert near[-1] == "true"


def test_the_hours_points_end_with_a_quota_until_the_window_is_over(api: httpx2.Client, sandbox: Sandbox) -> None:
    sandbox.settings(points_per_hour=3, quota_window_seconds=1)
    answers = [send(api, flag(sequence=n)) for n in range(1, 5)]
    assert [one.status_code for one in answers] == [202, 202, 202, 429]
    assert answers[-1].headers["ratelimit-reason"] == "jira-quota-tenant-based"
    assert api.get(f"{OAUTH_FLAGS}/flag/f1").status_code == 429
    assert "called before the quota's reset" in kinds(sandbox)
    time.sleep(1.1)
    assert send(api, flag(sequence=9)).status_code == 202


def test_api_tokens_cost_no_points(anna: httpx2.Client, sandbox: Sandbox) -> None:
    sandbox.settings(points_per_hour=1)
    assert [anna.get("/rest/api/3/issue/PAY-1").status_code for _ in range(3)] == [200, 200, 200]


def test_an_issue_takes_so_many_flags_and_no_more(api: httpx2.Client, sandbox: Sandbox) -> None:
    sandbox.settings(issue_writes_2s=2)
    assert send(api, flag("f1"), flag("f2")).status_code == 202
    refused = send(api, flag("f3"))
    assert (refused.status_code, refused.headers["ratelimit-reason"]) == (429, "jira-per-issue-on-write")
    assert send(api, flag("f4", issues=("PAY-2",))).status_code == 202
    assert set(sandbox.flags()) == {"f1", "f2", "f4"}
    sandbox.settings(count_flag_writes=False)
    assert send(api, flag("f5")).status_code == 202


@pytest.mark.parametrize("fault", ["rate_limited", "unavailable"])
def test_whoever_does_not_wait_as_asked_is_noted(api: httpx2.Client, sandbox: Sandbox, fault: str) -> None:
    sandbox.faults(**{fault: {"count": 1, "retry_after": 1}})
    assert send(api, flag()).status_code in (429, 503)
    assert api.get(f"{OAUTH_FLAGS}/flag/f1").status_code == 404  # another endpoint
    assert kinds(sandbox) == set()
    send(api, flag())
    assert kinds(sandbox) == {"called before Retry-After"}
    sandbox.reset()
    assert sandbox.breaches() == []


def test_limits_can_be_switched_off(api: httpx2.Client, sandbox: Sandbox) -> None:
    sandbox.settings(post_per_second=1, enforce_limits=False)
    assert {send(api, flag(sequence=n)).status_code for n in range(1, 5)} == {202}


def test_whoever_shows_no_proof_is_not_counted(sandbox: Sandbox) -> None:
    sandbox.settings(get_per_second=1)
    for _ in range(3):
        assert httpx2.get(f"{sandbox.url}{GATEWAY}/rest/api/3/myself", trust_env=False).status_code == 401
