"""Jira's three rate limits, enforced as Atlassian documents them, and what callers do against them, noted as breaches.

*Bursts*: a token bucket for each endpoint and method, by the second. *Points*: a base of one a request and one for each
object that is read, by the hour; API tokens are exempt. *Writes to one issue*: in two windows. Whether sending a flag
counts as writing to its issues is not documented: `count_flag_writes` decides. Callers without a proof are not counted.

Jira's hours begin on the hour; the sandbox's with a caller's first call, so that a test knows when one ends.

https://developer.atlassian.com/cloud/jira/platform/rate-limiting/
"""

import json
import math
import re
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from starlette.responses import JSONResponse, Response

from jira_sandbox.state import Settings, World
from jira_sandbox.validation import MAX_FLAGS, issue_refs

BURST, QUOTA, ISSUE_WRITES = "jira-burst-based", "jira-quota-tenant-based", "jira-per-issue-on-write"
_QUOTAS = (QUOTA, "jira-quota-global-based")
_TOLERANCE = 0.05  # seconds: a call may have been on its way already
_NEAR = 0.2
_TEMPLATES = {
    "flag": re.compile(r".*/featureflags/0\.1/(cloud/[^/]+/)?flag/.+"),
    "issue": re.compile(r".*/rest/api/3/issue/(?!bulkfetch$)[^/]+"),
}


@dataclass(frozen=True, slots=True)
class Call:
    """A request as the limits see it. `caller`: whom its proof speaks for; `basic`: that was an API token."""

    method: str
    path: str
    caller: str
    basic: bool
    raw: bytes = b""

    @property
    def endpoint(self) -> str:
        """What Jira counts together: ids of flags and keys of issues make no endpoint of their own."""
        named = (name for name, template in _TEMPLATES.items() if template.fullmatch(self.path))
        return next(named, self.path.rstrip("/").rpartition("/")[2])

    @property
    def place(self) -> tuple[str, str, str]:
        """What this caller has to stay away from once it is asked to wait."""
        return self.caller, self.method, self.endpoint

    def listed(self, name: str) -> list[Any]:
        """A list that the body holds under this name; empty where it holds none."""
        try:
            body = json.loads(self.raw)
        except ValueError:
            return []
        found = body.get(name) if isinstance(body, dict) else None
        return found if isinstance(found, list) else []


class Bucket:
    """A token bucket: so many requests a second, and as many at once."""

    def __init__(self) -> None:
        self._left = float("inf")
        self._at = 0.0

    def left(self, rate: float, now: float) -> float:
        """How many it holds."""
        return min(rate, self._left + (now - self._at) * rate)

    def take(self, rate: float, now: float) -> bool:
        """Take one, where there is one."""
        left = self.left(rate, now)
        self._left, self._at = (left - 1 if left >= 1 else left), now
        return left >= 1


