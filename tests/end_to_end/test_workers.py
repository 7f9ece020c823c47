"""Many processes on PostgreSQL: any free worker delivers, one at a time for a site, and a dead worker is replaced."""

import os
import signal
import subprocess
import sys
import time
from itertools import pairwise

import pytest
import sqlalchemy as sa

from jira_sandbox.embedded import Sandbox
from tests.end_to_end.workers import Workers, in_the_middle
from tests.end_to_end.world import FEATURE_FLAGS, World, environment

pytestmark = pytest.mark.slow
PATIENCE = 300.0  # tests/jobs/test_postgres.py adds up what the replacement takes; this machine may be busy
CUT_EVERY_CONNECTION = sa.text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


def test_a_process_that_only_serves_leaves_delivery_to_workers(served: World, workers: Workers) -> None:
    served.new_flag("pay", "PAY-1")
    time.sleep(1)
    assert served.sandbox.flags() == {}
    workers.start()
    served.expect_equal()
    assert workers[0].end() == 0


def test_the_processes_see_each_others_changes_and_deliver_one_at_a_time(served: World, workers: Workers) -> None:
    workers.start(2)
    served.sandbox.faults(latency_ms=20, prefix=FEATURE_FLAGS)
    for number in range(12):
        served.new_flag(f"flag{number}", "PAY-1" if number % 2 else "PAY-2", share=number)
    for number in range(0, 12, 3):
        served.act("kill", f"flag{number}")
    served.expect_equal()
    spans = [(one["at"], one["at"] + one["ms"] / 1000) for one in served.sandbox.requests(FEATURE_FLAGS)]
    overlaps = [one for one, other in pairwise(spans) if other[0] < one[1] - 0.005]
    assert overlaps == []


def test_a_worker_that_is_killed_is_replaced(served: World, workers: Workers) -> None:
    workers.start(1)
    served.new_flag("pay", "PAY-1")
    served.settled()
    served.sandbox.faults(latency_ms=4000, prefix=FEATURE_FLAGS)
    served.act("kill", "pay")
    in_the_middle(served)
    workers[0].send(signal.SIGKILL)
    served.sandbox.no_faults()
    workers.start(1)
    served.expect_equal(PATIENCE)


def test_a_worker_that_only_seemed_dead_sends_nothing_over_its_successor(served: World, workers: Workers) -> None:
    workers.start(2)
    served.new_flag("pay", "PAY-1")
    served.settled()
    served.sandbox.faults(latency_ms=1500, prefix=FEATURE_FLAGS)
    served.act("kill", "pay")
    in_the_middle(served)
    for worker in workers:
        worker.send(signal.SIGSTOP)
    served.sandbox.no_faults()
    served.act("restore", "pay")
    time.sleep(2)
    for worker in workers:
        worker.send(signal.SIGCONT)
    served.expect_equal()


def test_cut_connections_to_the_database_lose_nothing(served: World, workers: Workers, postgres_url: str) -> None:
    workers.start(2)
    served.new_flag("pay", "PAY-1")
    served.settled()
    engine = sa.create_engine(postgres_url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    for number in range(5):
        served.define("pay", share=number)
        with engine.connect() as connection:
            connection.execute(CUT_EVERY_CONNECTION)
    served.act("kill", "pay")
    served.expect_equal()
    for worker in workers:
        assert worker.process.poll() is None
    engine.dispose()


def test_a_worker_that_is_told_to_stop_finishes_the_batch_in_hand(served: World, workers: Workers) -> None:
    workers.start(1)
    served.new_flag("pay", "PAY-1")
    served.settled()
    served.sandbox.faults(latency_ms=1500, prefix=FEATURE_FLAGS)
    served.act("kill", "pay")
    in_the_middle(served)
    assert workers[0].end() == 0
    assert served.integration()["behind"] == 0
    served.expect_equal()


def test_on_sqlite_there_are_no_workers(sandbox: Sandbox, sqlite_url: str) -> None:
    for command in (["worker"], ["serve", "--no-worker", "--port", "0"]):
        values = {**os.environ, **environment(sandbox, sqlite_url)}
        done = subprocess.run(
            [sys.executable, "-m", "flagpost", *command], env=values, capture_output=True, text=True, check=False
        )
        assert (done.returncode, "On SQLite" in done.stderr) == (1, True)
