"""`flagpost import`, from a file to the issues in Jira."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import SHARED
from tests.end_to_end.world import World, environment

pytestmark = pytest.mark.slow

DATA = SHARED / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the shared folder with the Kubernetes data is not here")


def run_import(world: World, sqlite_url: str, file: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """The command, as a process of its own beside the serving one."""
    import os

    values = {**os.environ, **environment(world.sandbox, sqlite_url), "COLUMNS": "200"}
    command = [sys.executable, "-m", "flagpost", "import", str(file), *options]
    return subprocess.run(command, env=values, capture_output=True, text=True, check=False)


@needs_data
@pytest.mark.slow
@pytest.mark.parametrize("name", ["kubernetes-feature-gates.json", "kubernetes-feature-gates.csv"])
def test_real_flags_are_imported_connected_and_seen_on_their_issues(
    connected: World, sqlite_url: str, name: str
) -> None:
    gates = json.loads((DATA / "kubernetes-feature-gates.json").read_text())["gates"]
    keys = sorted({key for gate in gates for key in gate["issues"]})
    for key in keys:
        connected.sandbox.add_issue(key, summary=f"Enhancement {key}")
    dry = run_import(connected, sqlite_url, DATA / name, "--dry-run", "--create-owners")
    assert dry.returncode == 0, dry.stdout + dry.stderr
    assert f"Nothing was changed. An import would give: {len(gates)} flags" in dry.stdout
    assert list(connected._all(f"/internal/api/v2/splits/ws/{connected.workspace()}")) == []

    done = run_import(connected, sqlite_url, DATA / name, "--create-owners")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(gates)} create, 0 complete, 0 unchanged, 0 refuse" in done.stdout
    connected.expect_equal()
    for gate in gates:
        held = connected.in_jira(gate["name"])
        assert (held["issues"] if held else []) == sorted(gate["issues"]), gate["name"]
    flags = {flag["name"]: flag for flag in connected._all(f"/internal/api/v2/splits/ws/{connected.workspace()}")}
    assert {owner["name"] for owner in flags["APIResponseCompression"]["owners"]} == {"ilackams"}

    again = run_import(connected, sqlite_url, DATA / name, "--create-owners")
    assert f"0 create, 0 complete, {len(gates)} unchanged, 0 refuse), 0 new connections" in again.stdout


def test_each_bad_line_is_refused_with_its_reason_and_the_others_are_imported(
    connected: World, sqlite_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "flags.csv"
    file.write_text(
        "name,description,owners,issues,default,colour\n"
        "good,A flag,nobody,pay-1,true,red\n"
        "9bad,A flag,,,,\n"
        "good,Again,,,,\n"
        "lost,A flag,,PAY-777,,\n"
        "odd,A flag,,,perhaps,\n"
        "plain,,,,,\n"
    )
    done = run_import(connected, sqlite_url, file)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0] == "Ignored, because Flagpost has no such field: colour"
    assert (
        "create     good  connect PAY-1; set up in Staging, Production; owner “nobody” is neither a user nor a group here"
        in lines[1]
    )
    assert "refuse     9bad  name: A flag's name starts with a letter" in lines[2]
    assert "refuse     good  name: “good” is already in the file, at 2." in lines[3]
    assert "refuse     lost  issues: PAY-777 does not exist in Jira" in lines[4]
    assert "refuse     odd  default: “perhaps” is neither true nor false." in lines[5]
    assert "create     plain" in lines[6]
    assert "6 flags (2 create, 0 complete, 0 unchanged, 4 refuse), 1 new connections." in lines[7]
    connected.expect_equal()


def test_a_flag_that_exists_only_gets_what_it_lacks(connected: World, sqlite_url: str, tmp_path: Path) -> None:
    connected.new_flag("pay", "PAY-1", share=30)
    file = tmp_path / "flags.json"
    file.write_text(
        json.dumps([{"name": "pay", "description": "Other", "issues": ["PAY-1", "PAY-2"], "default": True}])
    )
    done = run_import(connected, sqlite_url, file)
    assert "complete   pay  connect PAY-2; set up in Staging" in done.stdout
    shown = connected.on_issue("pay")
    assert shown["issues"] == ["PAY-1", "PAY-2"]
    assert shown["summary"]["status"]["rollout"] == {"percentage": 30}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("flags.txt", "", "the name must end in .csv or .json"),
        ("flags.json", "{", "is not JSON"),
        ("flags.json", '{"a": 1}', "must be a list of objects"),
        ("flags.json", "[]", "There is no flag in the file"),
        ("flags.csv", "a,b\n1,2\n", "one of them must be “name”"),
        ("flags.csv", "name,owners\nx,y,z\n", "Line 2 has more cells"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_whole(
    world: World, sqlite_url: str, tmp_path: Path, name: str, content: str, said: str
) -> None:
    file = tmp_path / name
    file.write_text(content)
    done = run_import(world, sqlite_url, file)
    assert done.returncode == 1
    assert said in done.stderr
