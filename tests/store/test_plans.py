"""What one change asks of the database costs the same however many flags there are: by the plans, not by a clock."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import pytest
import sqlalchemy as sa
from benchmarks.load.fill import Account, fill

from flagpost.actions.access import system
from flagpost.actions.context import Context
from flagpost.actions.flags.definitions import kill
from flagpost.app import drift_checker
from flagpost.jira.client import JiraClient
from flagpost.jira.delivery import Delivery, accounts_to_deliver
from flagpost.jira.issue_refresh import Refresher
from flagpost.jira.rate_limits import RateLimiter
from flagpost.jira.response import JiraResponse
from flagpost.store.db import Database
from flagpost.store.flags import flags
from flagpost.store.flags.flags import FlagFilter
from flagpost.store.jira import outbox

pytestmark = pytest.mark.slow
GROWING = ("flags", "definitions", "flag_changes", "outbox_entries", "connections", "issues", "audit_entries")
ACCOUNTS, FLAGS = 4, 2400
A_FEW_ROWS = 20
Statement = tuple[str, Any]


class Takes:
    """A Jira that takes everything: what it is sent is not what is looked at here."""

    def call(self, _method: str, _url: str, *, json: Any = None, **_: Any) -> JiraResponse:
        return JiraResponse(202, {"acceptedFeatureFlags": [flag["id"] for flag in json["flags"]]}, {})


@pytest.fixture
def postgres_url(fresh_postgres_url: str) -> str:
    """These tests change what the planner knows."""
    return fresh_postgres_url


@pytest.fixture
def accounts(ctx: Context) -> list[Account]:
    """Some accounts with many flags each, and a database that knows how many."""
    found = fill(ctx, ctx.settings.atlassian_api_url, ACCOUNTS, FLAGS)
    with ctx.db.write() as tx:
        tx.exec_driver_sql("ANALYZE")
    return found


@contextmanager
def asked(database: Database) -> Iterator[list[Statement]]:
    """Every statement that the block sends to the database, once, with the first of its parameters."""
    found: dict[str, Any] = {}

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        if statement.startswith(("SELECT", "UPDATE", "WITH", "DELETE")):
            found.setdefault(statement, parameters[0] if many else parameters)

    engines = {database._reader, database._writer}
    statements: list[Statement] = []
    for engine in engines:
        sa.event.listen(engine, "before_cursor_execute", note)
    yield statements
    for engine in engines:
        sa.event.remove(engine, "before_cursor_execute", note)
    statements += found.items()


def dear(database: Database, statements: Sequence[Statement]) -> list[str]:
    """The steps of these statements' plans that go through many rows of a table that grows with the flags."""
    found = []
    with database._writer.connect() as connection:
        for statement, parameters in statements:
            if database.is_sqlite:
                plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
                found += [row.detail for row in plan if _walks(row.detail)]
            else:
                explained = f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}"
                plan = json.loads(json.dumps(connection.exec_driver_sql(explained, parameters).scalar()))
                found += [str(step) for step in _steps(plan[0]["Plan"]) if _reads_many(step)]
        connection.rollback()
    return found


def _walks(detail: str) -> bool:
    """Whether SQLite goes through a growing table, or through all of it that belongs to a project or an account."""
    tables = "|".join(GROWING)
    of_all = re.search(r"\((project_id|environment_id)=\?\)$", detail) is not None
    return bool(re.match(rf"(SCAN|SEARCH) ({tables})\b", detail)) and (detail.startswith("SCAN") or of_all)


