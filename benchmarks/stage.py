"""The ground of all benchmarks: processes on a core of their own, and a plain HTTP client."""

import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography.fernet import Fernet

KEY = "bootstrap-key-of-the-benchmarks-1"
APP_ID = "ari:cloud:ecosystem::app/8db33309-2a52-4d0e-9c0f-5a4e1a1d2f5a"
SECRET_KEY = Fernet.generate_key().decode()
SERVER_CORE, CLIENT_CORE = 0, 1


def free_port() -> int:
    """A free port."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def on_core(core: int, process: int = 0) -> None:
    """Keep a process (0: this one) on one core, if there is more than one."""
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(process, {core})


@contextmanager
def program(*arguments: object, core: int | None, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Python program on one core, or on any (None), during the block."""
    command = [sys.executable, *map(str, arguments)]
    running = subprocess.Popen(command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL)
    if core is not None:
        on_core(core, running.pid)
    try:
        yield running
    finally:
        running.terminate()
        running.wait(30)


class Client:
    """One connection that is kept open, with as little overhead as Python allows."""

    def __init__(self, url: str, headers: Mapping[str, str] | None = None) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
        self._headers = {"Authorization": f"Bearer {KEY}", **(headers or {})}
        self._used = time.monotonic()

    def send(self, method: str, path: str, body: Any = None, *, key: str = "", raw: bool = False) -> tuple[int, Any]:
        """The status and the parsed response, or with `raw` its bytes. `key` replaces the connection's own key."""
        sent = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        headers = {**self._headers, "Content-Type": "application/json"} if sent is not None else self._headers
        if key:
            headers = {**headers, "Authorization": f"Bearer {key}"}
        if time.monotonic() - self._used > 3:  # servers close idle connections
            self._connection.close()
        self._used = time.monotonic()
        self._connection.request(method, path, sent, headers)
        answer = self._connection.getresponse()
        said = answer.read()
        kind = answer.headers.get("content-type", "")
        return answer.status, json.loads(said) if said and not raw and kind.startswith("application/json") else said

    def get(self, path: str) -> Any:
        """The parsed response of a GET that must succeed."""
        status, said = self.send("GET", path)
        assert status == 200, (path, status, said)
        return said

    def close(self) -> None:
        self._connection.close()


def sdk_key(client: Client) -> str:
    """Create a server-side key to Production of the first project. Gives its secret."""
    home = client.get("/internal/api/v2/workspaces")["objects"][0]["id"]
    places = client.get(f"/internal/api/v2/environments/ws/{home}")
    place = next(one["id"] for one in places if one["name"] == "Production")
    wanted = {
        "name": "bench",
        "apiKeyType": "server_side",
        "workspace": {"id": home, "type": "workspace"},
        "environments": [{"id": place, "type": "environment"}],
    }
    return str(client.send("POST", "/internal/api/v2/apiKeys", wanted)[1]["key"])


def wait_until_ready(url: str, path: str) -> None:
    """Wait until a server answers."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            client = Client(url)
            if client.send("GET", path)[0] == 200:
                return
        except OSError:
            time.sleep(0.005)
        finally:
            client.close()
    raise RuntimeError(f"{url} does not answer")


@contextmanager
def sandbox() -> Iterator[str]:
    """A Jira sandbox without rate limits, because the floor has none."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with program("-c", "from jira_sandbox.cli import main; main()", "--port", port, core=CLIENT_CORE):
        wait_until_ready(url, "/sandbox/healthz")
        client = Client(url)
        client.send("PUT", "/sandbox/settings", {"enforce_limits": False, "post_per_second": 1e9})
        client.close()
        yield url


@contextmanager
def flagpost(database: Path, sandbox_url: str = "http://127.0.0.1:9") -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """`flagpost serve` on one core. Gives its address and process."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {
        "FLAGPOST_DATABASE_URL": f"sqlite:///{database}",
        "FLAGPOST_ATLASSIAN_API_URL": sandbox_url,
        "FLAGPOST_FORGE_JWKS_URL": f"{sandbox_url}/.well-known/jwks.json",
        "FLAGPOST_FORGE_APP_ID": APP_ID,
        "FLAGPOST_ALLOW_INSECURE_JIRA": "true",
        "FLAGPOST_BOOTSTRAP_ADMIN_KEY": KEY,
        "FLAGPOST_SECRET_KEYS": SECRET_KEY,
        "FLAGPOST_LOG_LEVEL": "error",
    }
    with program("-m", "flagpost", "serve", "--port", port, core=SERVER_CORE, **environment) as running:
        wait_until_ready(url, "/readyz")
        yield url, running


def rate(
    url: str,
    connections: int,
    seconds: float,
    act: Callable[[Client, int, int], None],
    headers: Mapping[str, str] | None = None,
) -> float:
    """The calls of `act` a second on so many connections. Each gets its connection and its number."""
    end = time.monotonic() + seconds

    def work(connection: int) -> int:
        client, done = Client(url, headers), 0
        while time.monotonic() < end:
            act(client, connection, done)
            done += 1
        client.close()
        return done

    started = time.monotonic()
    with ThreadPoolExecutor(connections) as pool:
        total = sum(pool.map(work, range(connections)))
    return total / (time.monotonic() - started)


def percentile(values: list[float], share: float) -> float:
    """The value that this share of all values does not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def p50(values: list[float]) -> float:
    """The median."""
    return statistics.median(values)


def resident_mb(process: subprocess.Popen[bytes], what: str = "VmRSS") -> float:
    """The memory of a process in MB; with `VmHWM`, its maximum so far."""
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1]) / 1024
    return float("nan")


def cpu_seconds(process_id: int, *, children: bool = False) -> float:
    """The CPU seconds of a process; with `children`, those of its children and of ended ones too."""
    used, _ = _cpu_of(Path(f"/proc/{process_id}/stat"), children)
    if not children:
        return used
    others = (_cpu_of(stat, False) for stat in Path("/proc").glob("[0-9]*/stat"))
    return used + sum(seconds for seconds, of in others if of == process_id)


def _cpu_of(stat: Path, ended: bool) -> tuple[float, int]:
    """The CPU seconds of one process (with its ended children, if wanted), and its parent."""
    try:
        words = stat.read_text().rpartition(")")[2].split()
    except OSError:  # the process has ended
        return 0.0, 0
    ticks = sum(map(int, words[11 : 15 if ended else 13]))
    return ticks / os.sysconf("SC_CLK_TCK"), int(words[1])