class Limits:
    """Counts the calls of a site, refuses those above a limit, and says how near the next one is."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.forget()

    def forget(self) -> None:
        """Forget every call."""
        self._resets = self._world.resets
        self._buckets: defaultdict[tuple[str, str], Bucket] = defaultdict(Bucket)
        self._points: dict[str, tuple[float, int]] = {}
        self._writes: defaultdict[str, list[float]] = defaultdict(list)
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
            self._breach("rate limit", call, reason=refusal.headers["RateLimit-Reason"])
        return refusal

    def heed(self, call: Call, status: int, headers: Mapping[str, str]) -> None:
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
        now, rate = time.monotonic(), rate_of(call, self._world.settings)
        with self._world.lock:
            left = self._buckets[call.method, call.endpoint].left(rate, now)
            quota, points = self._quota_headers(call, now) if self._costs_points(call) else ({}, 1.0)
        found = {"X-RateLimit-Limit": f"{rate:g}", "X-RateLimit-Remaining": str(int(left)), **quota}
        if left < rate * _NEAR or points < _NEAR:
            found["X-RateLimit-NearLimit"] = "true"
        return found

    def _quota_headers(self, call: Call, now: float) -> tuple[dict[str, str], float]:
        """The hour's points as headers, and which part of them is left."""
        settings, (began, spent) = self._world.settings, self._window(call, now)
        most, hour = settings.points_per_hour, settings.quota_window_seconds
        left, rest = max(0, most - spent), max(0, int(began + hour - now))
        found = {
            "Beta-RateLimit-Policy": f'"tenant-app-quota";q={most};w={hour:g}',
            "Beta-RateLimit": f'"tenant-app-quota";r={left};t={rest}',
        }
        return found, left / max(1, most)

    def _breach(self, kind: str, call: Call, **details: str) -> None:
        self._world.breach(kind, method=call.method, endpoint=call.endpoint, path=call.path, **details)

    def _note_impatience(self, call: Call, now: float) -> None:
        silent_until = self._silent_until.get(call.caller, 0.0) if self._costs_points(call) else 0.0
        if now < silent_until - _TOLERANCE:
            self._breach("called before the quota's reset", call)
        elif now < self._wait_until.get(call.place, 0.0) - _TOLERANCE:
            self._breach("called before Retry-After", call)

    def _burst_refusal(self, call: Call, now: float) -> Response | None:
        bucket = self._buckets[call.method, call.endpoint]
        return None if bucket.take(rate_of(call, self._world.settings), now) else too_many(1, BURST)

    def _costs_points(self, call: Call) -> bool:
        """API tokens cost none (Atlassian); of OAuth credentials it is not documented."""
        by_oauth = call.caller.startswith("oauth:")
        return not call.basic and (self._world.settings.oauth_counts_points or not by_oauth)

    def _window(self, call: Call, now: float) -> tuple[float, int]:
        """When the present hour began for a caller, and what it has spent since."""
        began, spent = self._points.get(call.caller, (now, 0))
        return (began, spent) if now - began < self._world.settings.quota_window_seconds else (now, 0)

    def _points_refusal(self, call: Call, now: float) -> Response | None:
        settings = self._world.settings
        if not self._costs_points(call):
            return None
        began, spent = self._window(call, now)
        cost = points_of(call, len(self._world.projects))
        if spent + cost > settings.points_per_hour:
            return too_many(math.ceil(began + settings.quota_window_seconds - now), QUOTA)
        self._points[call.caller] = (began, spent + cost)
        return None

    def _writes_refusal(self, call: Call, now: float) -> Response | None:
        """A submit that is above one issue's limit is refused whole."""
        settings = self._world.settings
        if not settings.count_flag_writes or (call.method, call.endpoint) != ("POST", "bulk"):
            return None
        written = self._written(call)
        for issue, count in written.items():
            times = self._writes[issue]
            for seconds, most in ((2, settings.issue_writes_2s), (30, settings.issue_writes_30s)):
                if sum(one > now - seconds for one in times) + count > most:
                    return too_many(seconds, ISSUE_WRITES)
        for issue, count in written.items():
            recent = (one for one in self._writes[issue] if one > now - 30)
            self._writes[issue] = [*recent, *[now] * count]
        return None

    def _written(self, call: Call) -> Counter[str]:
        """How often a submit writes to each issue: once for each flag that names it; not where it is malformed."""
        flags, find = call.listed("flags"), self._world.find_issue
        if len(flags) > MAX_FLAGS:
            return Counter()
        try:
            named = [{issue.id for ref in issue_refs(flag) if (issue := find(ref))} for flag in flags]
        except (AttributeError, KeyError, TypeError):
            return Counter()
        return Counter(issue for issues in named for issue in issues)


def rate_of(call: Call, settings: Settings) -> float:
    """How many calls a second Jira takes at an endpoint."""
    if (call.method, call.endpoint) == ("GET", "issue"):
        return settings.issue_get_per_second
    rates = {"POST": settings.post_per_second, "PUT": settings.put_per_second, "DELETE": settings.delete_per_second}
    return rates.get(call.method, settings.get_per_second)


def points_of(call: Call, projects: int) -> int:
    """What a call costs: writes one, reads one and one for each object, two for a user or permissions (Atlassian)."""
    if call.endpoint == "bulkfetch":
        return 1 + len(call.listed("issueIdsOrKeys"))
    if call.method != "GET":
        return 1
    objects = {"mypermissions": 2, "myself": 2, "search": projects}
    return 1 + objects.get(call.endpoint, 1)


def too_many(wait: int, reason: str) -> Response:
    """Jira's answer to too many requests."""
    reset = datetime.fromtimestamp(time.time() + wait, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    headers = {"Retry-After": str(wait), "RateLimit-Reason": reason, "X-RateLimit-Reset": reset}
    return JSONResponse([{"message": "Rate limit exceeded"}], 429, headers)
