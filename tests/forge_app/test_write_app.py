"""The app for a Jira Cloud site: what is written, what is refused, and that Atlassian's own checks accept it."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from flagpost.errors import Conflict, InvalidInput
from flagpost.forge_app import write_app
from tests.conftest import SHARED

TOOLS = SHARED / "tools" / "forge"
PACKAGES = ("@forge/manifest@13.7.0", "@forge/lint@6.3.1", "@forge/bridge@7.2.0", "esbuild@0.28.2")


def test_the_manifest_carries_the_address(tmp_path: Path) -> None:
    write_app("https://flags.example.com/", tmp_path / "app")
    manifest = yaml.safe_load((tmp_path / "app" / "manifest.yml").read_text())
    provider = manifest["modules"]["devops:featureFlagInfoProvider"][0]
    assert provider["actions"] == {
        "createFlag": {"urlTemplate": "https://flags.example.com/flags/new?issue={issue.key}&summary={issue.summary}"},
        "linkFlag": {
            "urlTemplate": "https://flags.example.com/flags/connect?issue={issue.key}&summary={issue.summary}"
        },
    }
    assert manifest["remotes"][0]["baseUrl"] == "https://flags.example.com"
    assert {one["key"] for one in manifest["modules"]["endpoint"]} == {"configure", "installed", "token", "uninstall"}


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://flags.example.com", "over https only"),
        ("flags.example.com", "over https only"),
        ("https://localhost:8080", "cannot reach localhost"),
        ("https://127.0.0.1", "cannot reach 127.0.0.1"),
        ("https://flags.example.com/?a=1", "no \\? and no #"),
        ("https://[bad", "not an address"),
        ("https://flags.example.com/" + "x" * 220, "too long for Jira"),
    ],
)
def test_an_address_that_cannot_work_is_refused_and_writes_nothing(tmp_path: Path, address: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        write_app(address, tmp_path / "app")
    assert not (tmp_path / "app").exists()


def test_an_app_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    write_app("https://flags.example.com", tmp_path / "app")
    (tmp_path / "app" / "manifest.yml").write_text("registered")
    with pytest.raises(Conflict):
        write_app("https://flags.example.com", tmp_path / "app")
    assert (tmp_path / "app" / "manifest.yml").read_text() == "registered"


@pytest.mark.slow
@pytest.mark.skipif(not TOOLS.is_dir(), reason="the scripts that run Atlassian's checks are not here: no shared folder")
@pytest.mark.skipif(not shutil.which("npm"), reason="Node is not installed, and Atlassian's checks need it")
def test_atlassians_own_checks_accept_it_and_its_page_builds(tmp_path: Path) -> None:
    app, checks = tmp_path / "app", tmp_path / "checks"
    checks.mkdir()
    install = ["npm", "install", "--silent", "--ignore-scripts", "--no-save", "--prefix", str(checks), *PACKAGES]
    if subprocess.run(install, capture_output=True, check=False).returncode:
        pytest.skip("npm could not install Atlassian's checks on this machine")
    write_app("https://flags.example.com", app)
    for script in TOOLS.glob("*.js"):
        shutil.copy(script, checks)
    modules = checks / "node_modules"
    shutil.copytree(modules, app / "node_modules", symlinks=True)
    subprocess.run(["npm", "run", "build", "--silent"], cwd=app, check=True, capture_output=True)
    assert (app / "static" / "configure.bundle.js").stat().st_size > 10_000

    def node(script: str, target: Path) -> str:
        import os

        environment = {**os.environ, "SPEC_DIR": str(SHARED / "contracts" / "jira")}
        done = subprocess.run(
            ["node", str(checks / script), str(target)], capture_output=True, text=True, env=environment, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert json.loads(node("validate-manifest.js", app / "manifest.yml")) == {"success": True, "errors": []}
    assert "No issues found" in node("lint-offline.js", app)
