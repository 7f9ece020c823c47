"""The environments that this process serves, each kept in memory and refreshed within a second of a change.

One thread polls the database a few times a second for the last change number of each environment in memory. Where the
number rose, it reads what changed since. Requests are answered from memory meanwhile; only the first request for an
environment waits for the database. While the database is away, applications are served what was read last.
"""

import threading
from dataclasses import dataclass, field

import structlog

from flagpost.actions.context import Context
from flagpost.serving.environment import ServedEnvironment
from flagpost.store.db import StoreError
from flagpost.store.flags import change_log, snapshot

log = structlog.get_logger(__name__)

_POLL_SECONDS = 0.3


@dataclass
class Environments:
    """The environments in memory, shared by all threads."""

    ctx: Context
    _served: dict[str, ServedEnvironment] = field(default_factory=dict)
    _loading: threading.Lock = field(default_factory=threading.Lock)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Start to poll."""
        self._thread = threading.Thread(target=self._poll, name="serving", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop polling."""
        self._stopping.set()
        if self._thread:
            self._thread.join()

    def find(self, environment_id: str) -> ServedEnvironment | None:
        """The environment, if it is in memory."""
        return self._served.get(environment_id)

    def load(self, project_id: str, environment_id: str) -> ServedEnvironment:
        """The environment; the first call for it reads the database."""
        with self._loading:
            served = self._served.get(environment_id)
            if served is None:
                served = self._read(ServedEnvironment(project_id, environment_id))
                self._served[environment_id] = served
            return served

    def load_current(self, project_id: str, environment_id: str) -> ServedEnvironment:
        """The environment with every change that is committed, without waiting for the next poll."""
        served = self.load(project_id, environment_id)
        with self.ctx.db.read() as tx:
            number = change_log.numbers(tx, [environment_id]).get(environment_id, -1)
        return self._read(served) if number > served.change_number else served

    def refresh(self) -> None:
        """Read what changed since the last refresh, and drop the environments that were deleted."""
        served = dict(self._served)
        if not served:
            return
        with self.ctx.db.read() as tx:
            numbers = change_log.numbers(tx, list(served))
        for environment_id, one in served.items():
            if environment_id not in numbers:
                self._served.pop(environment_id, None)
            elif numbers[environment_id] > one.change_number:
                self._served[environment_id] = self._read(one)

    def _read(self, one: ServedEnvironment) -> ServedEnvironment:
        with self.ctx.db.read() as tx:
            return one.with_changes(snapshot.read(tx, one.project_id, one.id, one.change_number))

    def _poll(self) -> None:
        while not self._stopping.wait(_POLL_SECONDS):
            try:
                self.refresh()
            except StoreError as error:
                log.warning("serving.database_away", error=str(error))
            except Exception:
                log.exception("serving.failed")
