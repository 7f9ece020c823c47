"""Releases: one version in one place, everything that repeats it agrees, and the changelog is cut without loss."""

import datetime
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from tests.conftest import ROOT
from tools.release import CHANGELOG, IMAGE_FILES, VERSION_FILE, current_version, cut, demo_range, prepare, stamped

from flagpost import __version__

DAY = datetime.date(2026, 12, 1)


def project(folder: str) -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]
    return table


@pytest.mark.parametrize("folder", [".", "sandbox"])
def test_a_distribution_takes_its_version_from_the_source(folder: str) -> None:
    found = project(folder)
    assert "version" not in found
    assert {"version", "urls"} <= set(found["dynamic"])
    assert "Typing :: Typed" in found["classifiers"]


def test_the_command_prints_the_version_of_the_source() -> None:
    command = [sys.executable, "-m", "flagpost", "--version"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == f"flagpost {__version__}\n"
    assert current_version((ROOT / VERSION_FILE).read_text()) == __version__


def test_the_extra_demo_accepts_the_sandbox_of_this_version_and_not_of_the_next() -> None:
    extras = project(".")["optional-dependencies"]
    (requirement,) = extras["demo"]
    accepted = SpecifierSet(requirement.removeprefix("flagpost-jira-sandbox"))
    major, minor, _ = Version(__version__).release
    assert __version__ in accepted
    assert f"{major}.{minor + 1}.0" not in accepted


@pytest.mark.parametrize("path", IMAGE_FILES, ids=str)
def test_what_names_the_container_image_names_this_version(path: Path) -> None:
    assert set(re.findall(r"\bflagpost:(\d+\.\d+\.\d+)\b", (ROOT / path).read_text())) == {__version__}


def test_no_other_file_names_the_image_with_a_version() -> None:
    command = ["git", "grep", "-lE", r"\bflagpost:[0-9]+\.[0-9]"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    assert {line for line in listing if not line.startswith("tests/")} == set(map(str, IMAGE_FILES))


def test_cutting_keeps_every_line_and_leaves_an_empty_section_above() -> None:
    before = "# Changelog\n\n## Unreleased\n\n* New.\n\n## 0.1.0 - 2026-10-01\n\n* First.\n"
    after = cut(before, "0.2.0", DAY)
    assert after == before.replace("## Unreleased\n", "## Unreleased\n\n## 0.2.0 - 2026-12-01\n")
    with pytest.raises(ValueError, match="lists nothing"):
        cut(after, "0.3.0", DAY)
    with pytest.raises(ValueError, match="already"):
        cut(after.replace("## Unreleased\n", "## Unreleased\n\n* More.\n"), "0.2.0", DAY)


def test_a_version_is_stamped_into_every_file_that_states_it() -> None:
    for path in (VERSION_FILE, Path("pyproject.toml"), *IMAGE_FILES):
        text = stamped(path, (ROOT / path).read_text(), "7.8.9")
        assert demo_range("7.8.9") in text or "7.8.9" in text, path
        assert __version__ not in text or path.suffix == ".toml", path


def test_a_release_that_lists_no_changes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in (VERSION_FILE, Path("pyproject.toml"), *IMAGE_FILES):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text((ROOT / path).read_text())
    (tmp_path / CHANGELOG).write_text("# Changelog\n\n## Unreleased\n")
    monkeypatch.setattr("tools.release.ROOT", tmp_path)
    with pytest.raises(SystemExit, match="lists nothing"):
        prepare("7.8.9", DAY)


def test_the_changelog_is_in_order_and_has_a_place_for_what_is_unreleased() -> None:
    heads = re.findall(r"^## (.+)$", (ROOT / CHANGELOG).read_text(), re.MULTILINE)
    assert heads[0] == "Unreleased"
    released = [re.fullmatch(r"(\d+\.\d+\.\d+) - (\d{4}-\d\d-\d\d)", head) for head in heads[1:]]
    assert all(released), "a section of the changelog is headed “## 1.2.3 - 2026-12-01”"
    versions = [Version(one[1]) for one in released if one]
    assert versions == sorted(versions, reverse=True)
