"""Jira's three rate limits, enforced as Atlassian documents them, and what callers do against them, noted as breaches.

*Bursts*: a token bucket for each endpoint and method, by the second. *Points*: a base of one a request and one for each
object that is read, by the hour; API tokens are exempt. *Writes to one issue*: in two windows. Whether sending a flag
counts as writing to its issues is not documented: `count_flag_writes` decides.

https://developer.atlassian.com/cloud/jira/platform/rate-limiting/
"""

import json
import time
from collections import defaultdict, deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from starlette.responses import JSONResponse, Response

from jira_sandbox.state import Settings, World
from jira_sandbox.validation import MAX_FLAGS

BURST, QUOTA, ISSUE_WRITES = "jira-burst-based", "jira-quota-tenant-based", "jira-per-issue-on-write"
_QUOTAS = (QUOTA, "jira-quota-global-based")
_TOLERANCE = 0.05  # seconds: a call may have been on its way already
_NEAR = 0.2


@dataclass(frozen=True, slots=True)
class Call:
    """A request as the limits see it. `caller`: whom its proof speaks for; `basic`: that was an API token."""

    method: str
    endpoint: str
    caller: str
    basic: bool
    body: Any

    @property
    def place(self) -> tuple[str, str, str]:
        """What Jira counts together, for one caller."""
        return self.caller, self.method, self.endpoint


def call_of(method: str, path: str, caller: str, basic: bool, raw: bytes) -> Call:
    """The call that a request is; ids of flags and keys of issues make no endpoint of their own."""
    parts = path.rstrip("/").split("/")
    for container in ("flag", "issue"):
        if container in parts[:-1] and parts[-1] != "bulkfetch":
            return Call(method, container, caller, basic, None)
    return Call(method, parts[-1], caller, basic, _parsed(raw) if method == "POST" else None)


