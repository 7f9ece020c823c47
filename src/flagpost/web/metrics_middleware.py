"""Counts and times each request by the template of its route, and logs those that change something.

The address itself is never logged, because some addresses, such as an invitation's, are secrets.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

import structlog
from starlette.types import Message, Scope, Send

from flagpost.telemetry.metrics import HTTP_REQUESTS, HTTP_SECONDS
from flagpost.web.matched_route import route_template

log = structlog.get_logger(__name__)

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
OF_APPLICATIONS = ("/sdk/", "/ofrep/")  # their POSTs are queries, and far more frequent than changes by people
_CUT_OFF = "none"


@contextmanager
def measured(scope: Scope, send: Send) -> Iterator[Send]:
    """Measure the request that the block answers through the `send` it receives, even if the block sends no answer."""
    begun, status = perf_counter(), [_CUT_OFF]

    async def counted(message: Message) -> None:
        if message["type"] == "http.response.start":
            status[0] = str(message["status"])
        await send(message)

    try:
        yield counted
    finally:
        _record(scope, status[0], perf_counter() - begun)


def _record(scope: Scope, status: str, seconds: float) -> None:
    method = scope["method"] if scope["method"] in _METHODS else "OTHER"
    route = route_template(scope)
    count(method, route, status, seconds)
    changes = method not in _READING and not scope["path"].startswith(OF_APPLICATIONS)
    if changes or logging.getLogger().isEnabledFor(logging.DEBUG):
        log.info("request.answered", method=method, route=route, status=status, ms=round(seconds * 1000))


def count(method: str, route: str, status: str, seconds: float) -> None:
    """Count one answered request; `seconds` is how long the answer took."""
    HTTP_REQUESTS.labels(method, route, status).inc()
    HTTP_SECONDS.labels(method, route).observe(seconds)
