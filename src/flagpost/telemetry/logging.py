"""Structured logs on standard error, without secrets.

**From a user's change to Jira.** Every log line of a request has its id, `request` (`flagpost.web.headers` creates it
or accepts the caller's). A change stores that id with its outbox entries (`store.jira.outbox_requests`), in its own
transaction, so that the id outlives the process. A delivery can run on another host and send many changes as one. It
has an id of its own, `delivery`. Its lines have the ids of the requests whose changes it sends: the newest ten at most,
as `changes`, and the number of further ones, as `changes_more`. The line of the call also has Atlassian's id, `trace`.
So one search for the id of a request finds the whole way of its change.
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
_NOISY_LOGGERS = ("httpx2", "httpcore2", "alembic", "uvicorn.access", "procrastinate")
_LOGGERS_WITH_HANDLERS = ("uvicorn", "uvicorn.error", "uvicorn.access")
_VALID_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{7,63}")


def new_id() -> str:
    """A new id for a request or a delivery."""
    return uuid.uuid4().hex[:16]


def accepted_id(offered: str) -> str:
    """The id that a caller gave its request, if it is fit for a log line (8 to 64 plain characters); else a new one."""
    return offered if _VALID_ID.fullmatch(offered) else new_id()


def request_id() -> str:
    """The id of the request that this code runs for; empty if it runs for none."""
    return str(structlog.contextvars.get_contextvars().get("request", ""))


@contextmanager
def as_request(request: str | None = None) -> Iterator[str]:
    """Run the block for a request with this id, or with a new one, so that its changes can be traced."""
    found = request or new_id()
    with structlog.contextvars.bound_contextvars(request=found):
        yield found


@contextmanager
def as_delivery() -> Iterator[str]:
    """Add a new id to the log lines of the block, as `delivery`."""
    found = new_id()
    with structlog.contextvars.bound_contextvars(delivery=found):
        yield found


@contextmanager
def naming_changes(request_ids: Sequence[str], more: int) -> Iterator[None]:
    """Add these ids to the log lines of the block, as `changes`, and the number of further ids, as `changes_more`."""
    names = {"changes": list(request_ids)} | ({"changes_more": more} if more else {})
    with structlog.contextvars.bound_contextvars(**names):
        yield


def hide_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace the value of every field whose name suggests a secret. Used for all loggers, the libraries' too."""
    for name in event:
        if any(word in name.lower() for word in _SECRET_WORDS):
            event[name] = "(hidden)"
    return event


def set_up_logging(level: str = "info", form: str = "text") -> None:
    """Format the logs of Flagpost and of its libraries in one way: `text` for people, `json` for collectors."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        hide_secrets,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=_final_processors(form))
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _NOISY_LOGGERS:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    for name in _LOGGERS_WITH_HANDLERS:
        logging.getLogger(name).handlers[:] = []
        logging.getLogger(name).propagate = True


def _final_processors(form: str) -> list[Any]:
    without_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    if form == "json":
        return [structlog.processors.format_exc_info, without_meta, structlog.processors.JSONRenderer()]
    text = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(),
        exception_formatter=structlog.dev.plain_traceback,  # other formatters print local variables with their secrets
    )
    return [without_meta, text]
