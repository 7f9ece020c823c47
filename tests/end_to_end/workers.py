"""`flagpost worker`, as processes of a test."""

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from jira_sandbox.embedded import Sandbox
from tests.end_to_end.world import FEATURE_FLAGS, FLAGPOST, World, environment, until


class Worker:
    """`flagpost worker` as a process of its own."""

    def __init__(
        self,
        sandbox: Sandbox,
        database_url: str,
        log: Path | None = None,
        program: Sequence[str] = FLAGPOST,
        **settings: str,
    ) -> None:
        values = {**os.environ, **environment(sandbox, database_url), "FLAGPOST_LOG_LEVEL": "error"}
        values |= {f"FLAGPOST_{name.upper()}": value for name, value in settings.items()}
        command = [*program, "worker"]
        with log.open("ab") if log else nullcontext() as to:
            self.process = subprocess.Popen(command, env=values, stdout=subprocess.PIPE, stderr=to, text=True)
        assert self.process.stdout is not None
        self.said = self.process.stdout.readline()
        assert "worker runs" in self.said

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> int:
        if self.process.poll() is None:
            self.send(signal.SIGCONT)
            self.send(signal.SIGTERM)
        code = self.process.wait(120)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


class Workers(list[Worker]):
    """Those of a test; they end with it."""

    def __init__(self, sandbox: Sandbox, database_url: str) -> None:
        super().__init__()
        self._where = (sandbox, database_url)

    def start(self, count: int = 1, **how: Any) -> None:
        self.extend(Worker(*self._where, **how) for _ in range(count))


def in_the_middle(world: World) -> None:
    """Wait until a delivery is under way: the sandbox has its request and has yet to answer."""
    until(lambda: [one for one in world.sandbox.requests(FEATURE_FLAGS) if "ms" not in one], "a delivery is under way")
