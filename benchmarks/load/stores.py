"""The stores of the load benchmark, Flagpost's processes on them, and the resources that both use."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

import sqlalchemy as sa
from tests.stores import PostgresServer

from benchmarks.stage import SECRET_KEY, cpu_seconds, free_port, program, resident_mb, wait_until_ready
from flagpost.app import open_database
from flagpost.settings import Settings
from flagpost.store.db import Database
from flagpost.store.schema.jira import jira_sites, outbox_entries

PUBLIC_URL = "http://flagpost.invalid"
_LONGEST_WAIT_SECONDS = 600.0
_BEHIND = sa.select(
    sa.exists().where(outbox_entries.c.latest_version > outbox_entries.c.delivered_version)
    | sa.exists().where(jira_sites.c.resync_requested_at > 0)
)


def environment(database_url: str, jira_url: str) -> dict[str, str]:
    """The settings of every process of one Flagpost."""
    return {
        "FLAGPOST_DATABASE_URL": database_url,
        "FLAGPOST_BASE_URL": PUBLIC_URL,
        "FLAGPOST_ATLASSIAN_API_URL": jira_url,
        "FLAGPOST_ALLOW_INSECURE_JIRA": "true",
        "FLAGPOST_SECRET_KEYS": SECRET_KEY,
        "FLAGPOST_LOG_LEVEL": "error",
    }


@dataclass(frozen=True, slots=True)
class Store:
    """A database: its name, address, size, and its server process, if any."""

    name: str
    url: str
    database: Database
    server: int | None
    size: Callable[[], int]

    def settle(self) -> None:
        """Wait until Jira has everything."""
        end = time.monotonic() + _LONGEST_WAIT_SECONDS
        while self._behind():
            assert time.monotonic() < end, "Jira has not heard of everything"
            time.sleep(0.1)

    def _behind(self) -> bool:
        with self.database.read() as tx:
            return bool(tx.scalar(_BEHIND))

    def cpu(self) -> float:
        """The CPU seconds of the database's own processes."""
        return cpu_seconds(self.server, children=True) if self.server else 0.0


@contextmanager
def sqlite(folder: Path, name: str) -> Iterator[Store]:
    """A SQLite file."""
    file = folder / f"{name}.db"
    database = open_database(Settings(database_url=f"sqlite:///{file}"))

    def size() -> int:
        with database.engine.connect() as connection:
            connection.exec_driver_sql("COMMIT")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        return file.stat().st_size

    yield Store("SQLite", f"sqlite:///{file}", database, None, size)
    database.close()


@contextmanager
def postgresql(template: PostgresServer, folder: Path) -> Iterator[Store]:
    """A database of a PostgreSQL server that runs for the benchmark."""
    with template.new_url() as url:
        database = Database(url)
        server = int((folder / "pgdata" / "postmaster.pid").read_text().split()[0])

        def size() -> int:
            with database.read() as tx:
                return int(tx.scalar(sa.text("SELECT pg_database_size(current_database())")) or 0)

        yield Store("PostgreSQL", url, database, server, size)
        database.close()


@dataclass(frozen=True, slots=True)
class Running:
    """Flagpost on a store: its address and its processes."""

    url: str
    store: Store
    processes: list[Popen[bytes]]

    def cpu(self) -> float:
        """The CPU seconds of all processes so far, the database included."""
        return sum(cpu_seconds(one.pid) for one in self.processes) + self.store.cpu()

    def memory_mb(self) -> list[float]:
        """The maximum memory of each process."""
        return [resident_mb(one, "VmHWM") for one in self.processes]


@contextmanager
def flagpost_on(store: Store, jira_url: str, workers: int) -> Iterator[Running]:
    """Run `flagpost serve` and so many workers. Without workers, it delivers itself."""
    port, values = free_port(), environment(store.url, jira_url)
    url = f"http://127.0.0.1:{port}"
    serve = ["-m", "flagpost", "serve", "--port", port, *(["--no-worker"] if workers else [])]
    with ExitStack() as stack:
        processes = [stack.enter_context(program(*serve, core=None, **values))]
        beside = (program("-m", "flagpost", "worker", core=None, **values) for _ in range(workers))
        processes += [stack.enter_context(worker) for worker in beside]
        wait_until_ready(url, "/readyz")
        yield Running(url, store, processes)


@contextmanager
def many_sites() -> Iterator[str]:
    """Run the stand-in for the Jira sites. Gives its address."""
    port = free_port()
    with program("-m", "benchmarks.load.many_sites", port, core=None):
        wait_until_ready(f"http://127.0.0.1:{port}", "/stand-in/counts")
        yield f"http://127.0.0.1:{port}"
