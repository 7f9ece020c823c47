"""Counting writes to each issue in sliding windows, so that no issue is written more often than Jira allows.

Atlassian allows 20 writes to one issue in 2 seconds and 100 in 30. Whether a flag that is sent counts as a write to its
issues is not documented, so each flag is counted as one write to each of its issues.
"""

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping

_WINDOWS = ((2.2, 18), (32.0, 90))  # seconds and writes: a little longer and fewer than Atlassian's
LONGEST_SECONDS = _WINDOWS[-1][0]
"""A write is counted for this long."""

_AFTER_TAKE_OVER = 8  # in the longest window: the process before may have used 90 of Atlassian's 100
_MOST_ISSUES = 50_000


class SlidingWindow:
    """The writes to the issues of one site. Used by one delivery at a time.

    `seconds_since_last`: how long ago another process delivered to the site, whose writes are unknown here. Within the
    longest window since then, it allows only what that process cannot have used up. None where there was none.
    """

    def __init__(self, now: Callable[[], float], seconds_since_last: float | None) -> None:
        self._now = now
        self._times: defaultdict[str, list[float]] = defaultdict(list)
        self._lock = threading.Lock()  # the delivery to another site may call `forget_old`
        unknown = seconds_since_last is not None and seconds_since_last < LONGEST_SECONDS
        self._careful_until = now() + LONGEST_SECONDS if unknown else 0.0
        self._closed_until = now() + max(0.0, _WINDOWS[0][0] - (seconds_since_last or 0)) if unknown else 0.0

    def wait_for(self, issues: Collection[str], planned: Mapping[str, int]) -> float:
        """How many seconds until each of these issues may be written once more; 0: now.

        `planned` counts the writes, by issue, that will be noted before this one.
        """
        now = self._now()
        waits = (self._wait(self._times.get(issue, []), planned.get(issue, 0), now) for issue in issues)
        return max([self._closed_until - now, *waits, 0.0])

    def wait_for_each(self, flags: Iterable[Collection[str]]) -> float:
        """How many seconds until flags with these issues may all go in one request; 0: now."""
        planned: Counter[str] = Counter()
        longest = 0.0
        for issues in flags:
            longest = max(longest, self.wait_for(issues, planned))
            planned.update(issues)
        return longest

    def note(self, issues: Collection[str]) -> None:
        """Count a write to each of these issues, now."""
        now = self._now()
        if len(self._times) > _MOST_ISSUES:
            self.forget_old()
        with self._lock:
            for issue in issues:
                self._times[issue].append(now)

    def forget_old(self) -> None:
        """Drop the issues without a write in the longest window, whose writes no limit counts any more."""
        begins = self._now() - LONGEST_SECONDS
        with self._lock:
            fresh = {issue: times for issue, times in self._times.items() if times and times[-1] > begins}
            self._times = defaultdict(list, fresh)

    def _wait(self, times: list[float], planned: int, now: float) -> float:
        longest, most = _WINDOWS[-1]
        while times and times[0] <= now - longest:
            del times[0]
        allowed = _AFTER_TAKE_OVER if now < self._careful_until else most
        windows = (*_WINDOWS[:-1], (longest, allowed))
        return max(_until_free(times, planned, writes, now - seconds) for seconds, writes in windows)


def _until_free(times: list[float], planned: int, writes: int, begins: float) -> float:
    """How long until a window that began at `begins` has room for one write more than is planned."""
    room = writes - planned
    if room <= 0:
        return _WINDOWS[0][0]
    return max(0.0, times[-room] - begins) if len(times) >= room else 0.0
