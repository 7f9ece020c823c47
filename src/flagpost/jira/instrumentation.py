"""What is said of each request to Atlassian, in metrics, logs and traces: few words, and nothing of what was asked."""

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

OTHER, NO_ANSWER = "other", "none"
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
    """The operation, for example ``POST bulk``; ``other`` for an address that is none of those Flagpost knows."""
    path = urlsplit(url).path
    for pattern, name in _NAMES:
        if found := pattern.search(path):
            return f"{method} {found.expand(name)}"
    return OTHER


@dataclass(slots=True)
class Call:
    """One request under way. `headers` go with it; `answered` takes what came back."""

    headers: Mapping[str, str]
    status: str = NO_ANSWER
    trace_id: str | None = None
    begun: float = field(default_factory=perf_counter)

    def answered(self, status: int, trace_id: str | None) -> None:
        """Jira answered; `trace_id` is Atlassian's own id of the answer."""
        self.status, self.trace_id = str(status), trace_id


@contextmanager
def watched(method: str, url: str) -> Iterator[Call]:
    """Count, time, log and trace the request that the block sends, whatever comes of it.

    The log line is what leads from a person's change to Atlassian's support: beside Atlassian's id it carries, from
    the context, the delivery's id and those of the requests whose changes are sent (`flagpost.telemetry.logging`).
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
