"""The duration of a resync."""

import json
import time
from pathlib import Path

import httpx2

from benchmarks.fill import ISSUES
from benchmarks.jira import add_issues, bulk_requests, connect, settle
from benchmarks.stage import Client, flagpost, sandbox
from benchmarks.table import report


def bench_resync(database: Path) -> None:
    """Measure a resync of everything, beside a bare client that sends the same requests, built before."""
    with sandbox() as jira_url, flagpost(database, jira_url) as (url, _):
        client = Client(url)
        add_issues(jira_url, ISSUES)
        jira = connect(url, jira_url)
        settle(client)
        jira.send("DELETE", "/sandbox/requests")
        jira.send("PUT", "/sandbox/settings", {"keep_bodies": True})
        time.sleep(2)  # the token bucket is empty after the first delivery and has to fill up
        start = time.perf_counter()
        client.send("POST", "/api/v1/jira/integration/resend")
        settle(client)
        took = time.perf_counter() - start
        path, bodies = bulk_requests(jira)
        count = sum(len(body["flags"]) for body in bodies)
        token = {"Authorization": f"Bearer {jira.get('/sandbox/tokens')[-1]}"}
        ready = [json.dumps(body).encode() for body in bodies]
        with httpx2.Client(base_url=jira_url, headers=token, trust_env=False) as bare:
            start = time.perf_counter()
            for content in ready:
                sent = bare.post(path, content=content, headers={"Content-Type": "application/json"})
                assert sent.status_code == 202
        floor = time.perf_counter() - start
        report(
            f"Resync of {count} connected flags, in {len(bodies)} requests",
            f"{count / took:.0f} flags/s ({took:.1f} s)",
            f"bare client, same requests: {count / floor:.0f} flags/s ({floor:.1f} s)",
            f"{floor / took:.2f} ×",
            "≥ 0.5 ×",
        )
