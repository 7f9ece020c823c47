"""Changes of flags through the Admin API, with a key for each account, and the times when Jira had them."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from benchmarks.load.fill import Account
from benchmarks.stage import Client

_CONNECTIONS = 16


@dataclass(frozen=True, slots=True)
class Change:
    """A kill or restore: when it was due, and when it was sent, in seconds since 1970."""

    flag_id: str
    due: float
    sent: float


class Changes:
    """Kills and restores flag after flag, account after account, and records which flags are killed."""

    def __init__(self, accounts: Sequence[Account]) -> None:
        self._accounts = accounts
        self._turn = self._turns()
        self._lock = threading.Lock()
        self.killed: set[str] = set()

    def at_pace(self, url: str, per_second: float, seconds: float) -> list[Change]:
        """Send so many a second, however long each takes. A change that queues counts as late from its due time."""
        count, start = int(per_second * seconds), time.time() + 0.1
        numbers = iter(range(count))

        def next_due() -> float | None:
            with self._lock:
                number = next(numbers, None)
            return None if number is None else start + number / per_second

        return self._drive(url, next_due)

    def flat_out(self, url: str, seconds: float) -> list[Change]:
        """Send as many as the Admin API accepts on some connections."""
        end = time.time() + seconds

        def next_due() -> float | None:
            now = time.time()
            return now if now < end else None

        return self._drive(url, next_due)

    def _drive(self, url: str, next_due: Callable[[], float | None]) -> list[Change]:
        def work(_connection: int) -> list[Change]:
            client, done = Client(url), []
            while (due := next_due()) is not None:
                time.sleep(max(0.0, due - time.time()))
                done.append(self._change(client, due))
            client.close()
            return done

        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            return [change for some in pool.map(work, range(_CONNECTIONS)) for change in some]

    def _change(self, client: Client, due: float) -> Change:
        with self._lock:
            account, name, flag_id = next(self._turn)
            kill = flag_id not in self.killed
            (self.killed.add if kill else self.killed.discard)(flag_id)
        place = f"/internal/api/v2/splits/ws/{account.project_id}/{name}/environments/Production"
        sent = time.time()
        status, said = client.send("PUT", f"{place}/{'kill' if kill else 'restore'}", key=account.key)
        assert status == 200, (status, said)
        return Change(flag_id, due, sent)

    def _turns(self) -> Iterator[tuple[Account, str, str]]:
        names = list(self._accounts[0].flag_ids)
        while True:
            for name in names:
                for account in self._accounts:
                    yield account, name, account.flag_ids[name]


def delays(changes: Sequence[Change], log: Sequence[tuple[str, int, float]]) -> list[float]:
    """The seconds from when each change was due until Jira had it.

    A version is at least the time of the change that raised it, so the first arrival with a version no older than the
    request is the one that brought it. `log`: the flag, the version and the time of every arrival, in order.
    """
    arrived: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
    for flag_id, version, at in log:
        arrived[flag_id].append((version, at))
    return [
        next(at for version, at in arrived[change.flag_id] if version >= int(change.sent * 1000)) - change.due
        for change in changes
    ]
