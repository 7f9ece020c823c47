"""Limits on failed attempts: they slow down an attacker who guesses passwords or codes.

The counts are in the memory of the process and end with it: an attacker who can restart Flagpost needs no password.

The memory is bounded. *Problem*: the names come from outside, so an attacker can invent any number of them. Dropping
all counts at a limit would let the attacker reset the count of a chosen account by failing under many other names.
*Solution*: the names are kept in the order of their last failure, and only the oldest are dropped.
"""

import threading
from collections import OrderedDict

from flagpost.errors import TooManyRequests

_WINDOW_MS = 10 * 60_000
_MAX_NAMES = 50_000  # about 15 MB


class FailedAttempts:
    """Counts the failures of each name in a sliding window of ten minutes, and refuses a name that has `limit` of them.

    Remembers the `max_names` names that failed last. All times are milliseconds since 1970. Safe to share by threads.
    """

    def __init__(self, limit: int, max_names: int = _MAX_NAMES) -> None:
        self._limit = limit
        self._max_names = max_names
        self._failures: OrderedDict[str, tuple[int, ...]] = OrderedDict()
        self._lock = threading.Lock()

    def require_allowed(self, now: int, *names: str) -> None:
        """Raise TooManyRequests, with the seconds to wait, if one of these names has reached the limit."""
        with self._lock:
            for name in names:
                recent = self._recent(name, now)
                if len(recent) >= self._limit:
                    wait = (recent[0] + _WINDOW_MS - now) // 1000 + 1
                    raise TooManyRequests(f"Too many attempts. Try again in {wait // 60 + 1} minutes.", wait)

    def record(self, now: int, *names: str) -> None:
        """Count one failure under each of these names."""
        with self._lock:
            for name in names:
                self._failures[name] = (*self._recent(name, now), now)[-self._limit :]
                self._failures.move_to_end(name)
            while len(self._failures) > self._max_names:
                self._failures.popitem(last=False)

    def reset(self, name: str) -> None:
        """Forget the failures of a name, after an attempt that succeeded."""
        with self._lock:
            self._failures.pop(name, None)

    def _recent(self, name: str, now: int) -> tuple[int, ...]:
        return tuple(time for time in self._failures.get(name, ()) if time > now - _WINDOW_MS)
