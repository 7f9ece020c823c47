"""Applications in JavaScript, with official packages, that a test tells what to do."""

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.commands.forge_app.node import packages

SCRIPTS = Path(__file__).parent / "javascript"
_PATIENCE = 120.0


class NodeApplication:
    """One of `javascript/`, running."""

    def __init__(self, script: str, folder: Path) -> None:
        self._errors = (folder / f"{script}.log").open("w+")
        command = ["node", str(folder / script)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=self._errors, text=True, cwd=folder)

    def do(self, what: str, **told: Any) -> Any:
        """What it says; AssertionError with why where it fails."""
        answer = self._exchange({"do": what, **told})
        assert "failed" not in answer, answer["failed"]
        return answer["said"]

    def fail(self, what: str, **told: Any) -> str:
        """Why it cannot."""
        return str(self._exchange({"do": what, **told})["failed"])

    def _exchange(self, told: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        watch = threading.Timer(_PATIENCE, self._process.kill)
        watch.start()
        try:
            self._process.stdin.write(json.dumps(told) + "\n")
            self._process.stdin.flush()
            while (line := self._process.stdout.readline()) and not line.startswith('{"'):
                pass  # what an SDK says to the console
        finally:
            watch.cancel()
        assert line, f"it ended while it was to {told['do']}: {self._said_last()}"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _said_last(self) -> str:
        self._errors.seek(0)
        return self._errors.read()[-2000:]

    def end(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._errors.close()


@contextmanager
def node_application(script: str, folder: Path, cache: Path) -> Iterator[NodeApplication]:
    """Running until the block ends; skips the test where Node or a package cannot be had."""
    if not (folder / "node_modules").exists():
        (folder / "node_modules").symlink_to(packages(SCRIPTS / "package.json", cache))
        for one in SCRIPTS.glob("*.cjs"):
            shutil.copy(one, folder)
    found = NodeApplication(script, folder)
    try:
        yield found
    finally:
        found.end()
