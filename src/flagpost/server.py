"""How a process listens, and how it ends.

**Stopping.** Told to stop (SIGTERM, SIGINT), a process takes no new connection and begins no new delivery. It finishes
the requests in hand, for half of `FLAGPOST_STOP_SECONDS` at most, and then the batch in hand, until those seconds are
over. What is not finished then, because Jira does not answer, is left: a *watch* ends the process however many threads
hang. Nothing is lost by that: a change is acknowledged after its commit, and a batch whose answer was not noted is sent
again by whoever delivers next (`flagpost.jira.delivery`), which is why there is no need to wait for longer.
"""

import os
import signal
import socket
import threading
import time
from types import FrameType

import structlog
import uvicorn
from starlette.types import ASGIApp

from flagpost.errors import SetupError
from flagpost.settings import Settings

log = structlog.get_logger(__name__)

_LEFT_AT_LEAST_SECONDS = 0.5
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stopping:
    """From the word to stop to the end, within `seconds`. `watch`: end the process itself when they are over."""

    def __init__(self, seconds: float, *, watch: bool) -> None:
        self.begun = threading.Event()
        self._seconds = seconds
        self._watch = watch
        self._ends_at: float | None = None

    def begin(self) -> None:
        """The word was given; saying it again does not give more time."""
        if self.begun.is_set():
            return
        self._ends_at = time.monotonic() + self._seconds
        if self._watch:
            timer = threading.Timer(self._seconds, _end)
            timer.daemon = True
            timer.start()
        self.begun.set()

    def left(self) -> float:
        """How many seconds are left for the batch in hand."""
        ends_at = self._ends_at or time.monotonic() + self._seconds
        return max(_LEFT_AT_LEAST_SECONDS, ends_at - time.monotonic() - _LEFT_AT_LEAST_SECONDS)

    def on_signals(self) -> None:
        """Begin when the process is told to stop."""
        for number in _SIGNALS:
            signal.signal(number, lambda *_: self.begin())


def _end() -> None:
    log.warning("stop.cut_off", said="What was in hand did not end in time; it is taken up again at the next start.")
    os._exit(0)


class Server(uvicorn.Server):
    """Uvicorn, with the bound on its end."""

    def __init__(self, config: uvicorn.Config, stopping: Stopping) -> None:
        super().__init__(config)
        self._stopping = stopping

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The process is told to stop."""
        self._stopping.begin()
        super().handle_exit(sig, frame)


def server(app: ASGIApp, settings: Settings, stopping: Stopping) -> Server:
    """What answers the application's requests, as it is set up behind a proxy."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies or None,
        server_header=False,
        timeout_keep_alive=75,  # longer than proxies keep a connection, so that none sends into one that just closed
        timeout_graceful_shutdown=settings.stop_seconds // 2,
    )
    return Server(config, stopping)


def listen(host: str, port: int) -> socket.socket:
    """A socket that is bound there; port 0 takes any free one. SetupError where that cannot be."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # else asyncio leaves out TCP_NODELAY
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        reason = os.strerror(error.errno or 0)
        raise SetupError(f"Cannot listen on {host}:{port}: {reason}. Choose another --port.") from None
    return listening
