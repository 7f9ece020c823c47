"""What an operator sees: metrics of every process, and a log that leads from a change to the call at Jira."""

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from jira_sandbox.embedded import Sandbox
from tests.end_to_end.workers import Workers
from tests.end_to_end.world import FEATURE_FLAGS, World, process, until
from tests.web.test_metrics import samples

pytestmark = pytest.mark.slow

JSON = {"log_format": "json", "log_level": "info"}
TOKEN = "token-for-metrics-0001"


def metrics(url: str) -> dict[tuple[str, ...], float]:
    answer = httpx2.get(f"{url}/metrics", trust_env=False)
    assert answer.status_code == 200, answer.text
    return samples(answer.text)


def lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def lines_with(log: Path, request: str, event: str) -> list[dict[str, Any]]:
    return [one for one in lines(log) if one["event"] == event and request in one.get("changes", [])]


def kill_as(world: World, request: str, name: str) -> None:
    path = f"/internal/api/v2/splits/ws/{world.workspace()}/{name}/environments/Production/kill"
    answer = world.http.put(path, headers={"X-Request-Id": request})
    assert (answer.status_code, answer.headers["x-request-id"]) == (200, request)


def test_what_was_delivered_refused_and_asked_is_counted(world_on_both: World) -> None:
    world = world_on_both
    before = metrics(world.url)
    world.connect_jira()
    world.new_flag("pay", "PAY-1")
    world.settled()
    after = metrics(world.url)
    site = world.integration()["site"]
    assert after["flagpost_jira_flags_total", "accepted"] > before["flagpost_jira_flags_total", "accepted"]
    assert after["flagpost_jira_requests_total", "POST bulk", "202"] > before.get(
        ("flagpost_jira_requests_total", "POST bulk", "202"), 0
    )
    assert after["flagpost_jira_delivery_lag_seconds_count",] > before["flagpost_jira_delivery_lag_seconds_count",]
    assert after["flagpost_issue_lookups_total", "found"] >= before["flagpost_issue_lookups_total", "found"]
    unnamed = ("flagpost_jira_requests_total", "other", "200")
    assert after.get(unnamed) == before.get(unnamed)
    assert after["flagpost_jira_flags_pending", site] == 0
    assert after["flagpost_jira_oldest_pending_seconds", site] == 0
    assert after["flagpost_jira_site_state", site, "delivering"] == 1
    assert (
        after["flagpost_jira_token_expires_timestamp_seconds", site]
        > after["flagpost_jira_last_success_timestamp_seconds", site]
    )
    assert after["flagpost_engine_up",] == after["flagpost_database_up",] == 1
    until(lambda: metrics(world.url)["flagpost_queue_workers",] == 1, "the worker is seen")


def test_a_jira_that_is_away_is_seen_as_a_failure_a_pause_and_an_age(connected: World) -> None:
    connected.settled()
    before = metrics(connected.url)
    connected.sandbox.faults(unavailable={"count": 1, "retry_after": 3}, prefix=FEATURE_FLAGS)
    connected.new_flag("pay", "PAY-1")
    site = connected.integration()["site"]
    until(lambda: metrics(connected.url)["flagpost_jira_site_state", site, "paused"] == 1, "the pause is seen")
    after = metrics(connected.url)
    failures = "flagpost_jira_failures_total", "unavailable"
    assert after[failures] == before[failures] + 1
    assert after["flagpost_jira_deliveries_total", "failed"] > before["flagpost_jira_deliveries_total", "failed"]
    assert after["flagpost_jira_flags_pending", site] == 1
    assert after["flagpost_jira_oldest_pending_seconds", site] > 0
    connected.settled()


@pytest.mark.slow
def test_a_request_is_followed_from_the_change_to_the_call_at_jira(
    sandbox: Sandbox, sqlite_url: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with process(sandbox, sqlite_url, log=log, **JSON) as running:
        world = World(running.url, sandbox)
        world.connect_jira()
        world.new_flag("pay", "PAY-1")
        world.new_flag("ship", "PAY-2")
        world.settled()
        sandbox.faults(unavailable={"count": 1, "retry_after": 2}, prefix=FEATURE_FLAGS)
        kill_as(world, "first-change-0001", "pay")
        kill_as(world, "other-change-0002", "ship")
        world.act("restore", "pay")
        world.settled()
        world.close()
    (answered,) = [
        one for one in lines(log) if one["event"] == "request.answered" and one["request"] == "first-change-0001"
    ]
    assert answered["route"].endswith("/kill")
    assert lines_with(log, "first-change-0001", "jira.paused")
    called = lines_with(log, "first-change-0001", "jira.called")[-1]
    assert "other-change-0002" in called["changes"]
    assert called["delivery"] == lines_with(log, "first-change-0001", "jira.delivered")[-1]["delivery"]
    (request,) = [one for one in sandbox.requests(FEATURE_FLAGS) if one["trace"] == called["trace"]]
    assert request["status"] == 202
    assert "Bearer" not in log.read_text()


@pytest.mark.slow
def test_a_change_is_followed_to_the_worker_that_sends_it(served: World, workers: Workers, tmp_path: Path) -> None:
    log = tmp_path / "log"
    served.new_flag("pay", "PAY-1")
    kill_as(served, "change-elsewhere-1", "pay")
    workers.start(1, log=log, **JSON)
    served.settled()
    assert lines_with(log, "change-elsewhere-1", "jira.called")[-1]["trace"]


@pytest.mark.slow
def test_a_worker_answers_what_monitoring_asks_where_a_port_was_set(served: World, workers: Workers) -> None:
    workers.start(1, worker_port="0", metrics_token=TOKEN)
    url = workers[0].said.strip().rpartition(" ")[2].removesuffix(".")
    assert url.startswith("http://127.0.0.1:")
    assert httpx2.get(f"{url}/healthz", trust_env=False).json() == {"status": "ok"}
    assert httpx2.get(f"{url}/readyz", trust_env=False).json()["delivery"] == "ok"
    assert httpx2.get(f"{url}/metrics", trust_env=False).status_code == 401
    assert httpx2.get(f"{url}/signin", trust_env=False).status_code == 404
    served.new_flag("pay", "PAY-1")
    served.settled()
    answer = httpx2.get(f"{url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}, trust_env=False)
    found = samples(answer.text)
    assert found["flagpost_jira_flags_total", "accepted"] >= 1
    assert found["flagpost_queue_workers",] == 1
    assert workers[0].end() == 0
