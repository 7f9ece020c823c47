"""`make bench`: every figure with its unit, and as a ratio to a floor that was measured in the same run.

Servers run on one core, the client and the sandbox on the other. Figures go to standard output as a table.
"""

import http.cookiejar
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import httpx2

from benchmarks.evaluation import bench_evaluation
from benchmarks.fill import ISSUES
from benchmarks.impressions import bench_impressions
from benchmarks.stage import (
    APP_ID,
    CLIENT_CORE,
    KEY,
    SECRET_KEY,
    SERVER_CORE,
    Client,
    flagpost,
    free_port,
    on_core,
    p50,
    percentile,
    program,
    rate,
    resident_mb,
    sandbox,
    wait_until_ready,
)
from flagpost.jira.manifest import forge_manifest

FLAGS = int(os.environ.get("FLAGPOST_BENCH_FLAGS", "10000"))
SECONDS = float(os.environ.get("FLAGPOST_BENCH_SECONDS", "5"))
IN_TURN = 40  # flags that change one after the other, so that none is written more often than Jira allows
DEFINITION = {
    "treatments": [{"name": "on"}, {"name": "off"}],
    "defaultTreatment": "off",
    "defaultRule": [{"treatment": "on", "size": 100}],
}


def report(what: str, figure: str, floor: str, ratio: str, aim: str) -> None:
    """One line of the table."""
    print(f"| {what} | {figure} | {floor} | {ratio} | {aim} |", flush=True)


def connect(url: str, sandbox_url: str) -> Client:
    """Both halves of the set-up; a client of the sandbox."""
    client, jira = Client(url), Client(sandbox_url)
    body = {"projects": [{"project": "Default", "environment": "Production"}]}
    token = client.send("POST", "/api/v1/jira/integration", body)[1]["token"]
    app = jira.send("POST", "/sandbox/apps", {"manifest": forge_manifest(url, APP_ID)})[1]["installation_id"]
    status, said = jira.send("POST", f"/sandbox/apps/{app}/configure", {"token": token})
    assert said["status"] == 200, (status, said)
    client.close()
    return jira


def add_issues(sandbox_url: str, keys: list[str]) -> None:
    """Issues for flags to be connected with."""
    jira = Client(sandbox_url)
    for key in keys:
        jira.send("POST", "/sandbox/issues", {"key": key})
    jira.close()


def settle(client: Client) -> None:
    """Wait until Jira has heard of everything; asking costs the server time too, so not too often."""
    while client.get("/api/v1/jira/integration")["behind"]:
        time.sleep(0.05)


def bulk_requests(jira: Client) -> tuple[str, list[dict[str, Any]]]:
    """The path of the bulk call and its bodies, as Flagpost sent them last."""
    sent = [one for one in jira.get("/sandbox/requests?path=featureflags/0.1/bulk") if one["status"] == 202]
    return str(sent[-1]["path"]), [one["body"] for one in sent if isinstance(one["body"], dict)]


def connected_flag(client: Client, home: str, issue: str) -> str:
    """A flag that is set up and connected with an issue; where its definition is."""
    name = issue.lower()
    client.send("POST", f"/internal/api/v2/splits/ws/{home}/trafficTypes/user", {"name": name})
    place = f"/internal/api/v2/splits/ws/{home}/{name}/environments/Production"
    client.send("POST", place, DEFINITION)
    client.send("POST", f"/api/v1/projects/{home}/flags/{name}/issues", {"issues": [issue]})
    return place


def bench_change(folder: Path) -> None:
    """One change, until it is stored in Jira; beside a bare POST of the same body."""
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


def bench_back_fill(database: Path) -> None:
    """Everything again, beside a bare client that sends the same requests, built before."""
    with sandbox() as jira_url, flagpost(database, jira_url) as (url, _):
        client = Client(url)
        add_issues(jira_url, ISSUES)
        jira = connect(url, jira_url)
        settle(client)
        jira.send("DELETE", "/sandbox/requests")
        jira.send("PUT", "/sandbox/settings", {"keep_bodies": True})
        time.sleep(2)  # the pace that spares Jira's bucket has just sent everything once, and rests first
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
            f"Sending {count} connected flags again, in {len(bodies)} requests",
            f"{count / took:.0f} flags/s ({took:.1f} s)",
            f"bare client, same requests: {count / floor:.0f} flags/s ({floor:.1f} s)",
            f"{floor / took:.2f} ×",
            "≥ 0.5 ×",
        )


def bench_writes(folder: Path) -> None:
    """Creates and kills a second, beside a bare INSERT through the same stack."""
    floors = {}
    port = free_port()
    with program("-m", "benchmarks.floor", f"sqlite:///{folder / 'floor.db'}", port, core=SERVER_CORE):
        bare = f"http://127.0.0.1:{port}"
        wait_until_ready(bare, "/readyz")
        for connections in (1, 16):
            floors[connections] = rate(
                bare, connections, SECONDS, lambda c, _n, i: _ok(c, "POST", "/insert", {"name": f"x{i}"})
            )
    for connections in (1, 16):
        with flagpost(folder / f"writes{connections}.db") as (url, _):
            created, killed = _writes(url, connections)
        floor = floors[connections]
        for what, found in (("Creates", created), ("Kills and restores", killed)):
            report(
                f"{what} through the Admin API, {connections} connection{'s' if connections > 1 else ''}",
                f"{found:.0f} /s",
                f"bare INSERT: {floor:.0f} /s",
                f"{found / floor:.2f} ×",
                "≥ 0.67 ×" if connections == 16 else "",
            )


