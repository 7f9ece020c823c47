"""Staying below Jira's limits, so that Jira does not have to refuse a request.

Atlassian counts in three systems, each of which answers 429 (`RateLimit-Reason` says which):

- **Bursts**, by site, endpoint and second: a token bucket. Ours holds less than Jira's and fills more slowly, so Jira's
  never runs empty, however much there is to send. Where Jira says that its bucket is nearly empty
  (`X-RateLimit-NearLimit`), we send at half the rate for a while. Where it was empty all the same, we leave the
  endpoint alone for as long as Jira asks.
- **Points**, by app or credentials and hour: 65,000. A write costs one, a read one and one for each object. Ours gives
  out fewer in any hour. Once Jira says that they are used up, no request at all is sent until they are reset: the
  caller notes that on the site (`FailurePolicy.respect_quota`), where every process sees it.
- **Writes to one issue**: see `flagpost.jira.sliding_window`.

All of it is kept in the memory of the process that delivers. *Problem*: where another process takes over, because the
first one died or because there are several, it does not know what the first had just sent. *Solution*: the database
says when the site was last delivered to. Where that was by another process, the buckets are empty at first, and an
issue may be written only as often as the other process cannot have used up. Points are counted by each process for
itself; near the limit, Jira says so to all of them.

`docs/decisions/0014-rate-limits-of-our-own.md` says why this is our own code and not a library.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from flagpost.errors import JiraError
from flagpost.jira.response import JiraResponse
from flagpost.jira.sliding_window import LONGEST_SECONDS, SlidingWindow
from flagpost.jira.token_bucket import TokenBucket

_QUOTAS = frozenset({"jira-quota-global-based", "jira-quota-tenant-based"})
_POINTS = (20_000.0, 10.0)  # at once, and a second: at most 56,000 in any hour, of Atlassian's 65,000
_SLOW_SECONDS = 10.0
_LONGEST_CLOSED_SECONDS = 3600.0  # no limit of Jira's lasts longer


class RateLimited(JiraError):
    """Jira's limits leave no room for this request just now."""

    permanent = False


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One operation of Jira's, with the size of our bucket for it: tokens at most, and tokens a second."""

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
_BURST_SECONDS = 2.0  # after this long, Jira's bucket is full again


@dataclass(frozen=True, slots=True)
class Charge:
    """What a request is charged to: a site, one of its endpoints, and `points` of the hourly points named by `pool`."""

    cloud_id: str
    pool: str
    endpoint: Endpoint
    points: float = 1


class RateLimiter:
    """Decides when a request may go to Jira, for every site; shared by all threads."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._bursts: dict[tuple[str, Endpoint], TokenBucket] = {}
        self._points: defaultdict[str, TokenBucket] = defaultdict(lambda: TokenBucket(*_POINTS))
        self._slow_until: dict[tuple[str, Endpoint], float] = {}
        self._closed_until: dict[tuple[str, Endpoint], float] = {}
        self._writes: dict[str, SlidingWindow] = {}
        self._delivered: dict[str, int] = {}
        self._forget_at = 0.0

    # One request -------------------------------------------------------------------------------------------------

    def send(
        self,
        charge: Charge,
        send: Callable[[], JiraResponse],
        *,
        pause: Callable[[float], None],
        patience: float,
    ) -> JiraResponse:
        """Wait for a turn, send, and observe what the response says about limits. Raises what `send` raises.

        Raises RateLimited where the turn is more than `patience` seconds away; then nothing was sent.
        """
        wait = self.take_turn(charge, patience)
        if wait is None:
            raise RateLimited
        if wait:
            pause(wait)
        response = send()
        self.observe(charge.cloud_id, charge.endpoint, response)
        return response

    def take_turn(self, charge: Charge, patience: float | None = None) -> float | None:
        """Take a turn, and return how many seconds to wait for it.

        Where the wait is longer than `patience`, takes no turn and returns None.
        """
        now, place = self._now(), (charge.cloud_id, charge.endpoint)
        with self._lock:
            closed = max(0.0, self._closed_until.get(place, 0.0) - now)
            if patience is not None and closed > patience:
                return None
            bucket = self._bursts.setdefault(place, TokenBucket(charge.endpoint.most, charge.endpoint.per_second))
            cost = 2.0 if self._slow_until.get(place, 0.0) > now else 1.0
            turn = bucket.take(now, cost, patience)
            paid = None if turn is None else self._points[charge.pool].take(now, charge.points, patience)
        return None if turn is None or paid is None else max(closed, turn, paid)

    def observe(self, cloud_id: str, endpoint: Endpoint, response: JiraResponse) -> None:
        """Take in what a response says about its endpoint's limit. The caller notes a used-up quota: `is_quota`."""
        place, now = (cloud_id, endpoint), self._now()
        with self._lock:
            if response.near_limit:
                self._slow_until[place] = now + _SLOW_SECONDS
            if response.status == 429 and not is_quota(response):
                self._closed_until[place] = now + min(response.retry_after or 2, _LONGEST_CLOSED_SECONDS)

    # One delivery ------------------------------------------------------------------------------------------------

    def begin_delivery(self, cloud_id: str, last_delivery: int | None, now: int) -> SlidingWindow:
        """The count of writes to a site's issues, at the beginning of a delivery to it. Times are in milliseconds.

        Where another process made the last delivery, what it used up is not known: see above. A last delivery in the
        future, after the clock was set back, counts as one of another process.
        """
        with self._lock:
            self._forget_old_writes()
            known = self._writes.get(cloud_id)
            if known is None or last_delivery not in (None, self._delivered.get(cloud_id)):
                since = None if last_delivery is None else max(0, now - last_delivery) / 1000
                known = self._writes[cloud_id] = SlidingWindow(self._now, since)
                self._take_over(cloud_id, since)
            return known

    def note_delivery(self, cloud_id: str, now: int) -> None:
        """Note that this process has just delivered to a site."""
        with self._lock:
            self._delivered[cloud_id] = now

    def _forget_old_writes(self) -> None:
        """Keep the memory bounded: it would grow with every issue of every site. Visits all sites, so not each time."""
        now = self._now()
        if now >= self._forget_at:
            self._forget_at = now + LONGEST_SECONDS
            for writes in self._writes.values():
                writes.forget_old()

    def _take_over(self, cloud_id: str, seconds_since_last: float | None) -> None:
        if seconds_since_last is not None and seconds_since_last < _BURST_SECONDS:
            for endpoint in _OF_DELIVERIES:
                empty = TokenBucket.empty(endpoint.most, endpoint.per_second, self._now())
                self._bursts[cloud_id, endpoint] = empty


def is_quota(response: JiraResponse) -> bool:
    """Whether an hour's points are used up: then nothing may be requested until they are reset."""
    return response.status == 429 and response.rate_limit_reason in _QUOTAS
