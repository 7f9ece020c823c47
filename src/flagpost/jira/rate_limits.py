"""Staying below what Jira allows, so that it never has to refuse.

Atlassian counts in three systems, each of which answers 429 (`RateLimit-Reason` says which):

- **Bursts**, by site, endpoint and second: a token bucket. Ours holds less than Jira's and fills more slowly, so Jira's
  never runs empty, however much there is to send. One that is near its limit (`X-RateLimit-NearLimit`) is used at half
  the pace for a while; one that ran empty all the same is left alone for as long as Jira asks.
- **Points**, by app or credentials and hour: 65,000, of which a write costs one and a read one and one for each object.
  Ours gives out a little less in any hour. Once Jira says that they are used up, nothing at all is asked until the next
  hour: the caller notes that on the site, where every process sees it.
- **Writes to one issue**: 20 in 2 seconds and 100 in 30. Whether sending a flag counts as writing to its issues is not
  documented, so it is counted here as if it did, for each flag and each of its issues.

All of it is kept in the memory of the process that delivers. *Problem*: a process that takes over from another, because
that one died or because there are several, does not know what that one had just sent. *Solution*: it is told when the
site was last delivered to. If that was by another, it begins with empty buckets, and within the longest window allows
an issue only what is certain to be left. Points are counted by each process for itself; near the limit Jira says so to
all of them.
"""

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from flagpost.errors import JiraError
from flagpost.jira.client import Answer

BURST, ISSUE_WRITES = "jira-burst-based", "jira-per-issue-on-write"
_QUOTAS = frozenset({"jira-quota-global-based", "jira-quota-tenant-based"})
_POINTS = (20_000.0, 10.0)  # at once, and a second: at most 56,000 in any hour, of Atlassian's 65,000
_SLOW_SECONDS = 10.0
_LONGEST_CLOSED_SECONDS = 3600.0  # no limit of Jira's lasts longer
_ISSUE_WINDOWS = ((2.2, 18), (32.0, 90))  # seconds and writes; a little longer and fewer than Atlassian's
_AFTER_TAKE_OVER = 8  # in the longest window: 90 of Atlassian's 100 may have been used by the process before
_MOST_ISSUES = 50_000


class RateLimited(JiraError):
    """Jira's limits leave no room for this request just now."""

    permanent = False


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One operation of Jira's, with our own bucket for it: so many at once, and so many a second."""

    method: str
    name: str
    most: float
    per_second: float


BULK = Endpoint("POST", "bulk", 60, 80.0)
GET_FLAG = Endpoint("GET", "flag", 60, 80.0)
DELETE_FLAG = Endpoint("DELETE", "flag", 30, 40.0)
DELETE_BY_PROPERTIES = Endpoint("DELETE", "bulkByProperties", 30, 40.0)
GET_MYSELF = Endpoint("GET", "myself", 60, 80.0)
GET_PERMISSIONS = Endpoint("GET", "mypermissions", 60, 80.0)
GET_SITE = Endpoint("GET", "serverInfo", 60, 80.0)
GET_ISSUE = Endpoint("GET", "issue", 60, 80.0)
FETCH_ISSUES = Endpoint("POST", "bulkfetch", 60, 80.0)
_OF_DELIVERIES = (BULK, GET_FLAG, DELETE_FLAG, DELETE_BY_PROPERTIES)
_BURST_SECONDS = 2.0  # after which another process's bucket at Jira has filled up again


@dataclass
class TokenBucket:
    """A token bucket. One that holds less than Jira's and fills more slowly can never empty Jira's."""

    most: float
    per_second: float
    _left: float | None = None
    _at: float = 0.0

    def take(self, now: float, cost: float = 1.0, patience: float | None = None) -> float | None:
        """Take `cost`, and say how many seconds to wait before it is there.

        Where that is longer than `patience`, nothing is taken and the answer is None.
        """
        left = self.left(now)
        wait = max(0.0, (cost - left) / self.per_second)
        if patience is not None and wait > patience:
            return None
        self._left, self._at = left - cost, now
        return wait

    def left(self, now: float) -> float:
        """How much it holds; less than nothing where more was promised than was there."""
        return self.most if self._left is None else min(self.most, self._left + (now - self._at) * self.per_second)


