"""What applications are answered a second, beside a bare route that sends the same bytes; and how late a change is."""

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


def bench_applications(folder: Path, seconds: float) -> None:
    """Split's splitChanges and OFREP, with a thousand flags.

    The client costs about as much as the server: eight connections of one process, on a core of their own.
    """
    with flagpost(folder / "applications.db") as (url, running):
        client = Client(url)
        home, secret = set_up(client)
        proof = {"Authorization": f"Bearer {secret}"}
        number = settled(url, proof)
        asked: dict[str, tuple[str, str, Any]] = {
            "splitChanges, nothing new": ("GET", f"/sdk/splitChanges?s=1.3&since={number}&rbSince=-1", None),
            f"splitChanges, all {FLAGS} flags": ("GET", "/sdk/splitChanges?s=1.3&since=-1&rbSince=-1", None),
            "OFREP, one flag": ("POST", "/ofrep/v1/evaluate/flags/flag1", CONTEXT),
            f"OFREP, all {FLAGS} flags": ("POST", "/ofrep/v1/evaluate/flags", CONTEXT),
        }
        found = {what: answered(url, proof, how, seconds) for what, how in asked.items()}
        late = lateness(url, client, home, proof)
        memory = resident_mb(running)
        kept = folder / "answers"
        kept.mkdir()
        for index, how in enumerate(asked.values()):
            (kept / str(index)).write_bytes(body_of(url, proof, how))
    floors = bare(kept, list(asked.values()), seconds)
    for (what, a_second), floor in zip(found.items(), floors, strict=True):
        aim = "≥ 0.7 ×" if "all" not in what else ""
        report(
            f"{what}, {CONNECTIONS} connections",
            f"{a_second:.0f} /s",
            f"{floor:.0f} /s",
            f"{a_second / floor:.2f} ×",
            aim,
        )
    report(
        f"A kill until SDKs are served it, {FLAGS} flags, p99 of {CHANGES}",
        f"{percentile(late, 0.99) * 1000:.0f} ms (p50 {p50(late) * 1000:.0f} ms)",
        "",
        "",
        "≤ 1 s",
    )
    report(f"Memory, serving {FLAGS} flags to SDKs and OFREP", f"{memory:.0f} MB", "", "", "")


def set_up(client: Client) -> tuple[str, str]:
    """A thousand flags in Production; the workspace's id, and the secret of a server-side key."""
    home = str(client.get("/internal/api/v2/workspaces")["objects"][0]["id"])
    for number in range(FLAGS):
        name = f"flag{number}"
        client.send("POST", f"/internal/api/v2/splits/ws/{home}/trafficTypes/user", {"name": name})
        client.send("POST", f"/internal/api/v2/splits/ws/{home}/{name}/environments/Production", DEFINITION)
    return home, sdk_key(client)


def settled(url: str, proof: dict[str, str]) -> int:
    """The last change number, once every flag is served."""
    application = Client(url, proof)
    while True:
        told = application.get("/sdk/splitChanges?s=1.3&since=-1")["ff"]
        if len(told["d"]) == FLAGS:
            return int(told["t"])
        time.sleep(0.1)


def answered(url: str, proof: dict[str, str], how: tuple[str, str, Any], seconds: float) -> float:
    """How many such requests a second are answered."""
    return rate(url, CONNECTIONS, seconds, asking(how), headers=proof)


def asking(how: tuple[str, str, Any]) -> Callable[[Client, int, int], None]:
    method, path, body = how
    sent = json.dumps(body).encode() if body is not None else None

    def ask(client: Client, _connection: int, _number: int) -> None:
        status, _ = client.send(method, path, sent, raw=True)
        assert status == 200, (path, status)

    return ask


def body_of(url: str, proof: dict[str, str], how: tuple[str, str, Any]) -> bytes:
    """The very bytes of an answer."""
    method, path, body = how
    answer = Client(url, proof).send(method, path, json.dumps(body).encode() if body else None, raw=True)[1]
    assert isinstance(answer, bytes)
    return answer


def bare(kept: Path, asked: list[tuple[str, str, Any]], seconds: float) -> list[float]:
    """The same requests to a route that sends the same bytes."""
    port = free_port()
    with program("-m", "benchmarks.bare", kept, port, core=SERVER_CORE):
        url = f"http://127.0.0.1:{port}"
        wait_until_ready(url, "/0")
        return [
            rate(url, CONNECTIONS, seconds, asking((method, f"/{index}", body)))
            for index, (method, _, body) in enumerate(asked)
        ]


def lateness(url: str, client: Client, home: str, proof: dict[str, str]) -> list[float]:
    """Seconds from the answer to a kill, or a restore, until an SDK that asks is told of it."""
    application, late = Client(url, proof), []
    number = settled(url, proof)
    for change in range(CHANGES):
        verb = "restore" if change % 2 else "kill"
        client.send("PUT", f"/internal/api/v2/splits/ws/{home}/flag7/environments/Production/{verb}")
        start = time.perf_counter()
        while not (told := application.get(f"/sdk/splitChanges?s=1.3&since={number}")["ff"])["d"]:
            time.sleep(0.002)
        late.append(time.perf_counter() - start)
        number = told["t"]
    return late
