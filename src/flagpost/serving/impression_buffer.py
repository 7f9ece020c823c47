"""Counts what applications are served, in memory, and adds it to the database a few times a second.

**No acknowledged count is lost.** An SDK drops its impressions once they were answered with success. If that answer
were given when they are in memory, a crash before the next write would lose them. So the answer waits for the write:
all requests that arrive within `FLUSH_SECONDS` share one transaction, and each is answered after its commit (group
commit). Whatever moment the process dies at, a request was either answered, and then its counts are on disk; or it was
not, and the SDK sends them again. SDKs send in the background, so nobody waits for it. What is left is the other way
round: a crash between the commit and the answer makes an SDK send what was counted already. That cannot be told apart,
since impressions carry no id.

**When the database is away** the requests that wait are answered with 503, and what they brought is forgotten: their
SDKs keep it, and send it again. So memory holds what came within one write, and no more of it than `_MOST_SUMS` sums
and `_MOST_BYTES` of requests; beyond, the answer is 503 at once. One environment cannot take all of it: a client-side
key is known to everybody.

**What nobody waits for** (`count`, of evaluations made here) is on disk at the next write, stays in memory while the
database is away, and is lost with the process, or where there is no room.
"""

import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field

import structlog

from flagpost.errors import Unavailable
from flagpost.serving.impressions import Impressions
from flagpost.store.db import Database, StoreError, Transaction
from flagpost.store.flags import impressions as traffic
from flagpost.store.flags.impressions import DAY_MS, HOUR_MS, MOST_RECENT, RECENT_KEPT_MS, Recent, Served, Sum
from flagpost.telemetry.metrics import IMPRESSIONS, IMPRESSIONS_DROPPED

log = structlog.get_logger(__name__)

FLUSH_SECONDS = 0.2
_LOOK_SECONDS = 1.0
_MINUTE, _HOUR = 60.0, 3600.0
_MOST_SUMS = 200_000
_MOST_SUMS_OF_ONE = 50_000
_MOST_BYTES = 64 * 1024 * 1024


def _unanswered() -> Future[None]:
    future: Future[None] = Future()
    future.set_running_or_notify_cancel()  # whoever stops waiting for it must not cancel it for the others
    return future


@dataclass(slots=True)
class _Batch:
    """What came since the last write. `awaited` has somebody waiting for its commit, `told` nobody."""

    awaited: dict[Served, Sum] = field(default_factory=dict)
    told: dict[Served, Sum] = field(default_factory=dict)
    recent: dict[tuple[str, str], deque[Recent]] = field(default_factory=dict)
    sums_of: Counter[str] = field(default_factory=Counter)
    bytes: int = 0
    done: Future[None] = field(default_factory=_unanswered)

    def has_room(self, environment_id: str, more: int) -> bool:
        """Whether so many new sums of an environment can be taken."""
        return self.sums_of[environment_id] + more <= _MOST_SUMS_OF_ONE and self.sums_of.total() + more <= _MOST_SUMS

    def wait_for(self, environment_id: str, sums: Mapping[Served, Sum]) -> bool:
        """Take all of these, or none; whether there was room."""
        new = sum(key not in self.awaited for key in sums)
        if new and not self.has_room(environment_id, new):
            return False
        self.sums_of[environment_id] += new
        _add_to(self.awaited, sums)
        return True

    def tell(self, key: Served, one: Sum) -> bool:
        """Take this one; whether there was room."""
        new = key not in self.told
        if new and not self.has_room(key.environment_id, 1):
            return False
        self.sums_of[key.environment_id] += new
        _add_to(self.told, {key: one})
        return True

    def both(self) -> dict[Served, Sum]:
        """All sums."""
        found = dict(self.awaited)
        _add_to(found, self.told)
        return found

    def show(self, place: tuple[str, str], impressions: list[Recent]) -> None:
        """Keep the newest for the live tail."""
        self.recent.setdefault(place, deque(maxlen=MOST_RECENT)).extend(impressions)


def _add_to(sums: dict[Served, Sum], more: Mapping[Served, Sum]) -> None:
    for key, one in more.items():
        sums[key] = sums[key] + one if key in sums else one


def _total(sums: Mapping[Served, Sum]) -> int:
    return sum(one.count for one in sums.values())


