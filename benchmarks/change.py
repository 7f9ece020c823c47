"""The time from a change until Jira has it."""

import time
from pathlib import Path

import httpx2

from benchmarks.fill import ISSUES
from benchmarks.jira import add_issues, bulk_requests, connect, settle
from benchmarks.stage import Client, flagpost, p50, percentile, sandbox
from benchmarks.table import report

IN_TURN = 40  # flags that change in turn, so that none is written more often than Jira allows
DEFINITION = {
    "treatments": [{"name": "on"}, {"name": "off"}],
    "defaultTreatment": "off",
    "defaultRule": [{"treatment": "on", "size": 100}],
}


def connected_flag(client: Client, home: str, issue: str) -> str:
    """Create a flag with a definition and an issue. Gives the path of the definition."""
    name = issue.lower()
    client.send("POST", f"/internal/api/v2/splits/ws/{home}/trafficTypes/user", {"name": name})
    place = f"/internal/api/v2/splits/ws/{home}/{name}/environments/Production"
    client.send("POST", place, DEFINITION)
    client.send("POST", f"/api/v1/projects/{home}/flags/{name}/issues", {"issues": [issue]})
    return place


def bench_change(folder: Path) -> None:
    """Measure one change until it is stored in Jira, beside a bare POST of the same body."""
    with sandbox() as jira_url, flagpost(folder / "change.db", jira_url) as (url, _):
        add_issues(jira_url, ISSUES[:IN_TURN])
        jira, client = connect(url, jira_url), Client(url)
        home = client.get("/internal/api/v2/workspaces")["objects"][0]["id"]
        places = [connected_flag(client, home, key) for key in ISSUES[:IN_TURN]]
        settle(client)
        begun = []
        for number in range(200):
            time.sleep(0.03)
            begun.append(time.time())
            verb = "restore" if number // IN_TURN % 2 else "kill"
            client.send("PUT", f"{places[number % IN_TURN]}/{verb}")
        settle(client)
        sent = [one for one in jira.get("/sandbox/requests?path=featureflags/0.1/bulk") if one["at"] >= begun[0]]
        took = [one["at"] + one["ms"] / 1000 - start for start, one in zip(begun, sent, strict=True)]
        path, bodies = bulk_requests(jira)
        token = {"Authorization": f"Bearer {jira.get('/sandbox/tokens')[-1]}"}
        times = []
        with httpx2.Client(base_url=jira_url, headers=token, trust_env=False) as bare:
            for body in bodies[-100:]:
                time.sleep(0.03)
                start = time.perf_counter()
                assert bare.post(path, json=body).status_code == 202
                times.append(time.perf_counter() - start)
        middle, floor = p50(took), p50(times)
        report(
            "A change through the Admin API until it is stored in Jira, p50 of 200",
            f"{middle * 1000:.1f} ms (p99 {percentile(took, 0.99) * 1000:.1f} ms)",
            f"bare POST of the same body, same HTTP library: {floor * 1000:.1f} ms",
            f"{middle / floor:.1f} ×",
            "≤ 3 ×",
        )
