"""The composition root: the only module that knows all parts of Flagpost."""

import gc
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from functools import lru_cache, partial

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from flagpost import __version__
from flagpost.actions.access import Actor, system
from flagpost.actions.accounts import bootstrap, sessions
from flagpost.actions.change_requests import reviews
from flagpost.actions.context import Context, now_ms
from flagpost.actions.jira import secret_rotation
from flagpost.errors import SetupError
from flagpost.jira.client import JiraClient
from flagpost.jira.delivery import Delivery, accounts_to_deliver
from flagpost.jira.failure_policy import FailurePolicy
from flagpost.jira.invocation_token import InvocationVerifier
from flagpost.jira.issue_refresh import Refresher
from flagpost.jira.issues import IssueReader
from flagpost.jira.rate_limits import RateLimiter
from flagpost.jira.reconciliation import Reconciler
from flagpost.jira.retention import Retention
from flagpost.jira.secret_box import secret_box
from flagpost.jira.site_access import Keyring
from flagpost.jobs.embedded import EmbeddedEngine
from flagpost.jobs.periodic import PeriodicTask
from flagpost.jobs.port import Engine
from flagpost.jobs.postgres import PostgresEngine
from flagpost.server import Server, Shutdown, listen, server
from flagpost.serving.environments import Environments
from flagpost.serving.impression_buffer import ImpressionBuffer
from flagpost.serving.keys import SdkKeys
from flagpost.settings import Settings
from flagpost.store import migrate
from flagpost.store.db import Database
from flagpost.telemetry import tracing
from flagpost.telemetry.logging import as_request, set_up_logging
from flagpost.web import admin_api, body_limits, console, forge, headers, health, render, rest_api, sdk, webhooks
from flagpost.web.state import Application, Parts, ServingParts
from flagpost.web.templating import STATIC

_DESCRIPTION = """Split's Admin API under `/internal/api/v2`, and Flagpost's own for the Jira side under `/api/v1`.
Both take an admin API key, as `Authorization: Bearer …` or `x-api-key: …`."""

_RETENTION_SECONDS = 600.0


def open_database(settings: Settings) -> Database:
    """Open the database with the schema of this version. SQLite is migrated here, PostgreSQL by `flagpost migrate`."""
    database = Database(settings.database_url)
    if settings.sqlite_file:
        with suppress(OSError):  # the error is raised with its reason when the file is opened below
            settings.sqlite_file.touch(mode=0o600, exist_ok=True)  # other users of the machine must not read it
    try:
        if not migrate.is_current(database):
            _migrate_or_refuse(database)
    except SetupError:
        database.close()
        raise
    return database


def _migrate_or_refuse(database: Database) -> None:
    if not database.is_sqlite:
        migrate.require_known(migrate.current_revision(database))
        raise SetupError("The database has the schema of another version. Run: flagpost migrate")
    migrate.upgrade(database)


def context_on(database: Database, settings: Settings, clock: Callable[[], int] = now_ms) -> Context:
    """The context of the actions on this database. Its `wake` does nothing."""
    client = JiraClient(settings)
    box = secret_box(settings)
    keyring = Keyring(database, client, box, clock)
    refresh_ms = settings.issue_refresh_seconds * 1000
    failure_policy = FailurePolicy(database, clock)
    return Context(
        db=database,
        settings=settings,
        jira=client,
        keyring=keyring,
        issues=IssueReader(client, keyring, RateLimiter(), failure_policy, clock, time.sleep, refresh_ms),
        box=box,
        verifier=InvocationVerifier(settings, client, database, clock),
        clock=clock,
    )


def periodic_tasks(context: Context) -> tuple[PeriodicTask, ...]:
    """The periodic tasks beside the sweep: name, interval in seconds, function.

    The names are the locks by which two versions exclude each other during a rolling update: a name never changes.
    """
    settings = context.settings
    refresher = Refresher(context.db, context.jira, context.issues, context.clock, settings.issue_refresh_budget)
    return (
        PeriodicTask("issue_refresh", settings.sweep_seconds, refresher.run),
        PeriodicTask("publish_scheduled_changes", settings.sweep_seconds, partial(reviews.publish_due, context)),
        PeriodicTask("reconciliation", settings.sweep_seconds, drift_checker(context).run),
        PeriodicTask("retention", _RETENTION_SECONDS, _retention(context).run),
    )


