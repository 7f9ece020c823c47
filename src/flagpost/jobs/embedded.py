"""Deliveries in threads of this process: for SQLite, where one process is all there is.

One delivery an account at a time, at most one waiting. *Problem*: a wake may come while a delivery for the account is
running, just after it looked for the last time; dropping the wake would leave the change to the sweep, and starting a
second delivery would break the order. *Solution*: a wake during a run leaves a mark, and the run looks for that mark,
under the same lock, before it ends. If it is there, it runs once more. However many wakes come, there is one mark.

The sweep waits by a clock that only goes forward: one that went by the time of day would stand still for an hour when
the host's clock is set back by one, and nothing would be tried again meanwhile.
"""

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait

import structlog

from flagpost.store.jira.metrics import Queue
from flagpost.telemetry.metrics import ENGINE_FAILURES

log = structlog.get_logger(__name__)

_THREADS = 8


class EmbeddedEngine:
    """Runs `deliver(account_id, stopping)` in threads; `waiting()` names the accounts with something to deliver.

    `chores` are run as often as the sweep, each by itself and never twice at once.
    """

    def __init__(
        self,
        deliver: Callable[[str, Callable[[], bool]], None],
        waiting: Callable[[], Iterable[str]],
        sweep_seconds: float,
        chores: Iterable[Callable[[], None]] = (),
    ) -> None:
        self._deliver = deliver
        self._waiting = waiting
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="delivery")
        self._regular = [
            threading.Thread(target=self._repeat, args=(task, sweep_seconds), name="sweep", daemon=True)
            for task in (self.sweep, *chores)
        ]
        self._lock = threading.Lock()
        self._running: dict[str, Future[None]] = {}
        self._again: set[str] = set()
        self._stopping = threading.Event()

    def start(self) -> None:
        """Begin, with a sweep at once for whatever was left behind."""
        for thread in self._regular:
            thread.start()

    def stop(self, timeout: float = 30) -> None:
        """Finish the batches in hand, for at most `timeout` seconds, and begin nothing new."""
        self._stopping.set()
        end = time.monotonic() + timeout
        for thread in self._regular:
            if thread.is_alive():
                thread.join(max(0.0, end - time.monotonic()))  # a sweep in hand still holds a connection of the store
        with self._lock:
            running = list(self._running.values())
        wait(running, max(0.0, end - time.monotonic()))
        self._threads.shutdown(wait=False, cancel_futures=True)

    def wake(self, account_id: str) -> None:
        """Have this account's delivery run now, or once more after the run in hand."""
        with self._lock:
            if self._stopping.is_set():
                return
            if account_id in self._running:
                self._again.add(account_id)
            else:
                self._running[account_id] = self._threads.submit(self._run, account_id)

    def sweep(self) -> None:
        """Wake every account that has something to deliver: what makes a lost wake cost seconds only."""
        try:
            for account_id in self._waiting():
                self.wake(account_id)
        except Exception:
            ENGINE_FAILURES.labels("sweep").inc()
            log.exception("jobs.sweep_failed")

    def alive(self) -> bool:
        """Whether the sweep runs."""
        return not self._stopping.is_set() and all(thread.is_alive() for thread in self._regular)

    def queue(self) -> Queue:
        """This process is the only worker."""
        with self._lock:
            return Queue(workers=int(self.alive()), waiting=len(self._again), running=len(self._running))

    def _run(self, account_id: str) -> None:
        while True:
            try:
                self._deliver(account_id, self._stopping.is_set)
            except Exception:  # the sweep tries again; an engine that died would lose nothing but deliver nothing
                ENGINE_FAILURES.labels("delivery").inc()
                log.exception("jobs.delivery_failed", account=account_id)
            with self._lock:
                if account_id not in self._again or self._stopping.is_set():
                    del self._running[account_id]
                    return
                self._again.discard(account_id)

    def _repeat(self, task: Callable[[], None], seconds: float) -> None:
        while not self._stopping.is_set():
            try:
                task()
            except Exception:
                ENGINE_FAILURES.labels("chore").inc()
                log.exception("jobs.chore_failed")
            self._stopping.wait(seconds)
