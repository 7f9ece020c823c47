"""Counts what applications are served, in memory, and adds it to the database a few times a second.

**No acknowledged count is lost.** An SDK drops its impressions once Flagpost has answered with success. If Flagpost
answered when the impressions were in memory, a crash before the next write would lose them. So the response waits for
the write: all requests that arrive within `FLUSH_SECONDS` share one transaction, and each is answered after its commit
(group commit). At whatever moment the process dies, a request was either answered, and then its counts are on disk; or
it was not, and the SDK sends them again. SDKs send in the background, so no user of the application waits. The
opposite remains: after a crash between the commit and the response, the SDK sends again what was already counted.
Flagpost cannot tell, because impressions carry no id.

**When the database is away**, waiting requests are answered with 503 and their counts are discarded: the SDKs keep
them, and send them again. So memory holds what arrived within one write, and at most `_MAX_SUMS` sums and `_MAX_BYTES`
of requests; beyond that, the response is 503 at once. One environment cannot use all of this room: everyone who has
the application knows its client-side key.

**What no request waits for** (`record`, for evaluations made here) is on disk after the next write. It stays in memory
while the database is away, and is lost with the process, or where there is no room.
"""

import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field

import structlog

from flagpost.errors import Unavailable
from flagpost.serving.impressions import SummedImpressions
from flagpost.store.db import Database, StoreError, Transaction
from flagpost.store.flags import impressions
from flagpost.store.flags.impressions import (
    DAY_MS,
    HOUR_MS,
    MAX_RECENT,
    RECENT_KEPT_MS,
    RecentImpression,
    Sum,
    SumKey,
)
from flagpost.telemetry.metrics import IMPRESSIONS, IMPRESSIONS_DROPPED

log = structlog.get_logger(__name__)

FLUSH_SECONDS = 0.2
_POLL_SECONDS = 1.0
_MINUTE, _HOUR = 60.0, 3600.0
_MAX_SUMS = 200_000
_MAX_SUMS_OF_ENVIRONMENT = 50_000
_MAX_BYTES = 64 * 1024 * 1024


def _pending() -> Future[None]:
    future: Future[None] = Future()
    future.set_running_or_notify_cancel()  # a request that gives up waiting must not cancel it for the others
    return future


@dataclass(slots=True)
class _Batch:
    """What arrived since the last write. Requests wait for the commit of `awaited`; none waits for `recorded`."""

    awaited: dict[SumKey, Sum] = field(default_factory=dict)
    recorded: dict[SumKey, Sum] = field(default_factory=dict)
    recent: dict[tuple[str, str], deque[RecentImpression]] = field(default_factory=dict)
    sums_by_environment: Counter[str] = field(default_factory=Counter)
    bytes: int = 0
    done: Future[None] = field(default_factory=_pending)

    def has_room(self, environment_id: str, more: int) -> bool:
        """Whether an environment can add so many new sums."""
        sums = self.sums_by_environment
        return sums[environment_id] + more <= _MAX_SUMS_OF_ENVIRONMENT and sums.total() + more <= _MAX_SUMS

    def add_awaited(self, environment_id: str, sums: Mapping[SumKey, Sum]) -> bool:
        """Add all of these sums, or none; whether there was room."""
        new = sum(key not in self.awaited for key in sums)
        if new and not self.has_room(environment_id, new):
            return False
        self.sums_by_environment[environment_id] += new
        _add_to(self.awaited, sums)
        return True

    def add_recorded(self, key: SumKey, one: Sum) -> bool:
        """Add this sum; whether there was room."""
        new = key not in self.recorded
        if new and not self.has_room(key.environment_id, 1):
            return False
        self.sums_by_environment[key.environment_id] += new
        _add_to(self.recorded, {key: one})
        return True

    def add_recent(self, environment_id: str, flag: str, recent: list[RecentImpression]) -> None:
        """Keep the newest of these for the live tail."""
        self.recent.setdefault((environment_id, flag), deque(maxlen=MAX_RECENT)).extend(recent)

    def all_sums(self) -> dict[SumKey, Sum]:
        """The awaited and the recorded sums together."""
        sums = dict(self.awaited)
        _add_to(sums, self.recorded)
        return sums


def _add_to(sums: dict[SumKey, Sum], more: Mapping[SumKey, Sum]) -> None:
    for key, one in more.items():
        sums[key] = sums[key] + one if key in sums else one


def _total(sums: Mapping[SumKey, Sum]) -> int:
    return sum(one.count for one in sums.values())