def _engine(context: Context, *, works: bool = True) -> Engine:
    """On SQLite this process delivers; on PostgreSQL any process with `works` does."""
    db, settings = context.db, context.settings
    delivery = Delivery(db, context.jira, context.keyring, context.issues.limiter, context.clock, settings.public_url)
    waiting = partial(accounts_to_deliver, db, context.clock)
    tasks = periodic_tasks(context)
    if db.is_sqlite:
        return EmbeddedEngine(delivery.deliver, waiting, settings.sweep_seconds, tasks)
    return PostgresEngine(db, delivery.deliver, waiting, settings.sweep_seconds, tasks, works=works)


def drift_checker(context: Context) -> Reconciler:
    """The reconciliation with Jira, with these settings."""
    settings, limiter = context.settings, context.issues.limiter
    return Reconciler(
        context.db,
        context.jira,
        context.keyring,
        limiter,
        context.clock,
        settings.public_url,
        settings.reconciliation_hour,
        settings.reconciliation_budget,
    )


def _retention(context: Context) -> Retention:
    kept = context.settings
    return Retention(
        context.db, context.clock, kept.delivery_log_days, kept.delivery_log_rows, kept.delivery_totals_days
    )


def create_app(
    settings: Settings, *, works: bool = True, shutdown: Shutdown | None = None
) -> Application[ServingParts]:
    """The whole application for these settings. It delivers to Jira from its start-up to its shutdown.

    Without `works`, on PostgreSQL, other processes deliver. `shutdown` limits the duration of the shutdown.
    """
    shutdown = shutdown or Shutdown(settings.stop_seconds, force=False)
    database = open_database(settings)
    sleeping = context_on(database, settings)
    engine = _engine(sleeping, works=works)
    context = replace(sleeping, wake=engine.wake)
    environments = Environments(context)
    impressions = ImpressionBuffer(database, context.clock, max(settings.traffic_days, settings.stale_flag_days))

    @asynccontextmanager
    async def lifespan(_app: object) -> AsyncIterator[None]:
        bootstrap.ensure_account(context)
        secret_rotation.encrypt_with_newest_key(context)
        environments.start()
        engine.start()
        impressions.start()
        yield
        impressions.stop(shutdown.seconds_left())
        environments.stop()
        engine.stop(shutdown.seconds_left())
        context.jira.close()
        database.close()

    parts = ServingParts(context, engine, environments, SdkKeys(context), impressions)
    return Application(_routes(tracing.provider()), parts, lifespan)


