"""Responses to applications a second, beside a bare route that sends the same bytes, and the delay of a change."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.stage import (
    SERVER_CORE,
    Client,
    flagpost,
    free_port,
    p50,
    percentile,
    program,
    rate,
    resident_mb,
    sdk_key,
    wait_until_ready,
)
from benchmarks.table import report

FLAGS = 1_000
CONNECTIONS = 8
CHANGES = 100
CONTEXT = {"context": {"targetingKey": "user-1", "plan": "pro"}}
RULE = {
    "condition": {"matchers": [{"type": "IN_LIST_STRING", "attribute": "plan", "strings": ["pro"]}]},
    "buckets": [{"treatment": "on", "size": 100}],
}
DEFINITION = {
    "treatments": [{"name": "on"}, {"name": "off"}],
    "defaultTreatment": "off",
    "rules": [RULE],
    "defaultRule": [{"treatment": "on", "size": 50}, {"treatment": "off", "size": 50}],
}


Call = tuple[str, str, Any]
"""A method, a path and a body."""


def bench_applications(folder: Path, seconds: float) -> None:
    """Measure Split's splitChanges and OFREP with a thousand flags.

    The client costs about as much as the server: eight connections of one process, on a core of their own.
    """
    bodies = folder / "bodies"
    bodies.mkdir()
    with flagpost(folder / "applications.db") as (url, running):
        client = Client(url)
        workspace, secret = set_up(client)
        proof = {"Authorization": f"Bearer {secret}"}
        calls = calls_of_applications(settled(url, proof))
        rates = [answered(url, proof, call, seconds) for call in calls.values()]
        delays = kill_delays(url, client, workspace, proof)
        memory = resident_mb(running)
        for index, call in enumerate(calls.values()):
            (bodies / str(index)).write_bytes(body_of(url, proof, call))
    floors = bare(bodies, list(calls.values()), seconds)
    for what, a_second, floor in zip(calls, rates, floors, strict=True):
        report_rate(what, a_second, floor)
    report(
        f"A kill until SDKs are served it, {FLAGS} flags, p99 of {CHANGES}",
        f"{percentile(delays, 0.99) * 1000:.0f} ms (p50 {p50(delays) * 1000:.0f} ms)",
        "",
        "",
        "≤ 1 s",
    )
    report(f"Memory, serving {FLAGS} flags to SDKs and OFREP", f"{memory:.0f} MB", "", "", "")


def calls_of_applications(number: int) -> dict[str, Call]:
    """The measured calls by name. `number` is the last change number."""
    return {
        "splitChanges, nothing new": ("GET", f"/sdk/splitChanges?s=1.3&since={number}&rbSince=-1", None),
        f"splitChanges, all {FLAGS} flags": ("GET", "/sdk/splitChanges?s=1.3&since=-1&rbSince=-1", None),
        "OFREP, one flag": ("POST", "/ofrep/v1/evaluate/flags/flag1", CONTEXT),
        f"OFREP, all {FLAGS} flags": ("POST", "/ofrep/v1/evaluate/flags", CONTEXT),
    }


def report_rate(what: str, a_second: float, floor: float) -> None:
    """Print a rate beside its floor."""
    report(
        f"{what}, {CONNECTIONS} connections",
        f"{a_second:.0f} /s",
        f"{floor:.0f} /s",
        f"{a_second / floor:.2f} ×",
        "≥ 0.7 ×" if "all" not in what else "",
    )


def set_up(client: Client) -> tuple[str, str]:
    """Create a thousand flags in Production. Gives the workspace's id and the secret of a server-side key."""
    workspace = str(client.get("/internal/api/v2/workspaces")["objects"][0]["id"])
    for number in range(FLAGS):
        name = f"flag{number}"
        client.send("POST", f"/internal/api/v2/splits/ws/{workspace}/trafficTypes/user", {"name": name})
        client.send("POST", f"/internal/api/v2/splits/ws/{workspace}/{name}/environments/Production", DEFINITION)
    return workspace, sdk_key(client)


def settled(url: str, proof: dict[str, str]) -> int:
    """Wait until every flag is served. Gives the last change number."""
    application = Client(url, proof)
    while True:
        page = application.get("/sdk/splitChanges?s=1.3&since=-1")["ff"]
        if len(page["d"]) == FLAGS:
            return int(page["t"])
        time.sleep(0.1)


def answered(url: str, proof: dict[str, str], call: Call, seconds: float) -> float:
    """Such requests that are answered a second."""
    return rate(url, CONNECTIONS, seconds, requesting(call), headers=proof)


def requesting(call: Call) -> Callable[[Client, int, int], None]:
    method, path, body = call
    sent = json.dumps(body).encode() if body is not None else None

    def send(client: Client, _connection: int, _number: int) -> None:
        status, _ = client.send(method, path, sent, raw=True)
        assert status == 200, (path, status)

    return send


def body_of(url: str, proof: dict[str, str], call: Call) -> bytes:
    """The bytes of a response."""
    method, path, body = call
    answer = Client(url, proof).send(method, path, json.dumps(body).encode() if body else None, raw=True)[1]
    assert isinstance(answer, bytes)
    return answer


def bare(bodies: Path, calls: list[Call], seconds: float) -> list[float]:
    """The rates of the same requests to a route that sends the same bytes."""
    port = free_port()
    with program("-m", "benchmarks.bare", bodies, port, core=SERVER_CORE):
        url = f"http://127.0.0.1:{port}"
        wait_until_ready(url, "/0")
        return [
            rate(url, CONNECTIONS, seconds, requesting((method, f"/{index}", body)))
            for index, (method, _, body) in enumerate(calls)
        ]


def kill_delays(url: str, client: Client, workspace: str, proof: dict[str, str]) -> list[float]:
    """Seconds from the response to a kill or restore until an SDK is served it."""
    application, delays = Client(url, proof), []
    number = settled(url, proof)
    for change in range(CHANGES):
        verb = "restore" if change % 2 else "kill"
        client.send("PUT", f"/internal/api/v2/splits/ws/{workspace}/flag7/environments/Production/{verb}")
        start = time.perf_counter()
        while not (page := application.get(f"/sdk/splitChanges?s=1.3&since={number}")["ff"])["d"]:
            time.sleep(0.002)
        delays.append(time.perf_counter() - start)
        number = page["t"]
    return delays
