"""A stand-in for many Jira Cloud sites in one process, with as little overhead as possible.

It accepts, shows and deletes flags as Atlassian's Feature Flags API does, and keeps the last version of every flag and
the time when it arrived. A call that breaks a rule of Jira is recorded as a breach: too many calls a second at one
endpoint of a site, too many points in an hour, too many writes to one issue, a version that went back, and two calls
to one site at once, which Flagpost promises not to make.
"""

import asyncio
import json
import sys
import time
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import uvicorn

from jira_sandbox.limits import BURST, ISSUE_WRITES, QUOTA, Bucket
from jira_sandbox.state import Settings

Json = dict[str, Any]
Answer = tuple[int, Any, dict[str, str]]
_JIRA = Settings()
_RATES = {"POST": _JIRA.post_per_second, "GET": _JIRA.get_per_second, "DELETE": _JIRA.delete_per_second}
_WINDOWS = ((2.0, _JIRA.issue_writes_2s), (30.0, _JIRA.issue_writes_30s))
_DONE: Answer = (202, None, {})


@dataclass
class Site:
    """One Jira site: the newest version of each flag, when it arrived, and the counts of the limits."""

    flags: dict[str, str] = field(default_factory=dict)
    arrived: dict[str, tuple[int, float]] = field(default_factory=dict)
    buckets: defaultdict[str, Bucket] = field(default_factory=lambda: defaultdict(Bucket))
    writes: defaultdict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque))
    calls_now: int = 0


class ManySites:
    """The ASGI application: `/ex/jira/{cloud}/rest/featureflags/0.1/…`, and `/stand-in/…` for the benchmark."""

    def __init__(self) -> None:
        self.sites: defaultdict[str, Site] = defaultdict(Site)
        self.enforced = True
        self.breaches: Counter[str] = Counter()
        self.forget()

    def forget(self) -> None:
        """Reset the counts. The flags and the limits stay."""
        self.requests, self.written, self.last_at = 0, 0, 0.0
        self.log: list[tuple[str, int, float]] = []
        self.points_since: tuple[float, int] = getattr(self, "points_since", (time.monotonic(), 0))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        parts = scope["path"].strip("/").split("/")
        if parts[0] == "stand-in":
            status, said, headers = self._control(parts[1], parse_qs(scope["query_string"].decode()), body)
        else:
            status, said, headers = await self._jira(scope["method"], parts, body)
        raw = b"" if said is None else json.dumps(said).encode()
        named = {"content-type": "application/json", "content-length": str(len(raw)), **headers}
        encoded = [(key.encode(), value.encode()) for key, value in named.items()]
        await send({"type": "http.response.start", "status": status, "headers": encoded})
        await send({"type": "http.response.body", "body": raw})

    # As Jira -----------------------------------------------------------------------------------------------------

    async def _jira(self, method: str, parts: list[str], body: bytes) -> Answer:
        if parts[:2] != ["ex", "jira"] or "featureflags" not in parts:
            return 404, None, {}
        site, operation = self.sites[parts[2]], parts[6]
        self.requests += 1
        site.calls_now += 1
        try:
            flags = json.loads(body)["flags"] if operation == "bulk" else []
            refused = self._refuse(site, method, operation, flags)
            await asyncio.sleep(0)  # lets a second call in, so that it is noticed
            return refused or self._do(site, method, operation, parts[-1], flags)
        finally:
            site.calls_now -= 1

    def _do(self, site: Site, method: str, operation: str, name: str, flags: list[Json]) -> Answer:
        if operation == "bulk":
            return self._store(site, flags)
        if method == "DELETE":
            site.flags.pop(name, None)
            return _DONE
        return (200, json.loads(site.flags[name]), {}) if name in site.flags else (404, None, {})

    def _store(self, site: Site, flags: list[Json]) -> Answer:
        now = self.last_at = time.time()
        for flag in flags:
            name, sequence = flag["id"], flag["updateSequenceId"]
            known = site.arrived.get(name, (0, 0.0))[0]
            self.breaches["a version that went back"] += sequence < known
            if sequence > known:  # Jira ignores versions that it has
                site.flags[name] = json.dumps(flag, sort_keys=True)
                site.arrived[name] = (sequence, now)
            self.log.append((name, sequence, now))
        self.written += len(flags)
        return 202, {"acceptedFeatureFlags": [flag["id"] for flag in flags], "failedFeatureFlags": {}}, {}

    def _refuse(self, site: Site, method: str, operation: str, flags: list[Json]) -> Answer | None:
        """Jira's refusal of a call above a limit. A bare client is counted and let pass."""
        broken = self._broken(site, method, operation, flags)
        if broken is None or not self.enforced:
            return None
        self.breaches[broken] += 1
        return 429, [{"message": "Rate limit exceeded"}], {"retry-after": "2", "ratelimit-reason": broken}

    def _broken(self, site: Site, method: str, operation: str, flags: list[Json]) -> str | None:
        now = time.monotonic()
        if site.calls_now > 1 and self.enforced:
            self.breaches["two calls to one site at once"] += 1
        if not site.buckets[f"{method} {operation}"].take(_RATES[method], now):
            return BURST
        if not self._pay(now, 2 if method == "GET" else 1):
            return QUOTA
        written = [ref for flag in flags for association in flag["associations"] for ref in association["values"]]
        if not all(self._may_write(site.writes[ref], now) for ref in written):
            return ISSUE_WRITES
        return None

    def _pay(self, now: float, points: int) -> bool:
        """One app calls for all sites, so they share the hourly points."""
        since, spent = self.points_since
        since, spent = (now, 0) if now - since > _JIRA.quota_window_seconds else (since, spent)
        self.points_since = (since, spent + points)
        return spent + points <= _JIRA.points_per_hour

    def _may_write(self, times: deque[float], now: float) -> bool:
        while times and times[0] < now - _WINDOWS[-1][0]:
            times.popleft()
        times.append(now)
        return all(sum(one > now - seconds for one in times) <= most for seconds, most in _WINDOWS)

    # For the benchmark -------------------------------------------------------------------------------------------

    def _control(self, what: str, asked: dict[str, list[str]], body: bytes) -> Answer:
        if what == "forget":
            self.forget()
            self.enforced = bool(json.loads(body or b"{}").get("enforced", True))
        elif what == "log":
            return 200, self.log, {}
        elif what == "flags":
            return 200, self.sites[asked["cloud"][0]].flags, {}
        counted = {"requests": self.requests, "written": self.written, "last_at": self.last_at}
        return 200, {**counted, "breaches": {kind: n for kind, n in self.breaches.items() if n}}, {}


if __name__ == "__main__":
    uvicorn.run(ManySites(), host="127.0.0.1", port=int(sys.argv[1]), log_level="critical", access_log=False)