@lru_cache(maxsize=1)
def _routes(provider: object) -> FastAPI:  # noqa: ARG001 - a new one makes new routes, which it traces
    """Every route, set up once for all Flagposts of a process, which takes a third of a second."""
    app = FastAPI(
        title="Flagpost",
        version=__version__,
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        telemetry=tracing.for_fastapi(),
    )
    app.include_router(health.described)
    for part in (health, admin_api, rest_api, forge, webhooks, console):
        app.include_router(part.router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_middleware(sdk.Applications)
    app.add_middleware(body_limits.BoundedBodies)
    app.add_middleware(headers.EveryRequest)
    app.add_middleware(sdk.ResponseCache)
    render.install_error_handlers(app)
    return app


def serve(settings: Settings, *, works: bool = True) -> None:
    """Serve until SIGTERM or SIGINT. Prints the address and, while no user can sign in, the link for the first admin.

    Without `works` this process does not deliver to Jira. Another process has to (`work`), on PostgreSQL only.
    """
    if not works and settings.sqlite_file:
        raise SetupError("On SQLite there is one process, and it has to deliver. Leave out --no-worker.")
    _set_up_telemetry(settings)
    with listen(settings.host, settings.port) as listening:
        settings = settings.model_copy(update={"port": listening.getsockname()[1]})
        shutdown = Shutdown(settings.stop_seconds, force=True)
        app = create_app(settings, works=works, shutdown=shutdown)
        context = app.parts.context
        bootstrap.ensure_account(context)
        print(f"Flagpost {__version__} is at {settings.public_url}", flush=True)
        if link := sessions.first_admin_link(context):
            print(
                f"No user can sign in yet. Create the first admin here, once:\n  {link}",
                flush=True,
            )
        _relax_garbage_collector()
        server(app, settings, shutdown).run(sockets=[listening])


def work(settings: Settings) -> None:
    """Deliver to Jira until SIGTERM or SIGINT, beside serving processes. On PostgreSQL only."""
    _set_up_telemetry(settings)
    if settings.sqlite_file:
        raise SetupError("On SQLite, `flagpost serve` delivers by itself. Workers are for PostgreSQL.")
    shutdown = Shutdown(settings.stop_seconds, force=True)
    shutdown.begin_on_signals()
    with _context(settings) as context:
        engine = _engine(context)
        with _worker_endpoints(context, engine, shutdown) as address:
            engine.start()
            print(f"The Flagpost worker runs{address}.", flush=True)
            shutdown.begun.wait()
            engine.stop(shutdown.seconds_left())


@contextmanager
def _worker_endpoints(context: Context, engine: Engine, shutdown: Shutdown) -> Iterator[str]:
    """Serve a worker's health checks and metrics during the block, if a port is set. Gives the address in words."""
    settings = context.settings
    if settings.worker_port is None:
        yield ""
        return
    routes = FastAPI(title="Flagpost worker", openapi_url=None, telemetry=tracing.for_fastapi())
    routes.include_router(health.router)
    routes.add_middleware(headers.EveryRequest)
    render.install_error_handlers(routes)
    endpoints = server(Application(routes, Parts(context, engine)), settings, shutdown)
    with listen(settings.host, settings.worker_port) as listening, _in_a_thread(endpoints, listening):
        yield f", and answers at http://{settings.host}:{listening.getsockname()[1]}"


def _set_up_telemetry(settings: Settings) -> None:
    set_up_logging(settings.log_level, settings.log_format)
    if settings.traces:
        tracing.switch_on()


def _relax_garbage_collector() -> None:
    """Let the garbage collector run less often, and never look at the objects of the libraries, which all stay.

    A full collection of these hundreds of thousands of objects stopped every request for 50 ms. With this, the slowest
    page of a hundred takes 15 ms (`make bench`).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


@contextmanager
def running(settings: Settings) -> Iterator[Context]:
    """Run Flagpost in a thread of this process during the block: for the demo and for tests.

    Port 0 takes any free port; the settings of the context have its number.
    """
    with listen(settings.host, settings.port) as listening:
        settings = settings.model_copy(update={"port": listening.getsockname()[1]})
        app = create_app(settings)
        with _in_a_thread(server(app, settings, Shutdown(settings.stop_seconds, force=False)), listening):
            yield app.parts.context


@contextmanager
def _in_a_thread(running: Server, listening: socket.socket) -> Iterator[None]:
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]}, name="flagpost", daemon=True)
    thread.start()
    while not running.started and thread.is_alive():
        time.sleep(0.005)
    try:
        yield
    finally:
        running.should_exit = True
        thread.join(30)


@contextmanager
def operator_context(settings: Settings) -> Iterator[tuple[Context, Actor]]:
    """For the command line: a context without delivery, and Flagpost itself as the actor.

    The sweep of a serving process finds the changes of this one.
    """
    with _context(settings) as context, as_request():
        yield context, system(bootstrap.ensure_account(context))


@contextmanager
def _context(settings: Settings) -> Iterator[Context]:
    database = open_database(settings)
    context = context_on(database, settings)
    try:
        yield context
    finally:
        context.jira.close()
        database.close()
