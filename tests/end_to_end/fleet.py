"""Flagpost as it is run on each store: one process on SQLite; on PostgreSQL one that serves, and workers."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jira_sandbox.embedded import Sandbox
from tests.end_to_end.workers import Workers
from tests.end_to_end.world import Process, World


class Fleet:
    """All processes of one Flagpost, and the world that they are in."""

    def __init__(self, sandbox: Sandbox, database_url: str, count: int, how: dict[str, Any]) -> None:
        self.many = database_url.startswith("postgresql")
        options = ["--no-worker"] if self.many else []
        self.server = Process(sandbox, database_url, *options, **how)
        self.workers = Workers(sandbox, database_url)
        self._how = how
        self.server.start()
        if self.many:
            self.workers.start(count, **how)
        self.world = World(self.server.url, sandbox)

    def kill_and_start(self, which: int) -> str:
        """Kill one of the processes as a power cut would, and start one in its place; which kind it was."""
        which %= 1 + len(self.workers)
        if which == 0:
            self.server.kill()
            self.server.start()
            return "kill -9 of the serving process"
        self.kill_worker(which - 1)
        self.workers.start(**self._how)
        return "kill -9 of a worker"

    def kill_worker(self, number: int) -> None:
        """As a power cut would; none takes its place."""
        worker = self.workers.pop(number)
        worker.send(signal.SIGKILL)
        worker.end()

    @property
    def pids(self) -> list[int]:
        return [self.server.pid, *(worker.process.pid for worker in self.workers)]

    def close(self) -> None:
        self.world.close()
        self.server.stop()
        for worker in self.workers:
            worker.end()


@contextmanager
def fleet(sandbox: Sandbox, database_url: str, workers: int = 1, **how: Any) -> Iterator[Fleet]:
    """One that is connected with the sandbox and ends with the block."""
    found = Fleet(sandbox, database_url, workers, how)
    try:
        found.world.connect_jira()
        yield found
    finally:
        found.close()
