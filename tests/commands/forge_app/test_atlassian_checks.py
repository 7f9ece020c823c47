"""What Atlassian's own packages say of the app: its validator, its linters, and its bridge within the bundles."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from tests.commands.forge_app.node import CHECKS, built_app, bundled_files, found_by_atlassian

pytestmark = pytest.mark.slow


def change(app: Path, **modules: object) -> None:
    path = app / "manifest.yml"
    manifest = yaml.safe_load(path.read_text())
    manifest["modules"] |= modules
    path.write_text(yaml.safe_dump(manifest))


def without_a_page(app: Path) -> None:
    shutil.rmtree(app / "static" / "panel")


def without_a_scope(app: Path) -> None:
    text = (app / "manifest.yml").read_text()
    (app / "manifest.yml").write_text(text.replace("  - read:jira-work\n", ""))


def with_an_endpoint_that_is_not_there(app: Path) -> None:
    change(app, scheduledTrigger=[{"key": "fresh-token", "interval": "hour", "endpoint": "nowhere"}])


BROKEN = {
    without_a_page: "static/panel",
    without_a_scope: "read:jira-work",
    with_an_endpoint_that_is_not_there: "nowhere",
}


def test_atlassians_checks_find_nothing_and_would_find_what_is_wrong(
    built: Path, npm_cache: Path, tmp_path: Path
) -> None:
    to_try = built_app(tmp_path / "to_try", npm_cache, "http://localhost:8080", allow_localhost=True)
    broken = [Path(shutil.copytree(built, tmp_path / break_it.__name__, symlinks=True)) for break_it in BROKEN]
    for break_it, app in zip(BROKEN, broken, strict=True):
        break_it(app)
    good, for_trying, *found = found_by_atlassian([built, to_try, *broken], npm_cache)
    assert (good, for_trying) == ([], [])
    for wrong, problems in zip(BROKEN.values(), found, strict=True):
        assert wrong in " ".join(problems)


def test_the_bundles_carry_everything_and_break_no_rule_of_the_frame(built: Path) -> None:
    files = bundled_files(built)
    assert set(files) == {
        "static/configure/index.html",
        "static/configure/page.css",
        "static/configure/page.js",
        "static/panel/icon.svg",
        "static/panel/index.html",
        "static/panel/page.css",
        "static/panel/page.js",
    }
    for name in ("configure", "panel"):
        assert "callBridge" in files[f"static/{name}/page.js"]
        assert "@import" not in files[f"static/{name}/page.css"]


def test_the_versions_are_pinned() -> None:
    pinned = json.loads((CHECKS / "package.json").read_text())["dependencies"]
    assert all(version[0].isdigit() for version in pinned.values())