def _writes(url: str, connections: int) -> tuple[float, float]:
    """Creates a second, and kills and restores a second."""
    client = Client(url)
    home = client.get("/internal/api/v2/workspaces")["objects"][0]["id"]
    splits = f"/internal/api/v2/splits/ws/{home}"

    def create(one: Client, connection: int, number: int) -> None:
        _ok(one, "POST", f"{splits}/trafficTypes/user", {"name": f"f{connection}-{number}"})

    def switch(one: Client, connection: int, number: int) -> None:
        verb = "restore" if number % 2 else "kill"
        _ok(one, "PUT", f"{splits}/f{connection}-0/environments/Production/{verb}")

    created = rate(url, connections, SECONDS, create)
    for connection in range(connections):
        _ok(client, "POST", f"{splits}/f{connection}-0/environments/Production", DEFINITION)
    return created, rate(url, connections, SECONDS, switch)


def _ok(client: Client, method: str, path: str, body: Any = None) -> None:
    status, said = client.send(method, path, body)
    assert status == 200, (status, said)


def bench_pages(database: Path) -> None:
    """What people wait for, with many flags."""
    with flagpost(database) as (url, running):
        client = Client(url)
        home = client.get("/internal/api/v2/workspaces")["objects"][0]["id"]
        signed_in = Client(url, {"Cookie": session(url, database)})
        pages = {
            f"Page of 100 of {FLAGS} flags": f"/projects/{home}/flags?sort=name&offset={{}}",
            "The same, searched by name": f"/projects/{home}/flags?q=flag{{:03}}",
            f"Connect: search among {FLAGS} flags": "/flags/connect?issue=PAY-1&q={:03}",
        }
        floor = [_timed(client, "/healthz") for _ in range(300)]
        for what, path in pages.items():
            for number in range(20):
                _timed(signed_in, path.format(number))
            took = [_timed(signed_in, path.format(number % 90)) for number in range(300)]
            report(
                f"{what}, p99",
                f"{percentile(took, 0.99) * 1000:.1f} ms (p50 {p50(took) * 1000:.1f} ms)",
                f"/healthz: {percentile(floor, 0.99) * 1000:.1f} ms",
                f"{percentile(took, 0.99) / percentile(floor, 0.99):.0f} ×",
                "≤ 15 ms",
            )
        report(f"Memory with {FLAGS} flags, after these pages", f"{resident_mb(running):.0f} MB", "", "", "< 120 MB")


def _timed(client: Client, path: str) -> float:
    start = time.perf_counter()
    client.get(path)
    return time.perf_counter() - start


def session(url: str, database: Path) -> str:
    """A signed-in admin's cookie: invited at the command line, as an operator would."""
    command = [
        sys.executable,
        "-m",
        "flagpost",
        "user",
        "create",
        f"bench{time.time_ns()}@example.com",
        "--role",
        "admin",
    ]
    values = {**os.environ, "FLAGPOST_DATABASE_URL": f"sqlite:///{database}", "FLAGPOST_BASE_URL": url}
    said = subprocess.run(command, env=values, capture_output=True, text=True, check=True).stdout
    link = next(line for line in said.splitlines() if line.startswith("http"))
    cookies = http.cookiejar.CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(cookies))
    form = urllib.parse.urlencode({"name": "Bench", "password": "a-good-long-password"}).encode()
    opener.open(urllib.request.Request(link, form, {"Sec-Fetch-Site": "same-origin"}))
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in cookies)


def bench_start_up(database: Path) -> None:
    """From the command to ready, beside a Python that only imports the web stack."""
    took, bare = [], []
    for _ in range(5):
        start = time.perf_counter()
        with flagpost(database):
            took.append(time.perf_counter() - start)
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import fastapi, uvicorn, sqlalchemy, httpx2"], check=True)
        bare.append(time.perf_counter() - start)
    report(
        "Start-up, until ready, p50 of 5",
        f"{p50(took):.2f} s",
        f"importing FastAPI, uvicorn, SQLAlchemy, httpx2: {p50(bare):.2f} s",
        f"{p50(took) / p50(bare):.1f} ×",
        "≤ 1 s",
    )


def main() -> None:
    """Run all, or those named on the command line."""
    on_core(CLIENT_CORE)
    chosen = set(sys.argv[1:]) or {"change", "back-fill", "writes", "pages", "start-up", "evaluation", "impressions"}
    with tempfile.TemporaryDirectory(prefix="flagpost-bench-") as name:
        folder, database = Path(name), Path(name) / "many.db"
        values = {"FLAGPOST_DATABASE_URL": f"sqlite:///{database}", "FLAGPOST_BOOTSTRAP_ADMIN_KEY": KEY}
        if chosen & {"back-fill", "pages", "start-up"}:
            print(f"Filling a database with {FLAGS} connected flags …", file=sys.stderr, flush=True)
            command = [sys.executable, "-m", "benchmarks.fill", str(FLAGS)]
            subprocess.run(command, env={**os.environ, **values, "FLAGPOST_SECRET_KEYS": SECRET_KEY}, check=True)
        print("| what | figure | floor of the same run | ratio | aim |\n|---|---|---|---|---|")
        if "evaluation" in chosen:
            bench_evaluation(report)
        if "impressions" in chosen:
            bench_impressions(folder, report)
        if "change" in chosen:
            bench_change(folder)
        if "writes" in chosen:
            bench_writes(folder)
        if "pages" in chosen:
            bench_pages(database)
        if "start-up" in chosen:
            bench_start_up(database)
        if "back-fill" in chosen:
            bench_back_fill(database)


if __name__ == "__main__":
    main()
