"""Slowing guesses down, in this process's memory: an attacker who restarts Flagpost has other means."""

import threading
from collections import defaultdict, deque

from flagpost.errors import TooManyRequests

_WINDOW_MS = 10 * 60_000
_MOST_NAMES = 10_000


class Attempts:
    """Counts failed attempts in a sliding window of ten minutes, under any number of names, up to `most` each."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._times: defaultdict[str, deque[int]] = defaultdict(deque)
        self._lock = threading.Lock()

    def require_patience(self, now: int, *names: str) -> None:
        """TooManyRequests where any of these names failed too often."""
        with self._lock:
            for name in names:
                times = self._times[name]
                while times and times[0] <= now - _WINDOW_MS:
                    times.popleft()
                if len(times) >= self._most:
                    wait = (times[0] + _WINDOW_MS - now) // 1000 + 1
                    raise TooManyRequests(f"Too many attempts. Try again in {wait // 60 + 1} minutes.", wait)

    def note(self, now: int, *names: str) -> None:
        """One more failed, under each of these names."""
        with self._lock:
            if len(self._times) > _MOST_NAMES:
                self._times.clear()
            for name in names:
                self._times[name].append(now)

    def forget(self, name: str) -> None:
        """It worked: this name starts anew."""
        with self._lock:
            self._times.pop(name, None)
