"""Flagpost and its database break in a burst of changes: what was acknowledged is there, and Jira shows it.

`python -m benchmarks.faults` runs these with more changes, over and over. A failing run prints its seed; with
`FLAGPOST_FAULTS_SEED` set to it the hands do the same again.
"""

import time

import pytest
import sqlalchemy as sa

from jira_sandbox.embedded import Sandbox
from tests.end_to_end.burst import Burst
from tests.end_to_end.fleet import fleet
from tests.end_to_end.survived import Survived
from tests.end_to_end.wire import wire_to
from tests.stores import PostgresServer

pytestmark = [pytest.mark.slow, pytest.mark.faults]


def test_kill_9_of_any_process_at_random_moments(sandbox: Sandbox, database_url: str, survived: Survived) -> None:
    with fleet(sandbox, database_url) as running:
        burst = Burst(running.world, survived.seed)
        with burst.under_way():
            for moment in burst.moments(survived.times(3)):
                survived.note(running.kill_and_start(moment))
        burst.expect_kept()
        survived.done(burst)


@pytest.mark.parametrize("workers", [2, 4])
def test_of_several_workers_one_is_killed(
    sandbox: Sandbox, postgres_url: str, survived: Survived, workers: int
) -> None:
    with fleet(sandbox, postgres_url, workers) as running:
        burst = Burst(running.world, survived.seed)
        with burst.under_way():
            for moment in burst.moments(1):
                running.kill_worker(moment % workers)
                survived.note("kill -9 of a worker")
        burst.expect_kept()
        survived.done(burst)


def test_connections_to_postgresql_are_cut(sandbox: Sandbox, postgres_url: str, survived: Survived) -> None:
    where = sa.make_url(postgres_url)
    with wire_to(f"{where.query['host']}/.s.PGSQL.5432") as wire:
        there = where.set(host="127.0.0.1", port=wire.port, query={}).render_as_string(hide_password=False)
        with fleet(sandbox, there, 2) as running:
            burst = Burst(running.world, survived.seed)
            with burst.under_way():
                for _ in burst.moments(survived.times(4)):
                    wire.snap()
                    survived.note("every connection to PostgreSQL cut")
            burst.expect_kept()
            survived.done(burst)


def test_postgresql_crashes_and_starts_again(
    sandbox: Sandbox, own_postgres_server: PostgresServer, survived: Survived
) -> None:
    with own_postgres_server.new_url() as url, fleet(sandbox, url, 2) as running:
        burst = Burst(running.world, survived.seed)
        with burst.under_way():
            for _ in burst.moments(survived.times(2)):
                own_postgres_server.crash()
                time.sleep(0.5)
                own_postgres_server.start_again()
                survived.note("crash of PostgreSQL")
        burst.expect_kept()
        survived.done(burst)
