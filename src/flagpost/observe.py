"""What Flagpost says of itself while it runs: structured logs, to standard error, with no secret in them.

Every line of a request carries that request's id; see `flagpost.web.headers` for where it is made.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_SECRET_WORDS = ("token", "secret", "password", "authorization", "cookie")


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
    for noisy in ("apscheduler", "httpx2", "httpcore2", "alembic", "uvicorn.access", "procrastinate"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
    for own_handler in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(own_handler).handlers[:] = []
        logging.getLogger(own_handler).propagate = True
