"""The same change from two processes at once: made once, told to both, and what Jira shows is what is there."""

import threading
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest

from jira_sandbox.embedded import Sandbox
from tests.end_to_end.fleet import fleet
from tests.end_to_end.survived import Survived
from tests.end_to_end.test_import import run_import
from tests.end_to_end.world import World, process

pytestmark = [pytest.mark.slow, pytest.mark.faults]
ROUNDS = 12


def at_once(*acts: Callable[[], httpx2.Response]) -> list[int]:
    """What each of these was answered; all begin in the same moment."""
    ready, answers = threading.Barrier(len(acts)), []

    def run(act: Callable[[], httpx2.Response]) -> None:
        ready.wait()
        answers.append(act().status_code)

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(answers)


def test_two_serving_processes_are_told_the_same(sandbox: Sandbox, database_url: str, survived: Survived) -> None:
    """On SQLite, where one process serves, two callers of it."""
    with fleet(sandbox, database_url, 2) as running:
        if running.many:
            with process(sandbox, database_url, "--no-worker") as other:
                told_the_same(running.world, other.url, survived)
        else:
            told_the_same(running.world, running.server.url, survived)


def told_the_same(one: World, other_url: str, survived: Survived) -> None:
    with closing(World(other_url, one.sandbox)) as other:
        seen = change_at_once(one, other)
    survived.note("the same change from two processes", seen.total())
    one.expect_equal(90)
    assert len(one.sandbox.flags()) == ROUNDS
    survived.done(changes=2 * seen.total())


def change_at_once(one: World, other: World) -> Counter[tuple[str, int]]:
    """Each change is asked for twice in the same moment; how often each was answered what, the worse of the two."""
    home, seen = one.workspace(), Counter[tuple[str, int]]()
    splits, links = f"/internal/api/v2/splits/ws/{home}", f"/api/v1/projects/{home}/flags"
    body = {
        "treatments": [{"name": "on"}, {"name": "off"}],
        "defaultTreatment": "off",
        "rules": [],
        "defaultRule": [{"treatment": "on", "size": 100}],
    }
    for number in range(ROUNDS):
        name = f"same{number}"
        place = f"{splits}/{name}/environments/Production"
        changes: dict[str, tuple[str, str, Any]] = {
            "create": ("POST", f"{splits}/trafficTypes/user", {"name": name}),
            "initiate": ("POST", place, body),
            "connect": ("POST", f"{links}/{name}/issues", {"issues": ["PAY-1"]}),
            "kill": ("PUT", f"{place}/kill", None),
            "save": ("PUT", place, body),
            "disconnect": ("DELETE", f"{links}/{name}/issues/PAY-1", None),
            "connect again": ("POST", f"{links}/{name}/issues", {"issues": ["PAY-1"]}),
        }
        for what, (method, path, sent) in changes.items():
            how: dict[str, Any] = {} if sent is None else {"json": sent}
            answers = at_once(*(partial(world.http.request, method, path, **how) for world in (one, other)))
            assert answers[0] < 300, (what, answers)
            assert answers[-1] < 500, (what, answers)
            if what in ("create", "initiate"):
                assert answers == [200, 409], (what, answers)
            seen[what, answers[-1]] += 1
    return seen


def test_an_import_changes_what_people_change_meanwhile(
    sandbox: Sandbox, database_url: str, survived: Survived, tmp_path: Path
) -> None:
    file = tmp_path / "flags.csv"
    with fleet(sandbox, database_url) as running:
        world = running.world
        issues = [world.sandbox.add_issue(f"IMP-{number + 1}")["key"] for number in range(30)]
        lines = [f"flag{number},{issues[number]},true" for number in range(30)]
        file.write_text("name,issues,default\n" + "\n".join(lines) + "\n")
        imported: list[int] = []
        thread = threading.Thread(target=lambda: imported.append(run_import(world, database_url, file).returncode))
        thread.start()
        taken = 0
        path = f"/internal/api/v2/splits/ws/{world.workspace()}/trafficTypes/user"
        for number in range(29, -1, -1):
            answer = world.http.post(path, json={"name": f"flag{number}"})
            assert answer.status_code in (200, 409), answer.text
            taken += answer.status_code == 200
        thread.join()
        assert imported in ([0], [1])
        world.expect_equal()
        survived.note("the same flags from an import and from the API", 30)
        survived.done(changes=taken)
