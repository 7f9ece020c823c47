"""Ten thousand flags in memory: the delay until two processes serve a change, the time to load them, and the memory."""

import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from tests.stores import PostgresServer

from benchmarks.stage import (
    KEY,
    SECRET_KEY,
    SERVER_CORE,
    Client,
    free_port,
    p50,
    percentile,
    program,
    resident_mb,
    sdk_key,
    wait_until_ready,
)
from benchmarks.table import report

PROCESSES = 2
CHANGES = 100
PLACE = "/internal/api/v2/splits/ws/Default/flag00007/environments/Production"
CONTEXT = {"context": {"targetingKey": "user-1"}}


def bench_served(flags: int) -> None:
    """Measure on PostgreSQL, with several serving processes on the same core."""
    with tempfile.TemporaryDirectory(prefix="flagpost-postgres-", ignore_cleanup_errors=True) as folder:
        template = PostgresServer(Path(folder), durable=True)
        with template.new_url() as url, ExitStack() as stack:
            values = _filled(url, flags)
            ports = [free_port() for _ in range(PROCESSES)]
            running = [
                stack.enter_context(
                    program("-m", "flagpost", "serve", "--port", port, "--no-worker", core=SERVER_CORE, **values)
                )
                for port in ports
            ]
            urls = [f"http://127.0.0.1:{port}" for port in ports]
            for address in urls:
                wait_until_ready(address, "/readyz")
            _measure(flags, urls, running)
        template.stop()


def _filled(url: str, flags: int) -> dict[str, str]:
    print(f"Filling a database with {flags} connected flags …", file=sys.stderr, flush=True)
    values = {
        "FLAGPOST_DATABASE_URL": url,
        "FLAGPOST_BOOTSTRAP_ADMIN_KEY": KEY,
        "FLAGPOST_SECRET_KEYS": SECRET_KEY,
        "FLAGPOST_LOG_LEVEL": "error",
    }
    command = [sys.executable, "-m", "benchmarks.fill", str(flags)]
    subprocess.run(command, env={**os.environ, **values}, check=True)
    return values


def _measure(flags: int, urls: list[str], running: list[subprocess.Popen[bytes]]) -> None:
    clients = [Client(url) for url in urls]
    proof = {"Authorization": f"Bearer {sdk_key(clients[0])}"}
    empty = max(resident_mb(one) for one in running)
    applications = [Client(url, proof) for url in urls]
    first, single = [], []
    for one in applications:
        first.append(_seconds(one, "GET", "/sdk/splitChanges?s=1.3&since=-1&rbSince=-1"))
        single.append(_seconds(one, "POST", "/ofrep/v1/evaluate/flags/flag00001", CONTEXT))
    late = _lateness(clients, applications)
    held = max(resident_mb(one) for one in running)
    what = f"with {flags} flags"
    figure = f"{percentile(late, 0.99) * 1000:.0f} ms (p50 {p50(late) * 1000:.0f} ms)"
    report(f"A change until {PROCESSES} processes serve it, {what}, p99 of {CHANGES}", figure, "", "", "≤ 1 s")
    report(f"Reading and sending all, {what}, first request of a process", f"{max(first):.2f} s", "", "", "")
    report(f"Compiling all for OFREP, {what}, first request of a process", f"{max(single):.2f} s", "", "", "")
    report(f"Memory of a process that serves, {what}", f"{held:.0f} MB ({empty:.0f} MB before)", "", "", "")


def _seconds(client: Client, method: str, path: str, body: object = None) -> float:
    begun = time.perf_counter()
    status, _ = client.send(method, path, body, raw=True)
    assert status == 200, (path, status)
    return time.perf_counter() - begun


def _lateness(clients: list[Client], applications: list[Client]) -> list[float]:
    """Seconds from the response to a kill or restore until the last process serves it to an SDK."""
    numbers = [one.get("/sdk/splitChanges?s=1.3&since=-1&rbSince=-1")["ff"]["t"] for one in applications]
    late = []
    for change in range(CHANGES):
        status, said = clients[change % len(clients)].send("PUT", f"{PLACE}/{'restore' if change % 2 else 'kill'}")
        assert status == 200, said
        begun = time.perf_counter()
        for index, one in enumerate(applications):
            while not (told := one.get(f"/sdk/splitChanges?s=1.3&since={numbers[index]}&rbSince=-1")["ff"])["d"]:
                time.sleep(0.005)
            numbers[index] = told["t"]
        late.append(time.perf_counter() - begun)
    return late
