"""What Atlassian's own packages say of the app: its validator, its linters, and its bridge within the bundles."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from tests.forge_app.node import CHECKS, built_app, bundled_files, found_by_atlassian

pytestmark = pytest.mark.slow


@pytest.fixture
def app(built: Path, tmp_path: Path) -> Path:
    """A copy to break."""
    return Path(shutil.copytree(built, tmp_path / "app", symlinks=True))


def change(app: Path, **modules: object) -> None:
    path = app / "manifest.yml"
    manifest = yaml.safe_load(path.read_text())
    manifest["modules"] |= modules
    path.write_text(yaml.safe_dump(manifest))


def test_atlassians_checks_find_nothing(built: Path, npm_cache: Path) -> None:
    assert found_by_atlassian(built, npm_cache) == []


def test_they_find_nothing_wrong_with_an_app_for_trying_either(tmp_path: Path, npm_cache: Path) -> None:
    app = built_app(tmp_path / "app", npm_cache, "http://localhost:8080", allow_localhost=True)
    assert found_by_atlassian(app, npm_cache) == []


def test_they_find_a_page_that_was_not_built(app: Path, npm_cache: Path) -> None:
    shutil.rmtree(app / "static" / "panel")
    assert "static/panel" in " ".join(found_by_atlassian(app, npm_cache))


def test_they_find_a_scope_that_an_event_needs(app: Path, npm_cache: Path) -> None:
    text = (app / "manifest.yml").read_text()
    (app / "manifest.yml").write_text(text.replace("  - read:jira-work\n", ""))
    assert "read:jira-work" in " ".join(found_by_atlassian(app, npm_cache))


def test_they_find_an_endpoint_that_is_not_there(app: Path, npm_cache: Path) -> None:
    change(app, scheduledTrigger=[{"key": "fresh-token", "interval": "hour", "endpoint": "nowhere"}])
    assert "nowhere" in " ".join(found_by_atlassian(app, npm_cache))


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
