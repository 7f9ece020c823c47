"""Periodic tasks: one that blocks delays no other, one process runs each, and their names are stable."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from flagpost.actions.context import Context
from flagpost.app import periodic_tasks
from flagpost.jobs.embedded import EmbeddedEngine
from flagpost.jobs.periodic import PeriodicTask, PeriodicThreads
from flagpost.jobs.port import Engine
from flagpost.jobs.postgres import PostgresEngine
from flagpost.store.db import Database
from flagpost.telemetry.logging import request_id
from flagpost.telemetry.metrics import ENGINE_FAILURES
from tests.jobs.waiting import until

OFTEN = 0.01


class Rounds:
    """A task that counts its rounds, or blocks in the first one."""

    def __init__(self) -> None:
        self.begun = 0
        self.go = threading.Event()
        self.go.set()

    def __call__(self) -> None:
        self.begun += 1
        self.go.wait(60)


def no_delivery(_account: str, _stopping: Callable[[], bool]) -> None:
    pass


@contextmanager
def engine(database: Database, sweep: Callable[[], list[str]], *tasks: PeriodicTask) -> Iterator[Engine]:
    if database.is_sqlite:
        found: Engine = EmbeddedEngine(no_delivery, sweep, OFTEN, tasks)
    else:
        found = PostgresEngine(database, no_delivery, sweep, OFTEN, tasks)
    found.start()
    try:
        yield found
    finally:
        found.stop(30)


def test_a_task_that_blocks_delays_neither_the_sweep_nor_another_task(database: Database) -> None:
    blocked, other, sweeps = Rounds(), Rounds(), Rounds()

    def sweep() -> list[str]:
        sweeps()
        return []

    blocked.go.clear()
    tasks = PeriodicTask("blocked", OFTEN, blocked), PeriodicTask("other", OFTEN, other)
    with engine(database, sweep, *tasks):
        until(lambda: blocked.begun == 1)
        swept, done = sweeps.begun, other.begun
        until(lambda: sweeps.begun > swept + 3 and other.begun > done + 3)
        assert blocked.begun == 1
        blocked.go.set()


def test_a_task_that_raises_is_counted_under_its_name_and_runs_again(database: Database) -> None:
    rounds = Rounds()

    def fail() -> None:
        rounds()
        raise RuntimeError("broken")

    before = ENGINE_FAILURES.labels("failing")._value.get()
    with engine(database, list, PeriodicTask("failing", OFTEN, fail)) as running:
        until(lambda: rounds.begun > 2)
        assert running.alive()
    assert ENGINE_FAILURES.labels("failing")._value.get() >= before + 2


def test_a_sweep_that_raises_is_repeated(database: Database) -> None:
    rounds = Rounds()

    def fail() -> list[str]:
        rounds()
        raise RuntimeError("broken")

    with engine(database, fail) as running:
        until(lambda: rounds.begun > 2)
        assert running.alive()


def test_each_round_has_a_request_id_of_its_own(sqlite_database: Database) -> None:
    seen: list[str] = []
    with engine(sqlite_database, list, PeriodicTask("seen", OFTEN, lambda: seen.append(request_id()))):
        until(lambda: len(seen) > 2)
    assert all(seen)
    assert len(set(seen)) == len(seen)
    assert request_id() == ""


def test_two_versions_side_by_side_exclude_each_other_by_the_name(postgres_url: str) -> None:
    """Two processes with one database, whose functions differ as those of two versions do."""
    old, new, elsewhere = Rounds(), Rounds(), Rounds()
    old.go.clear()
    first, second = Database(postgres_url), Database(postgres_url)
    other = PeriodicTask("elsewhere", OFTEN, elsewhere)
    with engine(first, list, PeriodicTask("the_task", OFTEN, old)):
        until(lambda: old.begun == 1)
        with engine(second, list, PeriodicTask("the_task", OFTEN, new), other):
            until(lambda: elsewhere.begun > 5)
            assert new.begun == 0
            old.go.set()
            until(lambda: new.begun > 0)
    first.close()
    second.close()


def test_a_task_runs_nowhere_while_another_session_holds_the_lock_of_its_name(postgres_url: str) -> None:
    """The literal name of the lock is what versions agree on: a test that computed it would follow a rename."""
    rounds, database = Rounds(), Database(postgres_url)
    locker = sa.create_engine(postgres_url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    other = Rounds()
    with locker.connect() as connection:
        connection.execute(
            sa.text("SELECT pg_advisory_lock(hashtextextended('periodic task publish_scheduled_changes', 0))")
        )
        with engine(
            database,
            list,
            PeriodicTask("publish_scheduled_changes", OFTEN, rounds),
            PeriodicTask("other", OFTEN, other),
        ):
            until(lambda: other.begun > 5)
            assert rounds.begun == 0
    database.close()


def test_the_names_of_the_tasks_are_those_of_every_version(sqlite_ctx: Context) -> None:
    """Changing one lets an old and a new process run that task at once during a rolling update."""
    assert [task.name for task in periodic_tasks(sqlite_ctx)] == [
        "issue_refresh",
        "publish_scheduled_changes",
        "reconciliation",
        "retention",
    ]


def test_a_stop_waits_for_the_round_in_hand(sqlite_database: Database) -> None:
    rounds = Rounds()
    rounds.go.clear()
    stopping = threading.Event()
    threads = PeriodicThreads([PeriodicTask("slow", OFTEN, rounds)], sqlite_database.advisory_lock, stopping)
    threads.start()
    until(lambda: rounds.begun == 1)
    stopping.set()
    threads.join(0.0)
    assert threads.alive()
    rounds.go.set()
    until(lambda: not threads.alive())
    assert rounds.begun == 1
