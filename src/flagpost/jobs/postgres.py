"""Deliveries by any number of processes on any number of hosts: for PostgreSQL, with procrastinate as the queue.

**One delivery an account at a time, at most one waiting.** A wake puts a job into the queue. The job's `lock` is the
account, so that no two run at once. Its `queueing_lock` is the account too, so that no two wait: a second wake finds
the first one waiting. One delivery is enough for both, because a delivery reads the outbox when it begins.

**A worker that dies** leaves its job as running, and the lock with it. Workers write a heartbeat every few seconds.
Each worker also looks for stalled jobs, whose worker has been silent for a while, and deletes them. The sweep finds
what is still to be delivered, as after any lost wake. That takes less than half a minute and needs no operator.

**A worker that only seemed dead** (a frozen host, a cut network) would go on beside the one that took over. So a
delivery also holds a lock of PostgreSQL's, which ends with its connection: see `Database.advisory_lock`.

The queue is the alarm clock and not the truth: if it were emptied, the sweep would fill it again from the outbox.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import procrastinate
import structlog
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException
from procrastinate.jobs import Status

from flagpost.jobs.periodic import PeriodicTask, PeriodicThreads
from flagpost.store.db import Database
from flagpost.telemetry.metrics import ENGINE_FAILURES

log = structlog.get_logger(__name__)

_SCHEMA = "flagpost_jobs"
_QUEUE, _DELIVER = "delivery", "deliver"
_AT_ONCE = 8
_HEARTBEAT_SECONDS, _STALLED_AFTER_SECONDS, _REAP_SECONDS = 3.0, 12.0, 3.0
_RESTART_SECONDS = 1.0  # after the database was away


class PostgresEngine:
    """Runs `deliver(account_id, stopping)` in any free worker. `waiting()` names the accounts with work to do.

    `tasks` run beside the deliveries, each in one process at a time. Without `works`, this process only wakes workers.
    """

    def __init__(
        self,
        database: Database,
        deliver: Callable[[str, Callable[[], bool]], None],
        waiting: Callable[[], Iterable[str]],
        sweep_seconds: float,
        tasks: Iterable[PeriodicTask] = (),
        *,
        works: bool = True,
    ) -> None:
        self._database = database
        self._deliver = deliver
        self._waiting = waiting
        self._sweep_seconds = sweep_seconds
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._work_until_stopped, name="worker", daemon=True)] if works else []
        sweep = PeriodicTask("sweep", sweep_seconds, self._sweep, in_every_process=True)
        self._periodic = PeriodicThreads([sweep, *tasks] if works else [], database.advisory_lock, self._stopping)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._worker: asyncio.Task[None] | None = None
        self._queue = procrastinate.App(connector=procrastinate.SyncPsycopgConnector(**_address(database)))
        self._work = procrastinate.App(connector=procrastinate.PsycopgConnector(**_address(database)))
        for app in (self._queue, self._work):
            app.task(queue=_QUEUE, name=_DELIVER)(self._run)

    def start(self) -> None:
        """Start working. The first sweep finds what earlier processes left."""
        self._queue.open()
        for thread in self._threads:
            thread.start()
        self._periodic.start()

    def stop(self, timeout: float = 30) -> None:
        """Finish the batches in hand, for at most `timeout` seconds, and begin nothing new."""
        ends_at = time.monotonic() + timeout
        self._stopping.set()
        if self._loop and self._worker:
            with suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(self._worker.cancel)
        for thread in self._threads:
            thread.join(max(0.0, ends_at - time.monotonic()))
        self._periodic.join(ends_at)
        self._queue.close()

    def wake(self, account_id: str) -> None:
        """Have a worker run this account's delivery soon. If the wake is lost, the sweep repeats it."""
        if self._stopping.is_set():
            return
        job = self._queue.configure_task(_DELIVER, lock=account_id, queueing_lock=account_id)
        try:
            job.defer(account_id=account_id)
        except AlreadyEnqueued:
            return
        except ConnectorException as error:
            log.warning("jobs.wake_lost", account=account_id, error=str(error.__cause__ or error))

    def alive(self) -> bool:
        """Whether this process would run a delivery; without `works`, whether it would wake a worker."""
        threads = all(thread.is_alive() for thread in self._threads)
        return not self._stopping.is_set() and threads and self._periodic.alive()

    def queue(self) -> None:
        """The queue is in the database."""

    # Working -----------------------------------------------------------------------------------------------------

    def _run(self, account_id: str) -> None:
        try:
            with self._database.advisory_lock(f"delivery {account_id}") as held:
                if held:
                    self._deliver(account_id, self._stopping.is_set)
        except Exception:  # the sweep wakes the account again
            ENGINE_FAILURES.labels("delivery").inc()
            log.exception("jobs.delivery_failed", account=account_id)

    def _work_until_stopped(self) -> None:
        while not self._stopping.is_set():
            try:
                asyncio.run(self._work_while_connected())
            except Exception as error:
                log.warning("jobs.worker_restarts", error=str(error.__cause__ or error))
            self._stopping.wait(_RESTART_SECONDS)

    async def _work_while_connected(self) -> None:
        """Work until the engine stops or the database goes away."""
        async with self._work.open_async():
            self._loop = asyncio.get_running_loop()
            self._worker = asyncio.current_task()
            stalled_job_reaper = asyncio.create_task(self._reap_stalled_jobs())
            try:
                if not self._stopping.is_set():
                    await self._work.run_worker_async(
                        queues=[_QUEUE],
                        concurrency=_AT_ONCE,
                        delete_jobs="always",
                        fetch_job_polling_interval=self._sweep_seconds,
                        update_heartbeat_interval=_HEARTBEAT_SECONDS,
                        stalled_worker_timeout=_STALLED_AFTER_SECONDS,
                        install_signal_handlers=False,
                    )
            except asyncio.CancelledError:
                log.debug("jobs.worker_stopped")
            finally:
                stalled_job_reaper.cancel()

    async def _reap_stalled_jobs(self) -> None:
        """Delete the jobs of silent workers from the queue, so that other workers can run for these accounts."""
        jobs = self._work.job_manager
        while True:
            with suppress(ConnectorException):
                for job in await jobs.get_stalled_jobs(seconds_since_heartbeat=_STALLED_AFTER_SECONDS):
                    log.warning("jobs.stalled_job_deleted", account=job.lock)
                    await jobs.finish_job_by_id_async(int(job.id or 0), Status.FAILED, delete_job=True)
            await asyncio.sleep(_REAP_SECONDS)

    def _sweep(self) -> None:
        for account_id in self._waiting():
            self.wake(account_id)


def _address(database: Database) -> dict[str, Any]:
    return {
        "conninfo": database.conninfo,
        "kwargs": {"options": f"-c search_path={_SCHEMA}"},
        "min_size": 1,
        "max_size": 4,
    }
