"""How a process listens, and how it shuts down.

**Shutdown.** On SIGTERM or SIGINT a process accepts no new connection and begins no new delivery. It finishes the
requests in hand, for half of `FLAGPOST_STOP_SECONDS` at most, and then the batch in hand, until that time is over. If
something is unfinished then, because Jira does not answer, a timer ends the process, however many threads hang. Nothing
is lost: a change is acknowledged after its commit, and the next delivery repeats a batch whose response was not
recorded (`flagpost.jira.delivery`). So there is no need to wait longer.
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

_MARGIN_SECONDS = 0.5
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Shutdown:
    """A shutdown that takes at most `seconds`. With `force`, it then ends the process itself."""

    def __init__(self, seconds: float, *, force: bool) -> None:
        self.begun = threading.Event()
        self._seconds = seconds
        self._force = force
        self._ends_at: float | None = None

    def begin(self) -> None:
        """Begin the shutdown. A second call gives no more time."""
        if self.begun.is_set():
            return
        self._ends_at = time.monotonic() + self._seconds
        if self._force:
            timer = threading.Timer(self._seconds, _force_exit)
            timer.daemon = True
            timer.start()
        self.begun.set()

    def seconds_left(self) -> float:
        """The seconds that are left for the batch in hand."""
        ends_at = self._ends_at or time.monotonic() + self._seconds
        return max(_MARGIN_SECONDS, ends_at - time.monotonic() - _MARGIN_SECONDS)

    def begin_on_signals(self) -> None:
        """Begin the shutdown on SIGTERM or SIGINT."""
        for number in _SIGNALS:
            signal.signal(number, lambda *_: self.begin())


def _force_exit() -> None:
    log.warning("shutdown.forced", reason="The work in hand did not end in time. The next start repeats it.")
    os._exit(0)


class Server(uvicorn.Server):
    """Uvicorn, with a limit for the duration of its shutdown."""

    def __init__(self, config: uvicorn.Config, shutdown: Shutdown) -> None:
        super().__init__(config)
        self._shutdown = shutdown

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin the shutdown: the process received a signal."""
        self._shutdown.begin()
        super().handle_exit(sig, frame)


def server(app: ASGIApp, settings: Settings, shutdown: Shutdown) -> Server:
    """The HTTP server of an application, set up for the trusted proxies."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies or None,
        server_header=False,
        timeout_keep_alive=75,  # longer than proxies do, so that none sends into a connection that just closed
        timeout_graceful_shutdown=settings.stop_seconds // 2,
    )
    return Server(config, shutdown)


def listen(host: str, port: int) -> socket.socket:
    """A socket that is bound to an address. Port 0 takes any free port. SetupError if the address cannot be used."""
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