def _steps(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield {name: value for name, value in plan.items() if name != "Plans"}
    for part in plan.get("Plans", ()):
        yield from _steps(part)


def _reads_many(step: dict[str, Any]) -> bool:
    """Whether PostgreSQL looked at more rows of a growing table than one change is about."""
    looked_at = (step["Actual Rows"] + step.get("Rows Removed by Filter", 0)) * step["Actual Loops"]
    return step.get("Relation Name") in GROWING and looked_at > A_FEW_ROWS


def delivery(ctx: Context) -> Delivery:
    return Delivery(
        ctx.db, cast(JiraClient, Takes()), ctx.keyring, RateLimiter(), ctx.clock, "https://flagpost.example"
    )


def test_a_change_and_its_delivery_look_at_that_flag_alone(ctx: Context, accounts: list[Account]) -> None:
    account = accounts[1]
    with asked(ctx.db) as statements:
        kill(ctx, system(account.id), account.project_id, next(iter(account.flag_ids)), "Production")
        assert list(accounts_to_deliver(ctx.db, ctx.clock)) == [account.id]
        delivery(ctx).deliver(account.id)
    with ctx.db.read() as tx:
        assert outbox.count_pending(tx, account.id) == 0
    assert len(statements) > 10
    assert dear(ctx.db, statements) == []


def test_the_flags_that_changed_last_are_found_without_sorting_all(ctx: Context, accounts: list[Account]) -> None:
    account = accounts[1]
    with ctx.db.write() as tx:
        tx.exec_driver_sql("UPDATE flags SET changed_at = changed_at + CAST(SUBSTR(name, 5) AS INTEGER)")
        tx.exec_driver_sql("ANALYZE")
    with asked(ctx.db) as statements, ctx.db.read() as tx:
        found = flags.page(tx, account.project_id, FlagFilter(sort="-updated"), 0, 10)
    assert [one.name for one in found.items] == [f"flag{number:06}" for number in range(599, 589, -1)]
    of_the_page = [one for one in statements if "count(" not in one[0]]
    assert dear(ctx.db, of_the_page) == []
    if ctx.db.is_sqlite:
        assert any("ix_flags_project_id_status_changed_at" in step for step in sqlite_plans(ctx.db, of_the_page))


def sqlite_plans(database: Database, statements: Sequence[Statement]) -> list[str]:
    """Every step of these statements' plans."""
    with database._writer.connect() as connection:
        plans = [connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values).all() for text, values in statements]
    return [row.detail for plan in plans for row in plan]


def test_looking_for_who_waits_costs_by_the_accounts_and_not_by_the_flags_that_wait(
    ctx: Context, accounts: list[Account]
) -> None:
    with ctx.db.write() as tx:
        for account in accounts[1:]:
            outbox.bump_account(tx, account.id, ctx.clock())
    with asked(ctx.db) as statements:
        found = list(accounts_to_deliver(ctx.db, ctx.clock))
    assert found == sorted(account.id for account in accounts[1:])
    assert dear(ctx.db, statements) == []


def test_looking_for_issues_to_refresh_is_one_question_for_all_sites(ctx: Context, accounts: list[Account]) -> None:
    refresher = Refresher(ctx.db, ctx.jira, ctx.issues, ctx.clock, budget=3000)
    with asked(ctx.db) as statements:
        refresher.run()
    assert len(statements) == 2
    assert dear(ctx.db, statements) == []


def test_looking_for_drift_asks_the_same_few_questions_however_many_sites_there_are(
    ctx: Context, accounts: list[Account]
) -> None:
    checker, sent = drift_checker(ctx), Counter[str]()

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent[statement] += 1

    checker.run()
    sa.event.listen(ctx.db._reader, "before_cursor_execute", note)
    with asked(ctx.db) as statements:
        checker.run()
    sa.event.remove(ctx.db._reader, "before_cursor_execute", note)
    assert len(accounts) == ACCOUNTS
    assert max(sent.values()) < ACCOUNTS
    assert dear(ctx.db, statements) == []


def test_who_waits_is_found_without_those_whose_flags_were_all_put_off(ctx: Context, accounts: list[Account]) -> None:
    with ctx.db.write() as tx:
        for account in accounts[:2]:
            flag_id = next(iter(account.flag_ids.values()))
            outbox.bump(tx, [flag_id], ctx.clock())
        (waiting,) = outbox.pending(tx, accounts[1].id, 10, ctx.clock())
        assert outbox.defer(tx, waiting, ctx.clock(), "Jira fails at it")
    with ctx.db.read() as tx:
        assert outbox.accounts_with_pending(tx, ctx.clock()) == [accounts[0].id]
        assert set(outbox.accounts_with_pending(tx, ctx.clock() + outbox.LONGEST_DEFERRAL_MS)) == {
            account.id for account in accounts[:2]
        }
