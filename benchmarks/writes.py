"""Changes a second through the Admin API."""

from pathlib import Path
from typing import Any

from benchmarks.change import DEFINITION
from benchmarks.stage import SERVER_CORE, Client, flagpost, free_port, program, rate, wait_until_ready
from benchmarks.table import report


def bench_writes(folder: Path, seconds: float) -> None:
    """Measure creations and kills a second, beside a bare INSERT through the same stack."""
    floors = {}
    port = free_port()
    with program("-m", "benchmarks.floor", f"sqlite:///{folder / 'floor.db'}", port, core=SERVER_CORE):
        bare = f"http://127.0.0.1:{port}"
        wait_until_ready(bare, "/readyz")
        for connections in (1, 16):
            floors[connections] = rate(
                bare, connections, seconds, lambda c, _n, i: _ok(c, "POST", "/insert", {"name": f"x{i}"})
            )
    for connections in (1, 16):
        with flagpost(folder / f"writes{connections}.db") as (url, _):
            created, killed = _writes(url, connections, seconds)
        floor = floors[connections]
        for what, found in (("Creates", created), ("Kills and restores", killed)):
            report(
                f"{what} through the Admin API, {connections} connection{'s' if connections > 1 else ''}",
                f"{found:.0f} /s",
                f"bare INSERT: {floor:.0f} /s",
                f"{found / floor:.2f} ×",
                "≥ 0.67 ×" if connections == 16 else "",
            )


def _writes(url: str, connections: int, seconds: float) -> tuple[float, float]:
    """Creations a second, and kills and restores a second."""
    client = Client(url)
    home = client.get("/internal/api/v2/workspaces")["objects"][0]["id"]
    splits = f"/internal/api/v2/splits/ws/{home}"

    def create(one: Client, connection: int, number: int) -> None:
        _ok(one, "POST", f"{splits}/trafficTypes/user", {"name": f"f{connection}-{number}"})

    def switch(one: Client, connection: int, number: int) -> None:
        verb = "restore" if number % 2 else "kill"
        _ok(one, "PUT", f"{splits}/f{connection}-0/environments/Production/{verb}")

    created = rate(url, connections, seconds, create)
    for connection in range(connections):
        _ok(client, "POST", f"{splits}/f{connection}-0/environments/Production", DEFINITION)
    return created, rate(url, connections, seconds, switch)


def _ok(client: Client, method: str, path: str, body: Any = None) -> None:
    status, said = client.send(method, path, body)
    assert status == 200, (status, said)
