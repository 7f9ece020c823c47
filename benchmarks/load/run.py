"""`python -m benchmarks load`: throughput, delay and cost with many flags over many Jira sites.

A change is a kill or a restore through the Admin API, with a key of its account. It has arrived when the stand-in for
Jira has its version. At the end, every flag of the stand-in is compared with the version that Flagpost wants. No
process is kept on a core: the database, Flagpost, the stand-in and the clients share all cores.
"""

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from tests.stores import PostgresServer

from benchmarks.load.drive import Changes, delays
from benchmarks.load.fill import Account, fill
from benchmarks.load.final_state import require_equal
from benchmarks.load.stores import Running, Store, environment, flagpost_on, many_sites, postgresql, sqlite
from benchmarks.stage import Client, p50, percentile
from flagpost.app import context_on
from flagpost.jira.payload import MAX_FLAGS, bulk_request
from flagpost.jira.removal import properties
from flagpost.settings import Settings

SITES = int(os.environ.get("FLAGPOST_LOAD_SITES", "50"))
SIZES = [int(size) for size in os.environ.get("FLAGPOST_LOAD_FLAGS", "1000,10000").split(",")]
RATE = float(os.environ.get("FLAGPOST_LOAD_RATE", "20"))
SECONDS = float(os.environ.get("FLAGPOST_LOAD_SECONDS", "10"))
STORES = os.environ.get("FLAGPOST_LOAD_STORES", "sqlite,postgresql").split(",")
WORKERS = (1, 2)
_AT_ONCE = 8  # sites at once, as in Flagpost
COLUMNS = (
    "store",
    "flags",
    "change until in Jira, p50 / p99",
    "CPU, idle",
    "CPU of a change",
    "× the fewest flags",
    "changes taken",
    "all in Jira",
    "sent again",
    "bare client",
    "ratio (CPU)",
    "memory",
    "database",
)


@dataclass
class Row:
    """One line of the table. Times are in seconds, rates by the second."""

    store: str
    flags: int
    took: list[float]
    idle: float
    cpu_of_change: float
    taken: float
    through: float
    again: float
    bare: float
    cpu_ratio: float
    memory_mb: list[float]
    size: int

    def shown(self, fewest: "Row") -> str:
        """The line as the table shows it."""
        cells = (
            self.store,
            f"{self.flags:,}",
            f"{p50(self.took) * 1000:.0f} / {percentile(self.took, 0.99) * 1000:.0f} ms",
            f"{self.idle:.1%}",
            f"{self.cpu_of_change * 1000:.1f} ms",
            f"{self.cpu_of_change / fewest.cpu_of_change:.2f} ×",
            f"{self.taken:.0f} /s",
            f"{self.through:.0f} /s",
            f"{self.again:.0f} flags/s",
            f"{self.bare:.0f} flags/s",
            f"{self.again / self.bare:.2f} × ({self.cpu_ratio:.2f} ×)",
            " + ".join(f"{mb:.0f}" for mb in self.memory_mb) + " MB",
            f"{self.size / 1e6:.0f} MB ({self.size / self.flags / 1000:.1f} kB a flag)",
        )
        return line(cells)


def line(cells: Sequence[str]) -> str:
    """A line of the table."""
    return f"| {' | '.join(cells)} |"


def bench_load(folder: Path) -> None:
    """Measure every store with every number of flags, and print a table."""
    print(f"{SITES} sites; {RATE:g} changes/s for {SECONDS:g} s, then as many as are taken for {SECONDS:g} s.\n")
    print(line(COLUMNS), line(["---"] * len(COLUMNS)), sep="\n", flush=True)
    fewest: dict[str, Row] = {}
    with _stores(folder) as stores:
        for kind in stores:
            for count in SIZES:
                for row in _measure(kind(f"load-{count}"), count):
                    print(row.shown(fewest.setdefault(row.store, row)), flush=True)


@contextmanager
def _stores(folder: Path) -> Iterator[list[Any]]:
    """Functions that create a database of each store, by name."""
    found: list[Any] = [lambda name: sqlite(folder, name)] if "sqlite" in STORES else []
    template = PostgresServer(folder, durable=True) if "postgresql" in STORES else None
    if template:
        found.append(lambda _name: postgresql(template, folder))
    try:
        yield found
    finally:
        if template:
            template.stop()


