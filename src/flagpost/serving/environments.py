"""The environments that this process serves, each kept in memory and brought up to date within a second of a change.

One thread asks the database a few times a second for the last number of each environment that somebody has asked for,
and reads what came after it where it rose. Whoever asks meanwhile is answered with what was known a moment ago: no
request ever waits for the database, but for the first one of an environment. While the database is away, what was
known goes on being served.
"""

import threading
from dataclasses import dataclass, field

import structlog

from flagpost.actions.context import Context
from flagpost.serving.environment import ServedEnvironment
from flagpost.store.db import StoreError
from flagpost.store.flags import change_log, snapshot

log = structlog.get_logger(__name__)

_LOOK_EVERY_SECONDS = 0.3


@dataclass
class Environments:
    """Shared by all threads."""

    ctx: Context
    _served: dict[str, ServedEnvironment] = field(default_factory=dict)
    _loading: threading.Lock = field(default_factory=threading.Lock)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Number what an older version changed, and begin to look for changes."""
        with self.ctx.db.read() as tx:
            missed = change_log.missed(tx)
        if missed:
            with self.ctx.db.write() as tx:
                change_log.catch_up(tx, self.ctx.clock())
        self._thread = threading.Thread(target=self._look_again, name="serving", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the looking."""
        self._stopping.set()
        if self._thread:
            self._thread.join()

    def in_memory(self, environment_id: str) -> ServedEnvironment | None:
        """The environment, if it was asked for before."""
        return self._served.get(environment_id)

    def load(self, project_id: str, environment_id: str) -> ServedEnvironment:
        """The environment, read from the database where this process has not served it yet."""
        with self._loading:
            known = self._served.get(environment_id)
            if known is None:
                known = self._read(ServedEnvironment(project_id, environment_id))
                self._served[environment_id] = known
            return known

    def as_of_now(self, project_id: str, environment_id: str) -> ServedEnvironment:
        """The environment with everything that was saved until now, without waiting for the next look."""
        known = self.load(project_id, environment_id)
        with self.ctx.db.read() as tx:
            number = change_log.numbers(tx, [environment_id]).get(environment_id, -1)
        return self._read(known) if number > known.number else known

    def bring_up_to_date(self) -> None:
        """Read what changed since the last look; environments that are gone are served no more."""
        served = dict(self._served)
        if not served:
            return
        with self.ctx.db.read() as tx:
            numbers = change_log.numbers(tx, list(served))
        for environment_id, one in served.items():
            if environment_id not in numbers:
                self._served.pop(environment_id, None)
            elif numbers[environment_id] > one.number:
                self._served[environment_id] = self._read(one)

    def _read(self, one: ServedEnvironment) -> ServedEnvironment:
        with self.ctx.db.read() as tx:
            return one.with_changes(snapshot.read(tx, one.project_id, one.id, one.number))

    def _look_again(self) -> None:
        while not self._stopping.wait(_LOOK_EVERY_SECONDS):
            try:
                self.bring_up_to_date()
            except StoreError as error:
                log.warning("serving.database_away", said=str(error))
            except Exception:
                log.exception("serving.failed")
