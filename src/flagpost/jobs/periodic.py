"""Work that repeats: each periodic task has a thread, a pace and a stable name of its own.

**One slow task delays no other.** A call to Jira can take 20 seconds, and a round of one task can make hundreds of
calls. Tasks that shared a thread would wait for each other, and a change that is scheduled for a minute would be
published when the slow task has finished. So each task waits in its own thread.

**One process at a time.** Where several processes work on one database, a task runs in one of them at a time. The lock
is named after the task. The name is therefore a contract between versions: during a rolling update the old version and
the new one exclude each other only if both call the task by one name. A name is never derived from the code (a class or
a function can be renamed), and once released it does not change.

**Waiting follows a clock that only moves forward.** A wait by the time of day would last an hour too long after the
host's clock was set back by an hour.
"""

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import structlog

from flagpost.telemetry.logging import as_request
from flagpost.telemetry.metrics import ENGINE_FAILURES

log = structlog.get_logger(__name__)

Lock = Callable[[str], AbstractContextManager[bool]]
"""Takes the lock of a name for a block and gives whether the block holds it (`Database.advisory_lock`)."""


@dataclass(frozen=True, slots=True)
class PeriodicTask:
    """A function that runs at the start and then again `interval_seconds` after each run has ended.

    `name` identifies the task in locks, logs and metrics, in every version. With `in_every_process`, the task takes no
    lock: each process runs its own.
    """

    name: str
    interval_seconds: float
    run: Callable[[], None]
    in_every_process: bool = False


class PeriodicThreads:
    """One thread for each task, from `start` until `stopping` is set.

    A task that raises is logged and counted, and runs again after its interval.
    """

    def __init__(self, tasks: Iterable[PeriodicTask], lock: Lock, stopping: threading.Event) -> None:
        self._lock = lock
        self._stopping = stopping
        self._threads = [
            threading.Thread(target=self._repeat, args=(task,), name=task.name, daemon=True) for task in tasks
        ]

    def start(self) -> None:
        """Run every task now, and then at its pace."""
        for thread in self._threads:
            thread.start()

    def join(self, ends_at: float) -> None:
        """Wait until the runs in hand have ended, or until `ends_at` (of `time.monotonic`)."""
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, ends_at - time.monotonic()))

    def alive(self) -> bool:
        """Whether every task still repeats."""
        return all(thread.is_alive() for thread in self._threads)

    def _repeat(self, task: PeriodicTask) -> None:
        failures = ENGINE_FAILURES.labels(task.name)
        while not self._stopping.is_set():
            try:
                self._run_once(task)
            except Exception:  # an error of one round must not end the task
                failures.inc()
                log.exception("jobs.periodic_task_failed", task=task.name)
            self._stopping.wait(task.interval_seconds)

    def _run_once(self, task: PeriodicTask) -> None:
        with as_request():
            if task.in_every_process:
                task.run()
                return
            with self._lock(f"periodic task {task.name}") as held:
                if held:
                    task.run()