def _parsed(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


class Bucket:
    """A token bucket: so many requests a second, and as many at once."""

    def __init__(self) -> None:
        self._left: float | None = None
        self._at = 0.0

    def take(self, rate: float, now: float) -> float:
        """Take one where there is one, and say how many are left; less than 0: there was none."""
        left = rate if self._left is None else min(rate, self._left + (now - self._at) * rate)
        self._at = now
        self._left = left - 1 if left >= 1 else left
        return left - 1


class Limits:
    """Counts the calls of a site, refuses those above a limit, and says how near the next one is."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.forget()

    def forget(self) -> None:
        """As if nobody had called yet."""
        self._resets = self._world.resets
        self._buckets: defaultdict[tuple[str, str], Bucket] = defaultdict(Bucket)
        self._points: dict[str, tuple[float, float]] = {}
        self._writes: defaultdict[str, deque[float]] = defaultdict(deque)
        self._wait_until: dict[tuple[str, str, str], float] = {}
        self._silent_until: dict[str, float] = {}

    def refuse(self, call: Call) -> Response | None:
        """Jira's refusal where the call is above a limit; None where it may pass, which is counted."""
        now = time.monotonic()
        with self._world.lock:
            if self._resets != self._world.resets:
                self.forget()
            self._note_impatience(call, now)
            refusal = (
                self._burst_refusal(call, now) or self._points_refusal(call, now) or self._writes_refusal(call, now)
            )
        if refusal:
            reason = refusal.headers["RateLimit-Reason"]
            self._world.breach("rate limit", reason=reason, method=call.method, endpoint=call.endpoint)
        return refusal

    def heed(self, call: Call, status: int, headers: dict[str, str]) -> None:
        """Note what the caller was asked to wait for, by whichever answer it got."""
        wait = headers.get("retry-after", "")
        if status not in (429, 503) or not wait.isdigit():
            return
        until = time.monotonic() + int(wait)
        self._wait_until[call.place] = until
        if headers.get("ratelimit-reason") in _QUOTAS:
            self._silent_until[call.caller] = until

    def headers(self, call: Call) -> dict[str, str]:
        """What every answer says of the limits (Atlassian: X-RateLimit-…, and the structured ones in beta)."""
        rate = rate_of(call, self._world.settings)
        bucket = self._buckets[call.method, call.endpoint]
        left = max(0, int(rate if bucket._left is None else bucket._left))
        found = {"X-RateLimit-Limit": f"{rate:g}", "X-RateLimit-Remaining": str(left)}
        settings, (began, spent) = self._world.settings, self._window(call, time.monotonic())
        points = settings.points_per_hour - spent
        if left < rate * _NEAR or (not call.basic and points < settings.points_per_hour * _NEAR):
            found["X-RateLimit-NearLimit"] = "true"
        if not call.basic:
            rest = int(began + settings.quota_window_seconds - time.monotonic())
            window = f"{settings.quota_window_seconds:g}"
            found["Beta-RateLimit-Policy"] = f'"tenant-app-quota";q={settings.points_per_hour};w={window}'
            found["Beta-RateLimit"] = f'"tenant-app-quota";r={max(0, int(points))};t={max(0, rest)}'
        return found

    def _note_impatience(self, call: Call, now: float) -> None:
        if now < self._silent_until.get(call.caller, 0.0) - _TOLERANCE:
            self._world.breach("called before the quota's reset", method=call.method, endpoint=call.endpoint)
        elif now < self._wait_until.get(call.place, 0.0) - _TOLERANCE:
            self._world.breach("called before Retry-After", method=call.method, endpoint=call.endpoint)

    def _burst_refusal(self, call: Call, now: float) -> Response | None:
        left = self._buckets[call.method, call.endpoint].take(rate_of(call, self._world.settings), now)
        return too_many(1, BURST) if left < 0 else None

    def _window(self, call: Call, now: float) -> tuple[float, float]:
        """When the present hour began for a caller, and what it has spent since."""
        began, spent = self._points.get(call.caller, (now, 0.0))
        return (began, spent) if now - began < self._world.settings.quota_window_seconds else (now, 0.0)

    def _points_refusal(self, call: Call, now: float) -> Response | None:
        settings = self._world.settings
        if call.basic or (call.caller.startswith("oauth:") and not settings.oauth_counts_points):
            return None
        began, spent = self._window(call, now)
        if spent + points_of(call) > settings.points_per_hour:
            return too_many(max(1, int(began + settings.quota_window_seconds - now + 1)), QUOTA)
        self._points[call.caller] = (began, spent + points_of(call))
        return None

    def _writes_refusal(self, call: Call, now: float) -> Response | None:
        settings = self._world.settings
        if not settings.count_flag_writes or (call.method, call.endpoint) != ("POST", "bulk"):
            return None
        written = self._written(call)
        windows = ((2.0, settings.issue_writes_2s), (30.0, settings.issue_writes_30s))
        for issue in set(written):
            times = self._writes[issue]
            while times and times[0] <= now - 30:
                times.popleft()
            for seconds, most in windows:
                if sum(one > now - seconds for one in times) + written.count(issue) > most:
                    return too_many(int(seconds), ISSUE_WRITES)
        for issue in written:
            self._writes[issue].append(now)
        return None

    def _written(self, call: Call) -> list[str]:
        """The issues that a submit writes to, one for each flag and issue; none where it is malformed."""
        flags = call.body.get("flags")
        if not isinstance(flags, list) or len(flags) > MAX_FLAGS:
            return []
        try:
            named = [str(ref) for flag in flags for one in flag.get("associations") or [] for ref in one["values"]]
        except (AttributeError, KeyError, TypeError):
            return []
        return [issue.id for ref in named if (issue := self._world.find_issue(ref))]


def rate_of(call: Call, settings: Settings) -> float:
    """How many calls a second Jira takes at an endpoint."""
    if (call.method, call.endpoint) == ("GET", "issue"):
        return settings.issue_get_per_second
    rates = {"POST": settings.post_per_second, "PUT": settings.put_per_second, "DELETE": settings.delete_per_second}
    return rates.get(call.method, settings.get_per_second)


def points_of(call: Call) -> int:
    """What a call costs: writes one, reads one and one for each object, two where those are permissions."""
    if call.endpoint == "bulkfetch":
        return 1 + len(call.body.get("issueIdsOrKeys") or [])
    if call.method != "GET":
        return 1
    return 3 if call.endpoint in ("mypermissions", "myself") else 2


def too_many(wait: int, reason: str) -> Response:
    """Jira's answer to too many requests."""
    reset = datetime.fromtimestamp(time.time() + wait, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    headers = {"Retry-After": str(wait), "RateLimit-Reason": reason, "X-RateLimit-Reset": reset}
    return JSONResponse([{"message": "Rate limit exceeded"}], 429, headers)