class ImpressionBuffer:
    """The counter of a process, for all of its threads; one thread of its own writes."""

    def __init__(self, db: Database, clock: Callable[[], int], keep_days: int) -> None:
        self._db = db
        self._clock = clock
        self._keep_ms = keep_days * DAY_MS
        self._lock = threading.Lock()
        self._something, self._stopping = threading.Event(), threading.Event()
        self._batch = _Batch()
        self._watched: Mapping[tuple[str, str], str] = {}
        self._dropped: Counter[str] = Counter()
        self._due: dict[Callable[[], None], float] = defaultdict(float)
        self._thread = threading.Thread(target=self._run, name="traffic", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self, seconds: float = 30.0) -> None:
        """Write what is there, and end, or give up after so many seconds. Nothing may be counted any more."""
        self._stopping.set()
        self._something.set()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def count(self, environment_id: str, flag: str, treatment: str, number: int = 1) -> None:
        """Flags were evaluated here: note it, and go on. Never waits, never fails; from any thread."""
        now = self._clock()
        key = Served(environment_id, flag, treatment, now // HOUR_MS * HOUR_MS)
        with self._lock:
            if not self._batch.tell(key, Sum(number, now, now)):
                self._drop("room", number)
        self._something.set()

    def show(self, environment_id: str, flag: str, one: Recent) -> None:
        """An evaluation made here, for the live tail; only where `is_watched`."""
        with self._lock:
            self._batch.show((environment_id, flag), [one])
        self._something.set()

    def is_watched(self, environment_id: str, flag: str) -> bool:
        """Whether somebody looks at this flag's impressions as they come; known a second late."""
        return (environment_id, flag) in self._watched

    def hear(self, environment_id: str, heard: Impressions, size: int) -> "Future[None]":
        """Count what a request of `size` bytes told; the answer may be given when this is done.

        It fails with Unavailable where it could not be kept, and that is raised at once where there is no room.
        """
        sums = {Served(environment_id, *key): one for key, one in heard.sums.items()}
        with self._lock:
            batch = self._batch
            full = self._stopping.is_set() or batch.bytes + size > _MOST_BYTES
            if full or not batch.wait_for(environment_id, sums):
                IMPRESSIONS.labels("refused").inc(_total(sums))
                raise Unavailable("There are too many impressions at once. Send them again in a moment.")
            batch.bytes += size
            for flag, impressions in heard.recent.items():
                batch.show((environment_id, flag), impressions)
            for reason, number in heard.dropped.items():
                self._drop(reason, number)
        self._something.set()
        return batch.done

    # The thread that writes --------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping.is_set():
            if self._something.wait(_LOOK_SECONDS):
                self._stopping.wait(FLUSH_SECONDS)
                self.flush()
            self._now_and_then(self._look, _LOOK_SECONDS)
            self._now_and_then(self._tell, _MINUTE)
            self._now_and_then(self._forget_recent, _MINUTE)
            self._now_and_then(self._forget_sums, _HOUR)
        self.flush()
        self._tell()

    def flush(self) -> None:
        """Write what came since the last time, and have it answered."""
        with self._lock:
            self._something.clear()
            batch, self._batch = self._batch, _Batch()
        try:
            self._keep(batch)
        except Exception as error:
            log.warning("traffic.not_kept", sums=len(batch.awaited), said=str(error), exc_info=_unless_known(error))
            IMPRESSIONS.labels("refused").inc(_total(batch.awaited))
            batch.done.set_exception(Unavailable("The counts could not be kept. Send them again in a moment."))
            self._take_back(batch)
        else:
            batch.done.set_result(None)

    def _keep(self, batch: _Batch) -> None:
        sums = batch.both()
        if not sums and not batch.recent:
            return
        with self._db.write() as tx:
            strange = traffic.keep(tx, sums)
            self._keep_recent(tx, batch)
        IMPRESSIONS.labels("kept").inc(_total(sums) - strange)
        if strange:
            with self._lock:
                self._drop("flag", strange)

    def _keep_recent(self, tx: Transaction, batch: _Batch) -> None:
        for (environment_id, name), impressions in sorted(batch.recent.items()):
            flag_id = self._watched.get((environment_id, name))
            if flag_id is not None:
                traffic.keep_recent(tx, environment_id, flag_id, impressions, self._clock())

    def _take_back(self, batch: _Batch) -> None:
        """Have the next write try again with what nobody waited for."""
        with self._lock:
            for key, one in batch.told.items():
                if not self._batch.tell(key, one):
                    self._drop("room", one.count)
            if batch.told:
                self._something.set()

    # Now and then ------------------------------------------------------------------------------------------------

    def _now_and_then(self, work: Callable[[], None], seconds: float) -> None:
        now = time.monotonic()
        if now < self._due[work]:
            return
        self._due[work] = now + seconds
        try:
            work()
        except Exception as error:
            log.warning("traffic.behind", work=work.__name__, said=str(error), exc_info=_unless_known(error))

    def _look(self) -> None:
        """Learn what is watched."""
        with self._db.read() as tx:
            self._watched = traffic.watched(tx, self._clock())

    def _drop(self, reason: str, number: int) -> None:
        """Note what is not counted, while holding the lock."""
        self._dropped[reason] += number
        IMPRESSIONS_DROPPED.labels(reason).inc(number)

    def _tell(self) -> None:
        """Log what was dropped: `flag` is not known, `treatment` is too long, `time` is far off, no `room`."""
        with self._lock:
            dropped, self._dropped = self._dropped, Counter()
        if dropped:
            log.warning("traffic.dropped", **dropped)

    def _forget_recent(self) -> None:
        now = self._clock()
        with self._db.write() as tx:
            traffic.forget_recent(tx, now - RECENT_KEPT_MS, now)

    def _forget_sums(self) -> None:
        now, more = self._clock(), True
        while more and not self._stopping.is_set():
            with self._db.write() as tx:
                more = traffic.forget_sums(tx, now - self._keep_ms)


def _unless_known(error: Exception) -> bool:
    """Whether to log where it came from: not of a database that is away, which says it all."""
    return not isinstance(error, StoreError)
