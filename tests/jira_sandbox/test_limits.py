"""The sandbox refuses what Jira would refuse, and notes what callers do against its limits."""

import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from jira_sandbox.embedded import Sandbox
from jira_sandbox.limits import Bucket
from tests.jira_sandbox.conftest import GATEWAY, OAUTH_FLAGS, client, flag, send

READER = {
    "app": {"id": "ari:cloud:ecosystem::app/8db33309-2a52-4d0e-9c0f-5a4e1a1d2f5a"},
    "remotes": [{"key": "own", "baseUrl": "http://127.0.0.1:9"}],
    "modules": {
        "endpoint": [
            {
                "key": "page",
                "remote": "own",
                "route": {"path": "/page"},
                "auth": {"appSystemToken": {"enabled": True}},
            }
        ]
    },
}


@pytest.fixture
def app(sandbox: Sandbox) -> Iterator[httpx2.Client]:
    """With the system token of an installed app, which it got with a call that nobody answered."""
    sandbox.call(sandbox.install(READER), endpoint="page")
    with client(sandbox, headers={"Authorization": f"Bearer {sandbox.get('/tokens')[-1]}"}) as found:
        yield found


def kinds(sandbox: Sandbox) -> set[str]:
    return {one["kind"] for one in sandbox.breaches()}


def test_a_burst_is_refused_and_noted(api: httpx2.Client, sandbox: Sandbox) -> None:
    sandbox.settings(post_per_second=3)
    answers = [send(api, flag(sequence=n)) for n in range(1, 5)]
    assert [answer.status_code for answer in answers] == [202, 202, 202, 429]
    refused = answers[-1].headers
    assert (refused["retry-after"], refused["ratelimit-reason"]) == ("1", "jira-burst-based")
    (breach,) = sandbox.breaches()
    assert (breach["kind"], breach["reason"]) == ("rate limit", "jira-burst-based")
    assert (breach["method"], breach["path"]) == ("POST", f"{OAUTH_FLAGS}/bulk")


