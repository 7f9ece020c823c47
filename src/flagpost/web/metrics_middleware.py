"""What is said of each request: counted and timed by the template of its route, and logged where it changed something.

The address itself is never said: some of them, such as an invitation's, are secrets.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

import structlog
from starlette.types import Message, Scope, Send

from flagpost.telemetry.metrics import HTTP_REQUESTS, HTTP_SECONDS

log = structlog.get_logger(__name__)

UNKNOWN = "none"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
OF_APPLICATIONS = ("/sdk/", "/ofrep/")  # they ask, with whatever method, and far more often than people change
_CUT_OFF = "none"


@contextmanager
def measured(scope: Scope, send: Send) -> Iterator[Send]:
    """Measure the request that the block answers through the `send` it is given; also one that is never answered."""
    begun, status = perf_counter(), [_CUT_OFF]

    async def counted(message: Message) -> None:
        if message["type"] == "http.response.start":
            status[0] = str(message["status"])
        await send(message)

    try:
        yield counted
    finally:
        _say(scope, status[0], perf_counter() - begun)


def _say(scope: Scope, status: str, seconds: float) -> None:
    method = scope["method"] if scope["method"] in _METHODS else "OTHER"
    route = route_template(scope)
    count(method, route, status, seconds)
    changes = method not in _READING and not scope["path"].startswith(OF_APPLICATIONS)
    if changes or logging.getLogger().isEnabledFor(logging.DEBUG):
        log.info("request.answered", method=method, route=route, status=status, ms=round(seconds * 1000))


def count(method: str, route: str, status: str, seconds: float) -> None:
    """Note one answered request in the metrics."""
    HTTP_REQUESTS.labels(method, route, status).inc()
    HTTP_SECONDS.labels(method, route).observe(seconds)


def route_template(scope: Scope) -> str:
    """The whole template of the route that was taken, for example ``/projects/{project_id}``; ``none`` without one."""
    if scope["path"].startswith("/static/"):
        return "/static"
    if found := scope.get("fastapi", {}).get("effective_route_context"):
        return str(found.path)
    mounted_at = scope.get("root_path", "").removeprefix(scope.get("app_root_path", ""))
    return mounted_at + scope["route"].path if scope.get("route") else UNKNOWN
