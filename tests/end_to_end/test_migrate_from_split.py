"""`flagpost migrate-from split`, with a second Flagpost as the source account: its Admin API is Split's."""

import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from flagpost.actions.access import system
from flagpost.actions.accounts import api_keys, bootstrap
from flagpost.actions.context import Context
from flagpost.actions.projects import projects
from flagpost.app import running
from flagpost.commands import split_migration
from flagpost.errors import FlagpostError
from flagpost.settings import load
from jira_sandbox.embedded import Sandbox
from tests.end_to_end.account import API, differences, everything_in
from tests.end_to_end.applications import Application, sdk_key
from tests.end_to_end.world import KEY, SECRET_KEY, World, environment, until
from tests.stores import SqliteTemplate

pytestmark = pytest.mark.slow


class Target:
    """An installation to import into: its database, and its served state."""

    def __init__(self, sandbox: Sandbox, url: str, folder: Path) -> None:
        self.sandbox, self.url, self.folder = sandbox, url, folder
        self.cache = folder / "cache"

    def command(self, source: World, *options: str, key: str = KEY) -> tuple[list[str], dict[str, str]]:
        where = ["--base-url", f"{source.url}{API}", "--requests-a-second", "1000", "--cache", str(self.cache)]
        command = [sys.executable, "-m", "flagpost", "migrate-from", "split", *where, *options]
        values = {**environment(self.sandbox, self.url), "FLAGPOST_SPLIT_API_KEY": key, "COLUMNS": "200"}
        return command, {**os.environ, **values}

    def migrate(self, source: World, *options: str, key: str = KEY, expect: int = 0) -> str:
        """Run the command to its end; its output."""
        command, values = self.command(source, *options, key=key)
        done = subprocess.run(command, env=values, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == expect, done.stdout + done.stderr
        return done.stdout + done.stderr

    @contextmanager
    def served(self) -> Iterator[World]:
        """The installation, served."""
        values = environment(self.sandbox, self.url)
        plain = {name.removeprefix("FLAGPOST_").lower(): value for name, value in values.items()}
        with running(load(port=0, **plain)) as ctx:
            see_everything(ctx)
            world = World(ctx.settings.public_url, self.sandbox)
            yield world
            world.close()


def see_everything(ctx: Context) -> None:
    """Grant the tests' key what only people may view."""
    operator = system(bootstrap.ensure_account(ctx))
    key = api_keys.list_api_keys(ctx, operator)[0]
    for project in projects.list_projects(ctx, operator).items:
        if project.restricted:
            projects.grant_view(ctx, operator, project.id, "api_key", key.id)


@pytest.fixture
def target(sandbox: Sandbox, sqlite_template: SqliteTemplate, tmp_path: Path) -> Target:
    """An empty installation beside the source."""
    return Target(sandbox, sqlite_template.new_url(tmp_path), tmp_path)


@pytest.fixture(params=["sqlite", "postgresql"])
def target_on_both(request: pytest.FixtureRequest, target: Target) -> Target:
    """An empty installation on each of the two stores; the source is on SQLite."""
    if request.param == "postgresql":
        target.url = request.getfixturevalue("postgres_url")
    return target


def post(source: World, path: str, body: Any = None, method: str = "POST") -> Any:
    return source.call(method, f"{API}/{path}", json=body)


def fill(source: World) -> None:
    """An account with an object of every kind."""
    users = [post(source, "users", {"email": f"{name}@example.com"})["id"] for name in ("ada", "grace")]
    group = post(source, "groups", {"name": "Платежи", "description": ""})["id"]
    shop = source.workspace()
    clinic = post(source, "workspaces", {"name": "Clinic 診療所", "requiresTitleAndComments": True})["id"]
    for name, production in (("Live", True), ("Dev", False)):
        post(source, f"environments/ws/{clinic}", {"name": name, "production": production})
    post(source, f"trafficTypes/ws/{clinic}", {"name": "account"})
    _fill_shop(source, shop, users, group)
    post(source, f"splits/ws/{clinic}/trafficTypes/account", {"name": "not_set_up"})
    restriction = {"resource": {"type": "workspace", "id": clinic}, "operations": {"view": True}}
    granted = {"view": [{"type": "user", "id": users[0]}, {"type": "group", "id": group}]}
    post(source, "restrictions", {**restriction, "resourcePermissions": granted}, "PUT")


def _fill_shop(source: World, shop: str, users: list[str], group: str) -> None:
    attribute = {"id": "plan", "displayName": "Plan", "dataType": "STRING", "suggestedValues": ["free", "paid"]}
    post(source, f"schema/ws/{shop}/trafficTypes/user", {**attribute, "isSearchable": True, "description": "What"})
    places = {one["name"]: one["id"] for one in source.call("GET", f"{API}/environments/ws/{shop}")}
    _fill_segments(source, shop, places["Production"])
    flag_set = {"name": "backend", "description": "Of the server", "workspace": {"id": shop, "type": "WORKSPACE"}}
    sets = [{"id": source.call("POST", "/api/v3/flag-sets", json=flag_set)["id"]}]
    for number in range(60):  # more than a page
        source.new_flag(f"flag_{number}", share=number)
    owners = [{"type": "user", "id": users[1]}, {"type": "group", "id": group}]
    owned = [
        {"op": "replace", "path": "/owners", "value": owners},
        {"op": "replace", "path": "/tags", "value": [{"name": "web"}, {"name": "Q4"}]},
        {"op": "replace", "path": "/description", "value": "“Все” 支払い"},
    ]
    post(source, f"splits/ws/{shop}/flag_0", owned, "PATCH")
    rules = [
        {
            "condition": {"combiner": "AND", "matchers": [{"type": "IN_SEGMENT", "string": name, "negate": False}]},
            "buckets": [{"treatment": "on", "size": 30}, {"treatment": "off", "size": 70}],
        }
        for name in ("staff", "loyal")
    ]
    depends = {"type": "IN_SPLIT", "depends": {"splitName": "flag_2", "treatment": ["on"]}, "negate": True}
    rules.append({**rules[0], "condition": {"combiner": "AND", "matchers": [depends]}})
    wanted = [{"splitName": "flag_59", "treatment": ["on", "off"]}]
    more: dict[str, Any] = {
        "trafficAllocation": 80,
        "flagSets": sets,
        "prerequisites": wanted,
        "impressionsDisabled": True,
    }
    source.define("flag_1", rules=rules, share=40, **more)
    source.define("flag_1", place="Staging")
    source.act("kill", "flag_3")
    approvals = {"areApprovalsRequired": True, "allowKills": False, "approvers": [{"id": users[0], "type": "user"}]}
    patch = [{"op": "replace", "path": "/changePermissions", "value": {**approvals, "areApproversRestricted": True}}]
    post(source, f"environments/ws/{shop}/Production", patch, "PATCH")


def _fill_segments(source: World, shop: str, place: str) -> None:
    for kind, name in (
        ("segments", "staff"),
        ("segments", "empty"),
        ("large-segments", "vips"),
        ("rule-based-segments", "loyal"),
        ("rule-based-segments", "base"),
    ):
        post(source, f"{kind}/ws/{shop}/trafficTypes/user", {"name": name, "description": f"Who is {name}"})
        post(source, f"{kind}/{place}/{name}")
    keys = ["ключ", "a/b?c", *(f"user_{number}" for number in range(250))]
    post(source, f"segments/{place}/staff/uploadKeys?replace=true", {"keys": keys, "comment": ""}, "PUT")
    matcher = {"type": "IN_SEGMENT", "string": "base", "negate": False}
    rules = [{"condition": {"combiner": "AND", "matchers": [matcher]}}]
    excluded = [{"name": "staff", "type": "standard_segment"}]
    body = {"rules": rules, "excludedKeys": ["mallory"], "excludedSegments": excluded, "title": "", "comment": ""}
    post(source, f"rule-based-segments/ws/{shop}/loyal/environments/Production", body, "PUT")


def served(world: World) -> dict[str, Any]:
    """What Production serves, without the numbers of the changes."""
    changes = Application(world, sdk_key(world)).changes()
    return {
        part: sorted(({**one, "changeNumber": 0} for one in changes[part]["d"]), key=lambda one: str(one["name"]))
        for part in ("ff", "rbs")
    }


def test_a_whole_account_is_imported_and_every_key_keeps_its_treatment(
    world: World, sqlite_url: str, target_on_both: Target
) -> None:
    target = target_on_both
    fill(world)
    said = target.migrate(world, "--create-users", "--keep-shares", "--sdk-url", f"{world.url}/sdk")
    with target.served() as there:
        assert [*differences(everything_in(there), everything_in(world))] == []
        assert [*differences(served(there), served(world))] == []
    assert "vips in Production: is large, so Split's API does not show its keys" in said
    assert "Archived flags" in said
    assert not target.cache.exists()
    assert KEY not in said
    made = "SELECT count(*), count(revoked_at) FROM api_keys WHERE name LIKE 'Migration to Flagpost%'"
    assert rows(sqlite_url, made) == [(2, 2)]


def test_a_second_run_imports_what_changed_in_split_and_leaves_what_changed_here(world: World, target: Target) -> None:
    for name in ("imported", "changed_here", "removed_here", "gone_there", "gone_on", "labelled_here"):
        world.new_flag(name, share=10)
    target.migrate(world)
    with target.served() as there:
        there.define("changed_here", share=55)
        there.undefine("removed_here")
        label = [{"op": "replace", "path": "/rolloutStatus/id", "value": rollout_status(there, "Ramping")}]
        post(there, f"splits/ws/{there.workspace()}/labelled_here", label, "PATCH")
        approvals = [{"op": "replace", "path": "/changePermissions", "value": {"areApprovalsRequired": True}}]
        post(there, f"environments/ws/{there.workspace()}/Production", approvals, "PATCH")
    for name in ("imported", "changed_here", "removed_here"):
        world.define(name, share=77)
    world.act("kill", "imported")
    world.new_flag("new_one", share=0)
    world.undefine("gone_there")
    post(world, f"splits/ws/{world.workspace()}/gone_there/archive", {"comment": ""})
    said = target.migrate(world)
    for line in (
        "definition Default / changed_here in Production: a user changed it here",
        "definition Default / removed_here in Production: a user changed it here",
        "Default / feature flag gone_there: no longer exists in Split, or is archived there. It was left here.",
        "Default / definition gone_there in Production: no longer exists in Split. It was left here.",
    ):
        assert line in said
    with target.served() as there:
        found = everything_in(there)["Default"]
    definitions = found["environments"]["Production"]["definitions"]
    assert {one["name"]: (one["killed"], one["defaultRule"][0]["size"]) for one in definitions} == {
        "imported": (True, 77),
        "changed_here": (False, 55),
        "gone_there": (False, 10),
        "gone_on": (False, 10),
        "labelled_here": (False, 10),
        "new_one": (False, 0),
    }
    assert {one["name"]: one["rolloutStatus"] for one in found["flags"]}["labelled_here"] == "Ramping"


def rollout_status(world: World, name: str) -> str:
    found = world.call("GET", f"{API}/rolloutStatuses/ws/{world.workspace()}")
    return next(str(one["id"]) for one in found if one["name"] == name)


def test_a_run_that_finds_nothing_new_changes_nothing(world: World, target: Target) -> None:
    fill(world)
    options = ("--create-users", "--keep-shares", "--sdk-url", f"{world.url}/sdk")
    target.migrate(world, *options)
    entries = "SELECT count(*) FROM audit_entries"
    before = rows(target.url, entries)
    said = target.migrate(world, *options)
    counts = [line.split("  ") for line in said.splitlines() if line.startswith(("definitions", "feature flags"))]
    assert [[*filter(str.strip, line)][1:] for line in counts] == [["61"], ["61"]]
    assert rows(target.url, entries) == before


def rows(url: str, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as database:
        return database.execute(query).fetchall()


def test_owners_are_found_by_email_and_a_missing_one_is_named(world: World, target: Target) -> None:
    users = [post(world, "users", {"email": f"{name}@example.com"})["id"] for name in ("ada", "grace")]
    world.new_flag("pay")
    owners = [{"type": "user", "id": one} for one in users]
    patch = [{"op": "replace", "path": "/owners", "value": owners}]
    post(world, f"splits/ws/{world.workspace()}/pay", patch, "PATCH")
    with target.served() as there:
        post(there, "users", {"email": "ADA@example.com"})
    said = target.migrate(world)
    assert "grace@example.com: does not exist here and was left out in 1 place." in said
    with target.served() as there:
        owned = everything_in(there)["Default"]["flags"][0]["owners"]
    assert [kind for kind, _ in owned] == ["user"]


def test_a_migration_that_was_killed_continues_where_it_was(world: World, target: Target) -> None:
    fill(world)
    slow = ("--requests-a-second", "25")
    command, values = target.command(world, "--create-users", *slow)
    killed = subprocess.Popen(command, env=values, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(lambda: target.cache.exists() and cached(target) > 20, "some responses are cached")
    killed.kill()
    killed.wait()
    assert cached(target) > 20
    said = target.migrate(world, "--create-users")
    assert "Continuing with" in said
    assert not target.cache.exists()
    with target.served() as there:
        assert [*differences(everything_in(there), everything_in(world))] == []


def cached(target: Target) -> int:
    """How many responses a run has cached."""
    try:
        with closing(sqlite3.connect(target.cache)) as database:
            count: int = database.execute("SELECT count(*) FROM responses").fetchone()[0]
            return count
    except sqlite3.OperationalError:
        return 0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"api_key": "wrong"}, "Split does not accept this key (401)"),
        ({"base_url": "/somewhere"}, "ends in /internal/api/v2"),
        ({"base_url": "http://example.com"}, "over https only"),
        ({"workspaces": ["Nowhere"]}, "The key sees no project Nowhere. It sees: Default."),
        ({"keep_shares": True}, "needs --sdk-url"),
        ({"requests_a_second": 0}, "At least some requests"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_a_wrong_option_is_named_and_changes_nothing(
    world: World, target: Target, wrong: dict[str, Any], said: str
) -> None:
    world.new_flag("pay")
    values = {"api_key": KEY, "base_url": API, "requests_a_second": 1000, "cache": target.cache, **wrong}
    if values["base_url"].startswith("/"):
        values["base_url"] = world.url + values["base_url"]
    settings = load(database_url=target.url, secret_keys=SECRET_KEY)
    with pytest.raises(FlagpostError, match=re.escape(said)):
        split_migration.run(settings, split_migration.Options(**values))
    with target.served() as there:
        assert everything_in(there)["Default"]["flags"] == []
