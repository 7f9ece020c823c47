"""A disk that is full under SQLite: a clear answer, nothing corrupt, and all goes on once there is room again.

Two ways to have one: a small file system of its own, mounted where only this Flagpost sees it; and a limit to how large
a file may grow, which needs no rights but is told as a failure to write.
"""

import resource
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from jira_sandbox.embedded import Sandbox
from tests.end_to_end.burst import Burst
from tests.end_to_end.fleet import Fleet, fleet
from tests.end_to_end.survived import Survived
from tests.end_to_end.world import FLAGPOST, World

pytestmark = [pytest.mark.slow, pytest.mark.faults]
MOUNT = "mount -t tmpfs -o size=4m none {folder} && exec"
SMALL, LARGE = 1_500_000, 1 << 40


@dataclass
class SmallFileSystem:
    """Four megabytes, seen by one process and through it."""

    running: Fleet
    file: Path
    status = 507
    words = "disk that the database is on is full"

    @property
    def seen(self) -> Path:
        return Path(f"/proc/{self.running.server.pid}/root{self.file}")

    def fill(self) -> None:
        with (self.seen.parent / "something-else").open("wb", buffering=0) as other:
            try:
                while True:
                    other.write(b"x" * 4096)
            except OSError:
                return

    def make_room(self) -> None:
        (self.seen.parent / "something-else").unlink()


@dataclass
class FilesOfLimitedSize:
    """No file of the process may grow above a limit."""

    running: Fleet
    file: Path
    status = 503
    words = "The database cannot be used just now"

    @property
    def seen(self) -> Path:
        return self.file

    def fill(self) -> None:
        largest = max(file.stat().st_size for file in self.file.parent.iterdir())
        resource.prlimit(self.running.server.pid, resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))

    def make_room(self) -> None:
        resource.prlimit(self.running.server.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)


@contextmanager
def small_file_system(sandbox: Sandbox, folder: Path) -> Iterator[SmallFileSystem]:
    within = ["unshare", "--mount", "--user", "--map-root-user"]
    mount = MOUNT.format(folder=folder)
    if not shutil.which("unshare") or subprocess.run([*within, "sh", "-c", f"{mount} true"], check=False).returncode:
        pytest.skip("this machine lets nobody mount a file system of their own; the limit to files is tested")
    program = [*within, "sh", "-c", f'{mount} "$@"', "sh", *FLAGPOST]
    file = folder / "flagpost.db"
    with fleet(sandbox, f"sqlite:///{file}", program=program) as running:
        yield SmallFileSystem(running, file)


@contextmanager
def files_of_limited_size(sandbox: Sandbox, folder: Path) -> Iterator[FilesOfLimitedSize]:
    file = folder / "flagpost.db"
    with fleet(sandbox, f"sqlite:///{file}") as running:
        yield FilesOfLimitedSize(running, file)


def first_refusal(world: World) -> tuple[str, httpx2.Response]:
    """Create flags until that is refused: of the last, the name and the answer."""
    path = f"/internal/api/v2/splits/ws/{world.workspace()}/trafficTypes/user"
    for number in range(5000):
        name = f"filling{number}"
        answer = world.http.post(path, json={"name": name, "description": "d" * 400})
        if not answer.is_success:
            return name, answer
    raise AssertionError("the disk never became full")


@pytest.mark.parametrize("disk", [small_file_system, files_of_limited_size])
def test_a_full_disk_is_said_spoils_nothing_and_is_over_once_there_is_room(
    sandbox: Sandbox, tmp_path: Path, disk: object, survived: Survived
) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    with disk(sandbox, folder) as full:  # type: ignore[operator]
        world = full.running.world
        world.new_flag("before", "PAY-1")
        world.settled()
        full.fill()
        refused, answer = first_refusal(world)
        assert (answer.status_code, full.words in answer.json()["message"]) == (full.status, True), answer.text
        assert int(answer.headers["Retry-After"]) > 0
        home = world.workspace()
        assert world.http.get(f"/internal/api/v2/splits/ws/{home}/{refused}").status_code == 404  # it can be read
        assert world.http.get(f"/internal/api/v2/splits/ws/{home}/before").status_code == 200
        page = world.http.post(
            "/signin", data={"email": "a@example.com", "password": "p"}, headers={"Sec-Fetch-Site": "same-origin"}
        )
        assert page.status_code < 500 or full.words in page.text, page.text
        full.make_room()
        world.call("POST", f"/internal/api/v2/splits/ws/{home}/trafficTypes/user", json={"name": refused})
        world.act("kill", "before")
        world.expect_equal()
        assert intact(full.seen, tmp_path)
        survived.note("disk full")
        survived.done(changes=1)


def test_the_disk_is_full_for_a_while_in_a_burst_of_changes(
    sandbox: Sandbox, tmp_path: Path, survived: Survived
) -> None:
    with files_of_limited_size(sandbox, tmp_path) as full:
        burst = Burst(full.running.world, survived.seed)
        with burst.under_way():
            for _ in burst.moments(survived.times(2)):
                full.fill()
                seen = burst.unanswered
                burst.wait_for_refusals(seen + 3)
                full.make_room()
                survived.note("disk full")
        burst.expect_kept()
        assert intact(full.seen, tmp_path / "copy")
        survived.done(burst)


def intact(file: Path, folder: Path) -> bool:
    """What SQLite itself says of a copy of the file and its log: the file may be where only Flagpost can open it."""
    folder.mkdir(exist_ok=True)
    for part in ("", "-wal"):
        shutil.copy(f"{file}{part}", folder / f"copy.db{part}")
    with closing(sqlite3.connect(folder / "copy.db")) as connection:
        return bool(connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)])