def test_a_bucket_fills_by_its_rate_and_holds_no_more_than_it() -> None:
    bucket = Bucket()
    assert [bucket.take(3, 100.0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(3, 100.5) for _ in range(2)] == [True, False]
    assert bucket.left(3, 200.0) == 3


def test_endpoints_are_counted_apart_whatever_the_ids_in_their_paths(api: httpx2.Client, sandbox: Sandbox) -> None:
    sandbox.settings(get_per_second=2, post_per_second=2)
    assert [api.get(f"{OAUTH_FLAGS}/flag/f{n}").status_code for n in range(3)] == [404, 404, 429]
    assert api.get(f"{OAUTH_FLAGS}/flag/bulkfetch").status_code == 429
    assert send(api, flag()).status_code == 202


def test_an_issue_is_read_at_a_pace_of_its_own(anna: httpx2.Client, sandbox: Sandbox) -> None:
    sandbox.settings(get_per_second=1, issue_get_per_second=2)
    assert anna.get("/rest/api/3/issue/PAY-1").headers["x-ratelimit-limit"] == "2"
    assert [anna.get(f"/rest/api/3/issue/{key}").status_code for key in ("PAY-2", "PAY-3")] == [200, 429]
    assert [anna.get("/rest/api/3/myself").status_code for _ in range(2)] == [200, 429]


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


def points_left(answer: httpx2.Response) -> int:
    return int(answer.headers["beta-ratelimit"].partition("r=")[2].partition(";")[0])


def test_writes_cost_one_point_and_reads_one_more_for_each_object(api: httpx2.Client, app: httpx2.Client) -> None:
    assert points_left(send(api, flag("f1"), flag("f2"))) == 65_000 - 1
    assert points_left(api.get(f"{OAUTH_FLAGS}/flag/f1")) == 65_000 - 1 - 2
    asked = {"issueIdsOrKeys": ["PAY-1", "PAY-2", "PAY-3"]}
    assert points_left(app.post(f"{GATEWAY}/rest/api/3/issue/bulkfetch", json=asked)) == 65_000 - 4
    assert points_left(app.get(f"{GATEWAY}/rest/api/3/project/search")) == 65_000 - 4 - 4


def test_api_tokens_cost_no_points(anna: httpx2.Client, sandbox: Sandbox) -> None:
    sandbox.settings(points_per_hour=1)
    answers = [anna.get("/rest/api/3/issue/PAY-1") for _ in range(3)]
    assert [one.status_code for one in answers] == [200, 200, 200]
    assert "beta-ratelimit" not in answers[0].headers
    assert "x-ratelimit-nearlimit" not in answers[0].headers


def test_oauth_credentials_may_cost_no_points_either(api: httpx2.Client, sandbox: Sandbox) -> None:
    sandbox.settings(points_per_hour=1, oauth_counts_points=False)
    assert {send(api, flag(sequence=n)).status_code for n in range(3)} == {202}


def test_an_issue_takes_so_many_flags_and_no_more(api: httpx2.Client, sandbox: Sandbox) -> None:
    sandbox.settings(issue_writes_2s=2)
    assert send(api, flag("f1"), flag("f2")).status_code == 202
    refused = send(api, flag("f3"))
    assert (refused.status_code, refused.headers["ratelimit-reason"]) == (429, "jira-per-issue-on-write")
    assert send(api, flag("f4", issues=("PAY-2",))).status_code == 202
    assert set(sandbox.flags()) == {"f1", "f2", "f4"}
    sandbox.settings(count_flag_writes=False)
    assert send(api, flag("f5")).status_code == 202


def test_the_longer_window_of_an_issue_holds_too_however_it_is_named(api: httpx2.Client, sandbox: Sandbox) -> None:
    sandbox.settings(issue_writes_30s=2)
    old = flag("f1", issueKeys=["PAY-1"])
    del old["associations"]
    issue_id = next(one["id"] for one in sandbox.get("/issues") if one["key"] == "PAY-1")
    assert send(api, old, flag("f2", issues=("PAY-1", issue_id))).status_code == 202
    refused = send(api, flag("f3", issues=(issue_id,)), flag("f4", issues=("PAY-2",)))
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "30")
    assert set(sandbox.flags()) == {"f1", "f2"}


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


def test_a_quota_silences_whoever_spends_points_and_nobody_else(
    api: httpx2.Client, anna: httpx2.Client, sandbox: Sandbox
) -> None:
    sandbox.faults(rate_limited={"count": 2, "retry_after": 60, "reason": "jira-quota-tenant-based"})
    assert (send(api, flag()).status_code, anna.get("/rest/api/3/myself").status_code) == (429, 429)
    assert anna.get("/rest/api/3/issue/PAY-1").status_code == 200
    assert sandbox.breaches() == []
    assert api.get(f"{OAUTH_FLAGS}/flag/f1").status_code == 404
    assert kinds(sandbox) == {"called before the quota's reset"}


@pytest.mark.parametrize("body", [[], {}, {"flags": [1]}, {"flags": [{"associations": [{"values": 3}]}]}])
def test_what_is_malformed_is_refused_for_that(api: httpx2.Client, body: Any) -> None:
    assert api.post(f"{OAUTH_FLAGS}/bulk", json=body).status_code in (202, 400)


def test_limits_can_be_switched_off(api: httpx2.Client, sandbox: Sandbox) -> None:
    sandbox.settings(post_per_second=1, enforce_limits=False)
    assert {send(api, flag(sequence=n)).status_code for n in range(1, 5)} == {202}


def test_whoever_shows_no_proof_is_not_counted(sandbox: Sandbox) -> None:
    sandbox.settings(get_per_second=1)
    for _ in range(3):
        assert httpx2.get(f"{sandbox.url}{GATEWAY}/rest/api/3/myself", trust_env=False).status_code == 401
