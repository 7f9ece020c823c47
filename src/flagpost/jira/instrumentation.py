"""Metrics, a log line and a trace span for each request to Atlassian. None of them holds anything of its content."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from urllib.parse import urlsplit

import structlog

from flagpost.telemetry import tracing
from flagpost.telemetry.metrics import JIRA_REQUESTS, JIRA_SECONDS

log = structlog.get_logger(__name__)

OTHER, NO_RESPONSE = "other", "none"
_NAMES = (
    (re.compile(r"/bulk$"), "bulk"),
    (re.compile(r"/bulkByProperties$"), "bulkByProperties"),
    (re.compile(r"/featureflags/0\.1/(.+/)?flag/[^/]+$"), "flag"),
    (re.compile(r"/rest/api/3/issue/bulkfetch$"), "bulkfetch"),
    (re.compile(r"/rest/api/3/issue/[^/]+$"), "issue"),
    (re.compile(r"/rest/api/3/(myself|mypermissions|serverInfo)$"), r"\1"),
    (re.compile(r"/oauth/token$"), "oauth_token"),
    (re.compile(r"/_edge/tenant_info$"), "tenant_info"),
    (re.compile(r"/jwks\.json$"), "jwks"),
)


def endpoint_name(method: str, url: str) -> str:
    """The operation, for example ``POST bulk``; ``other`` for an address that Flagpost does not know."""
    path = urlsplit(url).path
    for pattern, name in _NAMES:
        if found := pattern.search(path):
            return f"{method} {found.expand(name)}"
    return OTHER


@dataclass(slots=True)
class Call:
    """One request under way. `headers` are sent with it."""

    headers: Mapping[str, str]
    status: str = NO_RESPONSE
    trace_id: str | None = None
    begun: float = field(default_factory=perf_counter)

    def record(self, status: int, trace_id: str | None) -> None:
        """Note Jira's response. `trace_id`: Atlassian's own id of it."""
        self.status, self.trace_id = str(status), trace_id


@contextmanager
def instrumented(method: str, url: str) -> Iterator[Call]:
    """Count, time, log and trace the request that the block sends, also where it fails.

    The log line leads from a person's change to Atlassian's support: beside Atlassian's id it has, from the context,
    the id of the delivery and the ids of the requests whose changes are sent (`flagpost.telemetry.logging`).
    """
    endpoint = endpoint_name(method, url)
    with tracing.span(f"Jira {endpoint}", kind="client") as span:
        call = Call(span.headers())
        try:
            yield call
        finally:
            seconds = perf_counter() - call.begun
            JIRA_REQUESTS.labels(endpoint, call.status).inc()
            JIRA_SECONDS.labels(endpoint).observe(seconds)
            span.set(status=call.status, atlassian_trace_id=call.trace_id)
            log.info(
                "jira.called", endpoint=endpoint, status=call.status, ms=round(seconds * 1000), trace=call.trace_id
            )
