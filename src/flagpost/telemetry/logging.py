"""What Flagpost says of itself while it runs: structured logs, to standard error, with no secret in them.

**From a person's change to Jira.** Every line of a request carries its id, `request` (`flagpost.web.headers` makes it,
or takes the caller's). A change stores that id with its outbox entries (`store.jira.outbox_requests`), in its own
transaction, so that it outlives the process. A delivery, which may run on another host and send many changes as one,
has an id of its own, `delivery`, and each of its lines has as `changes` the ids of the requests whose changes it sends:
the newest ten at most, and as `changes_more` how many more there are. The line of the call has Atlassian's id too,
`trace`. So one search for the id of a request finds all of it.
"""

import logging
import re
import sys
import uuid
from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from typing import Any

import structlog

_SECRET_WORDS = ("token", "secret", "password", "authorization", "cookie")


_SANE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{7,63}")


def new_id() -> str:
    """An id for a request or a delivery."""
    return uuid.uuid4().hex[:16]


def accepted_id(offered: str) -> str:
    """The id a caller gave its request, where it is fit for a log line (8 to 64 plain characters); else a new one."""
    return offered if _SANE_ID.fullmatch(offered) else new_id()


def request_id() -> str:
    """The id of the request that this code runs for; empty where it runs for none."""
    return str(structlog.contextvars.get_contextvars().get("request", ""))


@contextmanager
def as_request(request: str | None = None) -> Iterator[str]:
    """Have the block run for a request of its own, so that what it changes can be followed too."""
    found = request or new_id()
    with structlog.contextvars.bound_contextvars(request=found):
        yield found


@contextmanager
def as_delivery() -> Iterator[str]:
    """Have the lines of the block carry one new id as `delivery`."""
    found = new_id()
    with structlog.contextvars.bound_contextvars(delivery=found):
        yield found


@contextmanager
def naming_changes(request_ids: Sequence[str], more: int) -> Iterator[None]:
    """Have the lines of the block name these requests as `changes`, and how many `more` there are as `changes_more`."""
    names = {"changes": list(request_ids)} | ({"changes_more": more} if more else {})
    with structlog.contextvars.bound_contextvars(**names):
        yield


def hide_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace the value of every field whose name speaks of a secret, wherever it was logged from."""
    for name in event:
        if any(word in name.lower() for word in _SECRET_WORDS):
            event[name] = "(hidden)"
    return event


def set_up_logging(level: str = "info", form: str = "text") -> None:
    """Send Flagpost's and its libraries' logs through one formatter: `text` for people, `json` for collectors."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        hide_secrets,
    ]
    renderer: Any = structlog.processors.JSONRenderer()
    if form == "text":
        renderer = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            exception_formatter=structlog.dev.plain_traceback,  # others print local variables, secrets among them
        )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    formatter = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
    if form == "json":
        formatter.insert(0, structlog.processors.format_exc_info)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=formatter))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("httpx2", "httpcore2", "alembic", "uvicorn.access", "procrastinate"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
    for own_handler in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(own_handler).handlers[:] = []
        logging.getLogger(own_handler).propagate = True
