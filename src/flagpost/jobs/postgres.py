"""Deliveries by any number of processes on any number of hosts: for PostgreSQL, with procrastinate as the queue.

**One delivery an account at a time, at most one waiting.** A wake puts a job into the queue. The job's `lock` is the
account, so no two run at once; its `queueing_lock` is the account too, so no two wait: a second wake finds the first
one waiting, which will see what it came for, because a delivery reads the outbox when it begins.

**A worker that dies** leaves its job as running, and the lock with it. Workers tell every few seconds that they are
alive. Each looks for jobs whose worker has not told for a while and strikes them off; the sweep finds what is still to
be delivered, as after any lost wake. All of that takes less than half a minute, and nobody has to do anything.

**A worker that only seemed dead** (a host that was frozen, a network that was cut) would go on beside the one that took
over. So a delivery also holds a lock of PostgreSQL's, which ends with its connection: see `Database.alone`.

The queue is the alarm clock and not the truth: were it emptied, the sweep would fill it again from the outbox.
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

from flagpost.store.db import Database
from flagpost.telemetry.metrics import ENGINE_FAILURES

log = structlog.get_logger(__name__)

_SCHEMA = "flagpost_jobs"
_QUEUE, _DELIVER = "delivery", "deliver"
_AT_ONCE = 8
_HEARTBEAT_SECONDS, _DEAD_AFTER_SECONDS, _LOOK_SECONDS = 3.0, 12.0, 3.0
_BEGIN_AGAIN_SECONDS = 1.0  # after the database was away


class PostgresEngine:
    """Runs `deliver(account_id, stopping)` in whichever process is free; `waiting()` names those with work to do.

    `chores` run as often as the sweep, each in one process at a time. Without `works`, this process only wakes others.
    """

    def __init__(
        self,
        database: Database,
        deliver: Callable[[str, Callable[[], bool]], None],
        waiting: Callable[[], Iterable[str]],
        sweep_seconds: float,
        chores: Iterable[Callable[[], None]] = (),
        *,
        works: bool = True,
    ) -> None:
        self._database = database
        self._deliver = deliver
        self._waiting = waiting
        self._sweep_seconds = sweep_seconds
        self._chores = list(chores)
        self._works = works
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._worker: asyncio.Task[None] | None = None
        address: dict[str, Any] = {
            "conninfo": database.conninfo,
            "kwargs": {"options": f"-c search_path={_SCHEMA}"},
            "min_size": 1,
            "max_size": 4,
        }
        self._queue = procrastinate.App(connector=procrastinate.SyncPsycopgConnector(**address))
        self._work = procrastinate.App(connector=procrastinate.PsycopgConnector(**address))
        for app in (self._queue, self._work):
            app.task(queue=_QUEUE, name=_DELIVER)(self._run)

    def start(self) -> None:
        """Begin, with a sweep at once for whatever was left behind."""
        self._queue.open()
        if self._works:
            self._threads = [
                threading.Thread(target=self._work_until_stopped, name="worker", daemon=True),
                threading.Thread(target=self._sweep_until_stopped, name="sweep", daemon=True),
            ]
        for thread in self._threads:
            thread.start()

    def stop(self, timeout: float = 30) -> None:
        """Finish the batches in hand, for at most `timeout` seconds, and begin nothing new."""
        ends_at = time.monotonic() + timeout
        self._stopping.set()
        if self._loop and self._worker:
            with suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(self._worker.cancel)
        for thread in self._threads:
            thread.join(max(0.0, ends_at - time.monotonic()))
        self._queue.close()

    def wake(self, account_id: str) -> None:
        """Have this account's delivery run now, wherever there is a worker. May be lost: then the sweep does it."""
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
        """Whether deliveries would run, as far as this process can tell."""
        return not self._stopping.is_set() and all(thread.is_alive() for thread in self._threads)

    def queue(self) -> None:
        """It is in the database."""

    # Working -----------------------------------------------------------------------------------------------------

    def _run(self, account_id: str) -> None:
        try:
            with self._database.alone(f"delivery {account_id}") as alone:
                if alone:
                    self._deliver(account_id, self._stopping.is_set)
        except Exception:  # the sweep tries again; an engine that died would lose nothing but deliver nothing
            ENGINE_FAILURES.labels("delivery").inc()
            log.exception("jobs.delivery_failed", account=account_id)

    def _work_until_stopped(self) -> None:
        while not self._stopping.is_set():
            try:
                asyncio.run(self._work_for_a_while())
            except Exception as error:
                log.warning("jobs.worker_begins_again", error=str(error.__cause__ or error))
            self._stopping.wait(_BEGIN_AGAIN_SECONDS)

    async def _work_for_a_while(self) -> None:
        """Until told to stop, or until the database goes away."""
        async with self._work.open_async():
            self._loop = asyncio.get_running_loop()
            self._worker = asyncio.current_task()
            undertaker = asyncio.create_task(self._strike_off_the_dead())
            try:
                if not self._stopping.is_set():
                    await self._work.run_worker_async(
                        queues=[_QUEUE],
                        concurrency=_AT_ONCE,
                        delete_jobs="always",
                        fetch_job_polling_interval=self._sweep_seconds,
                        update_heartbeat_interval=_HEARTBEAT_SECONDS,
                        stalled_worker_timeout=_DEAD_AFTER_SECONDS,
                        install_signal_handlers=False,
                    )
            except asyncio.CancelledError:
                log.debug("jobs.worker_stopped")
            finally:
                undertaker.cancel()

    async def _strike_off_the_dead(self) -> None:
        """Take the jobs of workers that have gone from the queue, so that others may run for the same account."""
        jobs = self._work.job_manager
        while True:
            with suppress(ConnectorException):
                for job in await jobs.get_stalled_jobs(seconds_since_heartbeat=_DEAD_AFTER_SECONDS):
                    log.warning("jobs.taken_over", account=job.lock)
                    await jobs.finish_job_by_id_async(int(job.id or 0), Status.FAILED, delete_job=True)
            await asyncio.sleep(_LOOK_SECONDS)

    # The sweep ---------------------------------------------------------------------------------------------------

    def _sweep_until_stopped(self) -> None:
        while True:
            self._sweep()
            for chore in self._chores:
                self._do(chore)
            if self._stopping.wait(self._sweep_seconds):
                return

    def _sweep(self) -> None:
        try:
            for account_id in self._waiting():
                self.wake(account_id)
        except Exception:
            ENGINE_FAILURES.labels("sweep").inc()
            log.exception("jobs.sweep_failed")

    def _do(self, chore: Callable[[], None]) -> None:
        try:
            with self._database.alone(f"chore {chore.__qualname__}") as alone:
                if alone:
                    chore()
        except Exception:
            ENGINE_FAILURES.labels("chore").inc()
            log.exception("jobs.chore_failed")
