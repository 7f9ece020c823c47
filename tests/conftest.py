"""Fixtures for every test: the two stores, an account in them, and a clock that the test moves."""

import logging
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import argon2
import hypothesis
import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet

from flagpost import app
from flagpost.actions.access import Actor, system
from flagpost.actions.accounts import sessions
from flagpost.actions.context import Context
from flagpost.settings import Settings
from flagpost.store.db import Database
from flagpost.store.schema import core
from jira_sandbox.embedded import Sandbox, running_sandbox
from tests import done_once
from tests.stores import PostgresServer, SqliteTemplate, emptied_after, remove_server

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"
_POSTGRES_FOLDER = pytest.StashKey[Path]()


hypothesis.settings.register_profile("quick", max_examples=25, deadline=None)
hypothesis.settings.register_profile("default", deadline=None)  # these machines are shared: time is for benchmarks
hypothesis.settings.load_profile("default")

# Whatever starts the tests in the background has them ignore Ctrl-C, and the processes that they start too.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="session")
def cheap_passwords() -> Iterator[argon2.PasswordHasher]:
    """Passwords are hashed for real, at a fraction of the cost; what the product itself uses comes out."""
    own = sessions._hasher
    sessions._hasher = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    yield own
    sessions._hasher = own


@pytest.fixture(autouse=True, scope="session")
def _done_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        done_once.share(patch)
        yield


@pytest.fixture(scope="session")
def npm_cache(request: pytest.FixtureRequest) -> Path:
    """Where packages of npm are kept from one run to the next."""
    return request.config.cache.mkdir("npm")


@pytest.fixture(scope="module")
def quiet_sdk() -> Iterator[None]:
    """Split's SDK logs every attribute and every matcher that it cannot read."""
    logging.getLogger("splitio").setLevel(logging.CRITICAL + 1)
    yield
    logging.getLogger("splitio").setLevel(logging.NOTSET)


class Clock:
    """A clock that stands still until the test moves it; milliseconds since 1970."""

    def __init__(self) -> None:
        self.now = 1_790_000_000_000

    def __call__(self) -> int:
        return self.now

    def forward(self, *, seconds: float = 0, days: float = 0) -> None:
        self.now += int((seconds + days * 86_400) * 1000)


@dataclass(frozen=True)
class AccountFixture:
    """An account with an admin of its own who is no person: Flagpost itself."""

    id: str
    admin: Actor


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> SqliteTemplate:
    return SqliteTemplate(tmp_path_factory.mktemp("sqlite"))


def pytest_configure(config: pytest.Config) -> None:
    """The first process of a run makes a folder for its PostgreSQL server, and tells the others.

    Not in pytest's own folder: a second run closes that to other users, and as root the server is run by another.
    """
    told = getattr(config, "workerinput", {}).get("postgres_folder")
    config.stash[_POSTGRES_FOLDER] = Path(told or tempfile.mkdtemp(prefix="flagpost-postgres-"))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """pytest-xdist asks, for each further process."""
    node.workerinput["postgres_folder"] = str(node.config.stash[_POSTGRES_FOLDER])


def pytest_unconfigure(config: pytest.Config) -> None:
    """The first process, which is the last one too, removes it."""
    if not hasattr(config, "workerinput"):
        remove_server(config.stash[_POSTGRES_FOLDER])


@pytest.fixture(scope="session")
def postgres_server(pytestconfig: pytest.Config) -> Iterator[PostgresServer]:
    """One for the whole run; a test that would disturb others there takes `own_postgres_server`."""
    server = PostgresServer(pytestconfig.stash[_POSTGRES_FOLDER])
    yield server
    server.stop()


@pytest.fixture
def own_postgres_server() -> Iterator[PostgresServer]:
    """Of the test's own, and as safe from a crash as in real life."""
    with tempfile.TemporaryDirectory(prefix="flagpost-postgres-", ignore_cleanup_errors=True) as folder:
        server = PostgresServer(Path(folder), durable=True)
        yield server
        server.stop()


@pytest.fixture(scope="session")
def _postgres_database(postgres_server: PostgresServer) -> Iterator[str]:
    with postgres_server.new_url() as url:
        yield url


@pytest.fixture
def sqlite_url(sqlite_template: SqliteTemplate, tmp_path: Path) -> str:
    """A migrated, empty SQLite database."""
    return sqlite_template.new_url(tmp_path)


@pytest.fixture
def postgres_url(_postgres_database: str) -> Iterator[str]:
    """A migrated, empty PostgreSQL database."""
    with emptied_after(_postgres_database) as url:
        yield url


@pytest.fixture
def fresh_postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """One that no test had before, for what leaves traces beside rows: in the schema, in the planner's statistics."""
    with postgres_server.new_url() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A migrated, empty database; each test runs on both stores."""
    return str(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url"))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def sqlite_database(sqlite_url: str) -> Iterator[Database]:
    """For what has nothing to do with the store: one run instead of two."""
    database = Database(sqlite_url)
    yield database
    database.close()


@pytest.fixture(scope="session")
def _running_sandbox() -> Iterator[Sandbox]:
    with running_sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(_running_sandbox: Sandbox) -> Sandbox:
    """A Jira sandbox in which nothing has happened yet."""
    _running_sandbox.reset()
    return _running_sandbox


@pytest.fixture
def clock() -> Clock:
    return Clock()


def context_on(database: Database, clock: Clock) -> Context:
    """A context with the settings of a test: nothing outside this machine is ever called."""
    settings = Settings(
        database_url=database.url.render_as_string(hide_password=False),
        atlassian_api_url="http://127.0.0.1:9",
        forge_jwks_url="http://127.0.0.1:9/.well-known/jwks.json",
        forge_app_id="ari:cloud:ecosystem::app/8db33309-2a52-4d0e-9c0f-5a4e1a1d2f5a",
        allow_insecure_jira=True,
        secret_keys=[Fernet.generate_key().decode()],
    )
    return app.context_on(database, settings, clock)


@pytest.fixture
def ctx(database: Database, clock: Clock) -> Context:
    """On both stores."""
    return context_on(database, clock)


@pytest.fixture
def sqlite_ctx(sqlite_database: Database, clock: Clock) -> Context:
    """On SQLite only."""
    return context_on(sqlite_database, clock)


def new_account(ctx: Context, name: str = "Acme") -> AccountFixture:
    account_id = str(uuid4())
    with ctx.db.write() as tx:
        tx.execute(sa.insert(core.accounts).values(id=account_id, name=name, created_at=ctx.clock()))
    return AccountFixture(account_id, replace(system(account_id), name="Ada Admin"))


@pytest.fixture
def account(ctx: Context) -> AccountFixture:
    """An account on the store of `ctx`."""
    return new_account(ctx)


@pytest.fixture
def sqlite_account(sqlite_ctx: Context) -> AccountFixture:
    """An account on the store of `sqlite_ctx`."""
    return new_account(sqlite_ctx)