def _measure(new_store: Any, count: int) -> Iterator[Row]:
    with many_sites() as jira_url, new_store as store:
        print(f"Filling {store.name} with {count} connected flags …", file=sys.stderr, flush=True)
        settings = _settings(store, jira_url)
        context = context_on(store.database, settings)
        accounts = fill(context, jira_url, SITES, count)
        context.jira.close()
        if store.server:
            _analyze(store)
        changes, jira = Changes(accounts), Client(jira_url)
        for workers in WORKERS if store.server else (0,):
            with flagpost_on(store, jira_url, workers) as running:
                row = _row(running, jira_url, jira, accounts, changes)
            require_equal(store.database, jira, accounts, changes.killed)
            row.store = f"{store.name}, {workers} worker{'s' * (workers > 1)}" if workers else store.name
            row.size = store.size()
            yield row
        jira.close()


def _settings(store: Store, jira_url: str) -> Settings:
    named = environment(store.url, jira_url).items()
    values: dict[str, Any] = {name.removeprefix("FLAGPOST_").lower(): value for name, value in named}
    return Settings(**values)


def _analyze(store: Store) -> None:
    """Do what autovacuum does a minute after such a fill."""
    with store.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")


def _row(running: Running, jira_url: str, jira: Client, accounts: Sequence[Account], changes: Changes) -> Row:
    count = sum(len(account.flag_ids) for account in accounts)
    again, cpu = _send_again(running, jira, accounts)
    bare, bare_cpu = _bare(jira_url, jira, accounts)
    jira.send("POST", "/stand-in/forget", {})
    idle = _idle(running)
    before, start = running.cpu(), time.time()
    made = changes.at_pace(running.url, RATE, SECONDS)
    running.store.settle()
    cpu_of_change = (running.cpu() - before - idle * (time.time() - start)) / len(made)
    took = delays(made, jira.get("/stand-in/log"))
    start = time.time()
    many = changes.flat_out(running.url, SECONDS)
    taken = len(many) / (time.time() - start)
    running.store.settle()
    through = len(many) / (jira.get("/stand-in/counts")["last_at"] - start)
    memory = running.memory_mb()
    rates = (taken, through, count / again, count / bare, bare_cpu / cpu)
    return Row("", count, took, idle, cpu_of_change, *rates, memory, 0)


def _idle(running: Running) -> float:
    """The CPU share of Flagpost while it is idle: sweeps, heartbeats."""
    before, start = running.cpu(), time.time()
    time.sleep(SECONDS)
    return (running.cpu() - before) / (time.time() - start)


def _send_again(running: Running, jira: Client, accounts: Sequence[Account]) -> tuple[float, float]:
    """Resync every account. Gives the seconds until the last flag has arrived, and the CPU seconds."""
    jira.send("POST", "/stand-in/forget", {})
    client, before, start = Client(running.url), running.cpu(), time.time()
    for account in accounts:
        status, said = client.send("POST", "/api/v1/jira/integration/resend", key=account.key)
        assert status == 202, (status, said)
    running.store.settle()
    client.close()
    return jira.get("/stand-in/counts")["last_at"] - start, running.cpu() - before


def _bare(jira_url: str, jira: Client, accounts: Sequence[Account]) -> tuple[float, float]:
    """Send the same requests, built before, by a bare client. Gives the seconds and the CPU seconds."""
    ready = [list(_requests(jira, account)) for account in accounts]
    jira.send("POST", "/stand-in/forget", {"enforced": False})
    headers = {"Authorization": "Bearer token", "Content-Type": "application/json"}
    with httpx2.Client(base_url=jira_url, headers=headers, trust_env=False) as bare:

        def tell(number: int) -> None:
            path = f"/ex/jira/{accounts[number].cloud_id}/rest/featureflags/0.1/bulk"
            for content in ready[number]:
                assert bare.post(path, content=content).status_code == 202

        start, cpu = time.perf_counter(), time.process_time()
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(tell, range(len(accounts))))
        return time.perf_counter() - start, time.process_time() - cpu


def _requests(jira: Client, account: Account) -> Iterator[bytes]:
    flags = [json.loads(flag) for flag in jira.get(f"/stand-in/flags?cloud={account.cloud_id}").values()]
    for start in range(0, len(flags), MAX_FLAGS):
        named = properties(account.id, account.project_id)
        yield json.dumps(bulk_request(flags[start : start + MAX_FLAGS], named)).encode()