class Limits:
    """What may be asked of Jira now, for every site; shared by all threads."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._paces: dict[tuple[str, Endpoint], TokenBucket] = {}
        self._points: defaultdict[str, TokenBucket] = defaultdict(lambda: TokenBucket(*_POINTS))
        self._slow_until: dict[tuple[str, Endpoint], float] = {}
        self._closed_until: dict[tuple[str, Endpoint], float] = {}
        self._writes: dict[str, SlidingWindow] = {}
        self._delivered: dict[str, int] = {}
        self._forget_at = 0.0

    def take_turn(
        self, cloud_id: str, pool: str, endpoint: Endpoint, *, points: float = 1, patience: float | None = None
    ) -> float | None:
        """Take a turn at an endpoint, and say how many seconds to wait for it.

        `pool` names whose points it costs. Where the wait is longer than `patience`, no turn is taken: None.
        """
        now, place = self._now(), (cloud_id, endpoint)
        with self._lock:
            closed = max(0.0, self._closed_until.get(place, 0.0) - now)
            if patience is not None and closed > patience:
                return None
            pace = self._paces.setdefault(place, TokenBucket(endpoint.most, endpoint.per_second))
            cost = 2.0 if self._slow_until.get(place, 0.0) > now else 1.0
            turn = pace.take(now, cost, patience)
            paid = None if turn is None else self._points[pool].take(now, points, patience)
        return None if turn is None or paid is None else max(closed, turn, paid)

    def ask(
        self,
        cloud_id: str,
        pool: str,
        endpoint: Endpoint,
        send: Callable[[], Answer],
        *,
        pause: Callable[[float], None],
        patience: float,
        points: float = 1,
    ) -> Answer:
        """Wait for a turn, send, and heed what the answer says. Raises what `send` raises.

        Busy where the turn is more than `patience` seconds away: then nothing was sent.
        """
        wait = self.take_turn(cloud_id, pool, endpoint, points=points, patience=patience)
        if wait is None:
            raise RateLimited
        if wait:
            pause(wait)
        answer = send()
        self.heed(cloud_id, endpoint, answer)
        return answer

    def heed(self, cloud_id: str, endpoint: Endpoint, answer: Answer) -> None:
        """Take in what an answer says of its endpoint's limit. A quota is for the caller to note: see `is_quota`."""
        place, now = (cloud_id, endpoint), self._now()
        with self._lock:
            if answer.near_limit:
                self._slow_until[place] = now + _SLOW_SECONDS
            if answer.status == 429 and not is_quota(answer):
                self._closed_until[place] = now + min(answer.retry_after or 2, _LONGEST_CLOSED_SECONDS)

    def begin_delivery(self, cloud_id: str, last_delivery: int | None, now: int) -> "SlidingWindow":
        """The count of writes to a site's issues, at the beginning of a delivery to it. Times are in milliseconds.

        Where another process delivered last, nothing is known of what it used up just before: see above. The
        same goes for a last delivery that is yet to come, because the clock was set back.
        """
        with self._lock:
            self._forget_old_writes()
            known = self._writes.get(cloud_id)
            if known is None or last_delivery not in (None, self._delivered.get(cloud_id)):
                since = None if last_delivery is None else max(0, now - last_delivery) / 1000
                known = self._writes[cloud_id] = SlidingWindow(self._now, since)
                self._take_over(cloud_id, since)
            return known

    def _forget_old_writes(self) -> None:
        """Else what is remembered would grow with every flag of every site. Looks at all sites, so not each time."""
        now = self._now()
        if now >= self._forget_at:
            self._forget_at = now + _ISSUE_WINDOWS[-1][0]
            for writes in self._writes.values():
                writes.forget_old()

    def note_delivery(self, cloud_id: str, now: int) -> None:
        """This process has just delivered to a site."""
        with self._lock:
            self._delivered[cloud_id] = now

    def _take_over(self, cloud_id: str, seconds_since_last: float | None) -> None:
        if seconds_since_last is not None and seconds_since_last < _BURST_SECONDS:
            for endpoint in _OF_DELIVERIES:
                empty = TokenBucket(endpoint.most, endpoint.per_second, 0.0, self._now())
                self._paces[cloud_id, endpoint] = empty


def is_quota(answer: Answer) -> bool:
    """Whether an hour's points are used up: nothing may be asked until the reset."""
    return answer.status == 429 and answer.reason in _QUOTAS


class SlidingWindow:
    """Counts the writes to each issue of a site, in Atlassian's two windows. Used by one delivery at a time."""

    def __init__(self, now: Callable[[], float], seconds_since_last: float | None) -> None:
        self._now = now
        self._times: defaultdict[str, list[float]] = defaultdict(list)
        self._lock = threading.Lock()  # forgetting may be asked for by the delivery to another site
        longest = _ISSUE_WINDOWS[-1][0]
        unknown = seconds_since_last is not None and seconds_since_last < longest
        self._careful_until = now() + longest if unknown else 0.0
        self._closed_until = now() + max(0.0, _ISSUE_WINDOWS[0][0] - (seconds_since_last or 0)) if unknown else 0.0

    def wait_for(self, issues: Collection[str], planned: Mapping[str, int]) -> float:
        """How many seconds until each of these issues may be written once more; 0: now.

        `planned` counts the writes, by issue, that will be noted before this one.
        """
        now = self._now()
        waits = (self._wait(self._times.get(issue, []), planned.get(issue, 0), now) for issue in issues)
        return max([self._closed_until - now, *waits, 0.0])

    def wait_for_each(self, told: Iterable[Collection[str]]) -> float:
        """How many seconds until flags with these issues may all go in one request; 0: now."""
        planned: Counter[str] = Counter()
        longest = 0.0
        for refs in told:
            longest = max(longest, self.wait_for(refs, planned))
            planned.update(refs)
        return longest

    def note(self, issues: Collection[str]) -> None:
        """Each of these is being written now."""
        now = self._now()
        if len(self._times) > _MOST_ISSUES:
            self.forget_old()
        with self._lock:
            for issue in issues:
                self._times[issue].append(now)

    def forget_old(self) -> None:
        """Drop the issues that were not written to within the longest window: no limit counts those writes any more."""
        begins = self._now() - _ISSUE_WINDOWS[-1][0]
        with self._lock:
            fresh = {issue: times for issue, times in self._times.items() if times and times[-1] > begins}
            self._times = defaultdict(list, fresh)

    def _wait(self, times: list[float], planned: int, now: float) -> float:
        longest, most = _ISSUE_WINDOWS[-1]
        while times and times[0] <= now - longest:
            del times[0]
        allowed = _AFTER_TAKE_OVER if now < self._careful_until else most
        windows = (*_ISSUE_WINDOWS[:-1], (longest, allowed))
        return max(_until_free(times, planned, writes, now - seconds) for seconds, writes in windows)


def _until_free(times: list[float], planned: int, writes: int, begins: float) -> float:
    """How long until a window that began at `begins` has room for one more than is planned."""
    room = writes - planned
    if room <= 0:
        return _ISSUE_WINDOWS[0][0]
    return max(0.0, times[-room] - begins) if len(times) >= room else 0.0