class ImpressionBuffer:
    """The counter of one process, for all of its threads. A thread of its own writes."""

    def __init__(self, db: Database, clock: Callable[[], int], keep_days: int) -> None:
        self._db = db
        self._clock = clock
        self._keep_ms = keep_days * DAY_MS
        self._lock = threading.Lock()
        self._has_work, self._stopping = threading.Event(), threading.Event()
        self._batch = _Batch()
        self._watched: Mapping[tuple[str, str], str] = {}
        self._dropped: Counter[str] = Counter()
        self._due: dict[Callable[[], None], float] = defaultdict(float)
        self._thread = threading.Thread(target=self._run, name="impressions", daemon=True)

    def start(self) -> None:
        """Start to write."""
        self._thread.start()

    def stop(self, seconds: float = 30.0) -> None:
        """Write what is in memory and stop, or give up after so many seconds. Nothing can be counted afterwards."""
        self._stopping.set()
        self._has_work.set()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def record(self, environment_id: str, flag: str, treatment: str, number: int = 1) -> None:
        """Count evaluations that were made here. Never waits and never fails; callable from any thread."""
        now = self._clock()
        key = SumKey(environment_id, flag, treatment, now // HOUR_MS * HOUR_MS)
        with self._lock:
            if not self._batch.add_recorded(key, Sum(number, now, now)):
                self._count_dropped("room", number)
        self._has_work.set()

    def sample(self, environment_id: str, flag: str, one: RecentImpression) -> None:
        """Add an evaluation that was made here to the live tail; call it only where `is_watched`."""
        with self._lock:
            self._batch.add_recent(environment_id, flag, [one])
        self._has_work.set()

    def is_watched(self, environment_id: str, flag: str) -> bool:
        """Whether a live tail of this flag is open, as of a second ago."""
        return (environment_id, flag) in self._watched

    def submit(self, environment_id: str, summed: SummedImpressions, size: int) -> "Future[None]":
        """Count a request of `size` bytes. Answer it when the future is done: its counts are on disk then.

        The future fails with Unavailable where the write failed. Unavailable is raised at once where there is no room.
        """
        sums = {SumKey(environment_id, *key): one for key, one in summed.sums.items()}
        with self._lock:
            batch = self._batch
            full = self._stopping.is_set() or batch.bytes + size > _MAX_BYTES
            if full or not batch.add_awaited(environment_id, sums):
                IMPRESSIONS.labels("refused").inc(_total(sums))
                raise Unavailable("There are too many impressions at once. Send them again in a moment.")
            batch.bytes += size
            for flag, recent in summed.recent.items():
                batch.add_recent(environment_id, flag, recent)
            for reason, number in summed.dropped.items():
                self._count_dropped(reason, number)
        self._has_work.set()
        return batch.done

    # The thread that writes --------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping.is_set():
            if self._has_work.wait(_POLL_SECONDS):
                self._stopping.wait(FLUSH_SECONDS)
                self.flush()
            self._run_every(_POLL_SECONDS, self._load_watched)
            self._run_every(_MINUTE, self._log_dropped)
            self._run_every(_MINUTE, self._delete_recent)
            self._run_every(_HOUR, self._delete_sums)
        self.flush()
        self._log_dropped()

    def flush(self) -> None:
        """Write what arrived since the last flush, and complete the future of the requests that wait for it."""
        with self._lock:
            self._has_work.clear()
            batch, self._batch = self._batch, _Batch()
        try:
            self._write(batch)
        except Exception as error:
            log.warning("impressions.not_written", sums=len(batch.awaited), error=str(error), exc_info=_trace_of(error))
            IMPRESSIONS.labels("refused").inc(_total(batch.awaited))
            batch.done.set_exception(Unavailable("The counts could not be stored. Send them again in a moment."))
            self._take_back(batch)
        else:
            batch.done.set_result(None)

    def _write(self, batch: _Batch) -> None:
        sums = batch.all_sums()
        if not sums and not batch.recent:
            return
        with self._db.write() as tx:
            unknown = impressions.add(tx, sums)
            self._add_recent(tx, batch)
        IMPRESSIONS.labels("kept").inc(_total(sums) - unknown)
        if unknown:
            with self._lock:
                self._count_dropped("flag", unknown)

    def _add_recent(self, tx: Transaction, batch: _Batch) -> None:
        for (environment_id, name), recent in sorted(batch.recent.items()):
            flag_id = self._watched.get((environment_id, name))
            if flag_id is not None:
                impressions.add_recent(tx, environment_id, flag_id, recent, self._clock())

    def _take_back(self, batch: _Batch) -> None:
        """Put the recorded sums of a failed write into the next one; senders repeat the awaited ones."""
        with self._lock:
            for key, one in batch.recorded.items():
                if not self._batch.add_recorded(key, one):
                    self._count_dropped("room", one.count)
            if batch.recorded:
                self._has_work.set()

    # Periodic work -----------------------------------------------------------------------------------------------

    def _run_every(self, seconds: float, work: Callable[[], None]) -> None:
        now = time.monotonic()
        if now < self._due[work]:
            return
        self._due[work] = now + seconds
        try:
            work()
        except Exception as error:
            task = work.__name__.removeprefix("_")
            log.warning("impressions.task_failed", task=task, error=str(error), exc_info=_trace_of(error))

    def _load_watched(self) -> None:
        with self._db.read() as tx:
            self._watched = impressions.watched(tx, self._clock())

    def _count_dropped(self, reason: str, number: int) -> None:
        """Note impressions that are not counted. The caller holds the lock."""
        self._dropped[reason] += number
        IMPRESSIONS_DROPPED.labels(reason).inc(number)

    def _log_dropped(self) -> None:
        """Log what was dropped: unknown `flag`, `treatment` too long, implausible `time`, no `room`."""
        with self._lock:
            dropped, self._dropped = self._dropped, Counter()
        if dropped:
            log.warning("impressions.dropped", **dropped)

    def _delete_recent(self) -> None:
        now = self._clock()
        with self._db.write() as tx:
            impressions.delete_recent(tx, now - RECENT_KEPT_MS, now)

    def _delete_sums(self) -> None:
        now, more = self._clock(), True
        while more and not self._stopping.is_set():
            with self._db.write() as tx:
                more = impressions.delete_sums(tx, now - self._keep_ms)


def _trace_of(error: Exception) -> bool:
    """Whether to log the traceback: not where the database is away, because the message says it all."""
    return not isinstance(error, StoreError)
