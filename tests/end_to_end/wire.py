"""A wire between two programs, that can be cut: TCP on this side, and whatever the other program listens on beyond."""

import asyncio
import random
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_AT_ONCE = 65_536


class Wire:
    """Passes on what comes, until it is cut; `port` is this end of it."""

    def __init__(self, reach: Callable[[], Awaitable[Streams]]) -> None:
        self._reach = reach
        self._loop = asyncio.new_event_loop()
        self._cut = False
        self._tears: list[float] = []
        self._open: set[asyncio.StreamWriter] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        begun = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._join, "127.0.0.1", 0), self._loop)
        self._server = begun.result(10)
        self.port: int = self._server.sockets[0].getsockname()[1]

    def snap(self) -> None:
        """Cut every connection there is; new ones can be made."""
        self._do(self._abort_all)

    def cut(self) -> None:
        """Cut every connection there is, and each new one at once."""
        self._cut = True
        self.snap()

    def mend(self) -> None:
        self._cut = False

    def tear_answers(self, count: int, chance: random.Random) -> None:
        """Cut so many of the next answers off, each somewhere in its middle."""
        self._tears += [chance.random() for _ in range(count)]

    def _do(self, what: Callable[[], None]) -> None:
        done = threading.Event()

        def run() -> None:
            what()
            done.set()

        self._loop.call_soon_threadsafe(run)
        done.wait(10)

    def _abort_all(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._cut:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await self._reach()
        except OSError:
            writer.transport.abort()
            return
        both = {writer, far_writer}
        self._open |= both
        there, back = self._pass(reader, far_writer, False), self._pass(far_reader, writer, True)
        await asyncio.wait({asyncio.create_task(there), asyncio.create_task(back)}, return_when="FIRST_COMPLETED")
        self._open -= both
        for one in both:
            one.transport.abort()

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, answers: bool) -> None:
        with suppress(OSError):
            while some := await source.read(_AT_ONCE):
                if answers and self._tears:
                    sink.write(some[: int(len(some) * self._tears.pop())])
                    await sink.drain()
                    return
                sink.write(some)
                await sink.drain()

    def _close_all(self) -> None:
        self._server.close()
        self._abort_all()

    def close(self) -> None:
        self._do(self._close_all)
        self._loop.call_soon_threadsafe(self._loop.call_later, 0.1, self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@contextmanager
def wire_to(host_or_socket: str, port: int | None = None) -> Iterator[Wire]:
    """A wire to a port, or to a Unix socket."""

    async def reach() -> Streams:
        if port is None:
            return await asyncio.open_unix_connection(host_or_socket)
        return await asyncio.open_connection(host_or_socket, port)

    found = Wire(reach)
    try:
        yield found
    finally:
        found.close()
