"""Flagpost anew for each test, in this process, beside the sandbox."""

import os
import time
from collections.abc import Iterator

import pytest

from flagpost.actions.access import Actor, system
from flagpost.actions.accounts import bootstrap
from flagpost.actions.context import Context
from flagpost.app import running
from flagpost.settings import load
from jira_sandbox.embedded import Sandbox
from tests.end_to_end.survived import Survived
from tests.end_to_end.workers import Workers
from tests.end_to_end.world import World, environment, process


def started(sandbox: Sandbox, database_url: str) -> Iterator[World]:
    values = {
        name.removeprefix("FLAGPOST_").lower(): value for name, value in environment(sandbox, database_url).items()
    }
    with running(load(port=0, sweep_seconds=0.2, **values)) as ctx:
        found = World(ctx.settings.public_url, sandbox)
        yield found
        found.close()


@pytest.fixture
def served_alone(sqlite_url: str) -> Iterator[tuple[Context, Actor]]:
    """Flagpost on SQLite with no Jira beside it, and Flagpost itself as who saves."""
    with running(load(port=0, database_url=sqlite_url)) as ctx:
        yield ctx, system(bootstrap.ensure_account(ctx))


@pytest.fixture
def world(sandbox: Sandbox, sqlite_url: str) -> Iterator[World]:
    """Flagpost on SQLite, not connected to Jira yet."""
    yield from started(sandbox, sqlite_url)


@pytest.fixture
def world_on_both(sandbox: Sandbox, database_url: str) -> Iterator[World]:
    """The same, on each of the two stores."""
    yield from started(sandbox, database_url)


@pytest.fixture
def connected(world: World) -> World:
    """The same, connected: Default shows Production."""
    world.connect_jira()
    return world


@pytest.fixture
def workers(sandbox: Sandbox, postgres_url: str) -> Iterator[Workers]:
    found = Workers(sandbox, postgres_url)
    yield found
    for worker in found:
        worker.end()


@pytest.fixture
def served(sandbox: Sandbox, postgres_url: str) -> Iterator[World]:
    """Flagpost serves in a process that does not deliver; the site is connected."""
    with process(sandbox, postgres_url, "--no-worker") as running:
        world = World(running.url, sandbox)
        world.connect_jira()
        yield world
        world.close()


@pytest.fixture
def connected_on_both(world_on_both: World) -> World:
    """The same, on each of the two stores."""
    world_on_both.connect_jira()
    return world_on_both


@pytest.fixture
def survived(request: pytest.FixtureRequest) -> Survived:
    """The seed of a test in which chance has a part, printed where it fails, and what the test went through."""
    seed = int(os.environ.get("FLAGPOST_FAULTS_SEED") or time.time_ns() % 1_000_000)
    store = (
        "PostgreSQL"
        if any("postgres" in name for name in request.fixturenames) or "postgresql" in request.node.name
        else "SQLite"
    )
    print(f"To have the same again, set FLAGPOST_FAULTS_SEED={seed}")
    return Survived(request.node.name, store, seed)
