"""`flagpost backup`, `restore` and `copy-to`: another Flagpost goes on where the first one was."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jira_sandbox.embedded import Sandbox
from tests.end_to_end.world import World, environment, process

pytestmark = pytest.mark.slow


def run(sandbox: Sandbox, *arguments: object) -> subprocess.CompletedProcess[str]:
    values = {**os.environ, **environment(sandbox, "sqlite:///unused.db"), "COLUMNS": "200"}
    command = [sys.executable, "-m", "flagpost", *map(str, arguments)]
    return subprocess.run(command, env=values, capture_output=True, text=True, check=False)


def goes_on(sandbox: Sandbox, database_url: str) -> None:
    """Serve on this database: the flag is there, and what changes reaches Jira."""
    with process(sandbox, database_url) as running:
        world = World(running.url, sandbox)
        world.call("POST", "/api/v1/jira/integration/resend", expect=202)
        world.act("kill", "pay")
        world.new_flag("later", "PAY-2")
        world.expect_equal()
        world.close()


def test_a_backup_of_a_running_flagpost_is_restored_elsewhere(
    sandbox: Sandbox, sqlite_url: str, tmp_path: Path
) -> None:
    backup, empty = tmp_path / "backup.db", tmp_path / "elsewhere.db"
    with process(sandbox, sqlite_url) as running:
        world = World(running.url, sandbox)
        world.connect_jira()
        world.new_flag("pay", "PAY-1")
        world.settled()
        done = run(sandbox, "backup", backup, "--database-url", sqlite_url)
        assert (done.returncode, "The key to the secrets is not in the backup" in done.stdout) == (0, True), done.stderr
        world.define("pay", share=77)  # what the backup does not have
        world.settled()
        world.close()
    again = run(sandbox, "backup", backup, "--database-url", sqlite_url)
    assert (again.returncode, "exists already" in again.stderr) == (1, True)
    restored = run(sandbox, "restore", backup, "--database-url", f"sqlite:///{empty}")
    assert (restored.returncode, "1 flags, 1 connections" in restored.stdout) == (0, True), restored.stderr
    goes_on(sandbox, f"sqlite:///{empty}")
    refused = run(sandbox, "restore", backup, "--database-url", f"sqlite:///{empty}")
    assert (refused.returncode, "database exists at" in refused.stderr) == (1, True)


def test_everything_moves_from_sqlite_to_postgresql(sandbox: Sandbox, sqlite_url: str, postgres_url: str) -> None:
    with process(sandbox, sqlite_url) as running:
        world = World(running.url, sandbox)
        world.connect_jira()
        world.new_flag("pay", "PAY-1")
        world.settled()
        world.close()
    done = run(sandbox, "copy-to", postgres_url, "--database-url", sqlite_url)
    assert (done.returncode, "row counts of all tables agree" in done.stdout) == (0, True), done.stderr
    goes_on(sandbox, postgres_url)


def test_what_is_no_backup_is_refused(sandbox: Sandbox, tmp_path: Path, postgres_url: str) -> None:
    import sqlite3

    (tmp_path / "text.db").write_text("no database " * 500)
    newer = sqlite3.connect(tmp_path / "newer.db")
    newer.execute("CREATE TABLE alembic_version (version_num TEXT)")
    newer.execute("INSERT INTO alembic_version VALUES ('9999')")
    newer.commit()
    newer.close()
    place = ("--database-url", f"sqlite:///{tmp_path / 'new.db'}")
    assert "does not exist" in run(sandbox, "restore", tmp_path / "nothing.db", *place).stderr
    assert "not a database" in run(sandbox, "restore", tmp_path / "text.db", *place).stderr
    assert "Another version of Flagpost made" in run(sandbox, "restore", tmp_path / "newer.db", *place).stderr
    assert not (tmp_path / "new.db").exists()
    for command in ("backup", "restore"):
        done = run(sandbox, command, tmp_path / "x.db", "--database-url", postgres_url)
        assert (done.returncode, "docs/how-to/run.md" in done.stderr) == (1, True)
