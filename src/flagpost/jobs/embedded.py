"""Deliveries in threads of this process: for SQLite, where one process does everything.

One delivery an account at a time, at most one waiting. *Problem*: a wake can come while a delivery for the account is
running, just after that delivery has read the outbox for the last time. Dropping the wake would leave the change to the
sweep, and starting a second delivery would break the order. *Solution*: a wake during a run sets a mark, and the run
looks for that mark, under the same lock, before it ends. If the mark is set, the delivery runs once more. However many
wakes come, there is one mark.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager

import structlog

from flagpost.jobs.periodic import PeriodicTask, PeriodicThreads
from flagpost.store.jira.metrics import Queue
from flagpost.telemetry.metrics import ENGINE_FAILURES

log = structlog.get_logger(__name__)

_THREADS = 8


class EmbeddedEngine:
    """Runs `deliver(account_id, stopping)` in threads. `waiting()` names the accounts with something to deliver.

    `tasks` run beside the deliveries. No two rounds of one task overlap.
    """

    def __init__(
        self,
        deliver: Callable[[str, Callable[[], bool]], None],
        waiting: Callable[[], Iterable[str]],
        sweep_seconds: float,
        tasks: Iterable[PeriodicTask] = (),
    ) -> None:
        self._deliver = deliver
        self._waiting = waiting
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="delivery")
        self._lock = threading.Lock()
        self._running: dict[str, Future[None]] = {}
        self._again: set[str] = set()
        self._stopping = threading.Event()
        sweep = PeriodicTask("sweep", sweep_seconds, self.sweep, in_every_process=True)
        self._periodic = PeriodicThreads([sweep, *tasks], _only_process, self._stopping)

    def start(self) -> None:
        """Start every task. The first sweep finds what earlier processes left."""
        self._periodic.start()

    def stop(self, timeout: float = 30) -> None:
        """Finish the batches in hand, for at most `timeout` seconds, and begin nothing new."""
        self._stopping.set()
        ends_at = time.monotonic() + timeout
        self._periodic.join(ends_at)  # a task in hand still holds a connection of the store
        with self._lock:
            running = list(self._running.values())
        wait(running, max(0.0, ends_at - time.monotonic()))
        self._threads.shutdown(wait=False, cancel_futures=True)

    def wake(self, account_id: str) -> None:
        """Run this account's delivery now, or once more after the run in hand."""
        with self._lock:
            if self._stopping.is_set():
                return
            if account_id in self._running:
                self._again.add(account_id)
            else:
                self._running[account_id] = self._threads.submit(self._run, account_id)

    def sweep(self) -> None:
        """Wake every account that has something to deliver. With this, a lost wake costs seconds and no data."""
        for account_id in self._waiting():
            self.wake(account_id)

    def alive(self) -> bool:
        """Whether the sweep and all tasks still repeat."""
        return not self._stopping.is_set() and self._periodic.alive()

    def queue(self) -> Queue:
        """How many deliveries wait and run. This process is the only worker."""
        with self._lock:
            return Queue(workers=int(self.alive()), waiting=len(self._again), running=len(self._running))

    def _run(self, account_id: str) -> None:
        while True:
            try:
                self._deliver(account_id, self._stopping.is_set)
            except Exception:  # the sweep wakes the account again
                ENGINE_FAILURES.labels("delivery").inc()
                log.exception("jobs.delivery_failed", account=account_id)
            with self._lock:
                if account_id not in self._again or self._stopping.is_set():
                    del self._running[account_id]
                    return
                self._again.discard(account_id)


@contextmanager
def _only_process(_name: str) -> Iterator[bool]:
    """On SQLite one process runs all tasks, and each task has one thread: there is nothing to exclude."""
    yield True
