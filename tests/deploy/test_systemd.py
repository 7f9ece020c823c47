"""The units for systemd: valid, locked down, and given the time that a stop takes."""

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest

from flagpost.settings import Settings
from tests.conftest import ROOT

UNITS = sorted((ROOT / "deploy/systemd").glob("*.service"))
MOST_EXPOSED = 20  # of 100, as `systemd-analyze security` counts: "OK" is below 40


@pytest.fixture(params=UNITS, ids=lambda unit: unit.name)
def unit(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


def test_systemd_finds_nothing_wrong_and_little_exposed(unit: Path, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not on this machine")
    copy = tmp_path / unit.name
    copy.write_text(unit.read_text().replace("/opt/flagpost/venv/bin/flagpost", "/bin/true"))
    verified = subprocess.run(["systemd-analyze", "verify", copy], capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stderr) == (0, "")
    command = ["systemd-analyze", "security", "--offline=true", f"--threshold={MOST_EXPOSED}", "--no-pager", str(copy)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_a_stop_is_given_longer_than_it_takes(unit: Path) -> None:
    parsed = configparser.ConfigParser(strict=False, interpolation=None)
    parsed.optionxform = str  # type: ignore[assignment,method-assign]
    parsed.read(unit)
    assert int(parsed["Service"]["TimeoutStopSec"]) > Settings.model_fields["stop_seconds"].default + 5


def test_no_unit_holds_a_secret(unit: Path) -> None:
    assert "Environment=" not in unit.read_text()
