"""What needs Node: the packages that a package.json pins, the bundled app, and Atlassian's checks of it."""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from flagpost.commands.forge_app import write_app

CHECKS = Path(__file__).parent / "checks"


def packages(wanted: Path, cache: Path) -> Path:
    """The node_modules of a package.json, kept in `cache` for the next time; skips the test where npm cannot."""
    home = cache / hashlib.sha256(wanted.read_bytes()).hexdigest()[:16]
    if not home.is_dir():
        if not shutil.which("npm"):
            pytest.skip("Node is not installed, and the packages that this tries need it")
        with tempfile.TemporaryDirectory(dir=cache) as making:
            _install(wanted, Path(making) / "new")
            if not home.is_dir():  # else another test process was quicker
                (Path(making) / "new").rename(home)
    return home / "node_modules"


def _install(wanted: Path, folder: Path) -> None:
    folder.mkdir()
    shutil.copy(wanted, folder)
    install = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
    done = subprocess.run(install, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"npm cannot install {', '.join(json.loads(wanted.read_text())['dependencies'])} on this machine")


def built_app(folder: Path, cache: Path, base_url: str = "https://flags.example.com", **how: Any) -> Path:
    """The app for an address with its pages bundled, as `npm install` leaves it."""
    write_app(base_url, folder, **how)
    (folder / "node_modules").symlink_to(packages(folder / "package.json", cache))
    subprocess.run(["npm", "run", "build", "--silent"], cwd=folder, check=True, capture_output=True)
    return folder


def bundled_files(app: Path) -> dict[str, str]:
    """The files of its pages, by their paths in it."""
    return {one.relative_to(app).as_posix(): one.read_text() for one in (app / "static").rglob("*") if one.is_file()}


def found_by_atlassian(apps: Sequence[Path], cache: Path) -> list[list[str]]:
    """What Atlassian's own checks find wrong with each of these apps; in one go, as they take long to begin."""
    done = subprocess.run(
        ["node", str(CHECKS / "check.cjs"), *map(str, apps)],
        env={**os.environ, "NODE_PATH": str(packages(CHECKS / "package.json", cache))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[list[str]] = json.loads(done.stdout)
    return found
