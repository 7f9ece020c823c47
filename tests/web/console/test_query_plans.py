"""Every query of every page has an index behind it, on both stores: none reads the whole of a table that grows.

Each page is called on a store with a little of everything, its queries are caught, and the database is asked how it
would run them. PostgreSQL is told to avoid reading whole tables (`enable_seqscan`), so that where it does so all the
same there is no index that could be used.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from flagpost.store.db import Database, Transaction
from flagpost.store.jira import comparison_candidates, delivery_log, outbox, reconciliations, resyncs
from flagpost.store.schema import core
from tests.web.console.conftest import Filled

pytestmark = pytest.mark.slow

GROWS = [
    "attributes",
    "audit_entries",
    "change_request_comments",
    "change_requests",
    "connections",
    "definition_dependencies",
    "definitions",
    "flag_changes",
    "flag_owners",
    "flag_sets",
    "flag_tags",
    "flags",
    "identities",
    "impression_sums",
    "issues",
    "resyncs",
    "reconciliations",
    "reconciliation_findings",
    "jira_removals",
    "delivery_hours",
    "delivery_log",
    "outbox_entries",
    "recent_impressions",
    "used_invocation_tokens",
    "segment_definitions",
    "segment_keys",
    "segment_revisions",
    "segments",
    "sessions",
    "treatments_served",
]
#: Asked by the counter of traffic, in the background: whose live tail somebody looks at, and the oldest hour to prune.
NO_PAGE = ("FROM watched_flags", "min(impression_sums.hour)")
#: Counted for the pager over an account's whole audit log; by its index alone.
COUNTS_ALL = "SELECT count(*) AS count_1 \nFROM audit_entries \nWHERE audit_entries.account_id = "


@contextmanager
def caught(database: Database) -> Iterator[list[tuple[str, Any]]]:
    """Every SELECT that is sent meanwhile for what the test does, with its parameters."""
    found: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        asked_here = not many and not any(one in statement for one in NO_PAGE)
        if asked_here and statement.lstrip().upper().startswith(("SELECT", "WITH")):
            found.append((statement, parameters))

    engines = {database._reader, database._writer}
    for engine in engines:
        sa.event.listen(engine, "before_cursor_execute", note)
    yield found
    for engine in engines:
        sa.event.remove(engine, "before_cursor_execute", note)


@pytest.fixture
def postgres_url(fresh_postgres_url: str) -> str:
    """The planner knows nothing of the tables yet."""
    return fresh_postgres_url


def test_no_page_reads_the_whole_of_a_table_that_grows(filled: Filled) -> None:
    explain = _sqlite if filled.ctx.db.is_sqlite else _postgresql
    found: dict[str, tuple[str, Any]] = {}
    for page in filled.pages:
        with caught(filled.ctx.db) as queries:
            answer = filled.browser.get(page.format(**filled.names))
        assert answer.status_code in (200, 303, 307), (page, answer.text)
        found |= {text: (page, parameters) for text, parameters in queries}
    assert len(found) > 60
    problems = []
    with filled.ctx.db.read() as tx:
        for statement, (page, parameters) in found.items():
            problems += [f"{page}: {what}\n{statement}" for what in explain(tx, statement, parameters)]
    assert problems == [], "\n\n".join(problems)


def _sqlite(tx: Transaction, statement: str, parameters: Any) -> list[str]:
    """Lines of the plan that read a whole table, or what an account has of it."""
    plan = [row[3] for row in tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
    return [line for line in plan if _reads_all(line, statement)]


def _reads_all(line: str, statement: str) -> bool:
    match = re.match(r"(SCAN|SEARCH) (\w+)(?: USING .*?\((.*)\))?", line)
    if match is None or match[2] not in GROWS:
        return False
    by_account = match[1] == "SEARCH" and re.findall(r"(\w+)[=<>]", match[3] or "") == ["account_id"]
    return (match[1] == "SCAN" or by_account) and not _bounded(line, statement)


def _bounded(line: str, statement: str) -> bool:
    """Whether it ends early, or its index has only those rows that are asked for."""
    ends_early = " LIMIT " in statement and "SCAN" not in line
    return ends_early or statement.startswith(COUNTS_ALL) or any(name in line for name in PARTIAL)


PARTIAL = (
    "ix_outbox_entries_pending",
    "ix_outbox_entries_refused",
    "ix_outbox_entries_resync",
    "ix_outbox_entries_compare",
    "ix_delivery_log_refused",
    "_open",
)


def _postgresql(tx: Transaction, statement: str, parameters: Any) -> list[str]:
    tx.exec_driver_sql("SET LOCAL enable_seqscan = off")
    plan = tx.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters).scalar_one()
    plan = json.loads(plan) if isinstance(plan, str) else plan
    return [json.dumps(node) for node in _nodes(plan[0]["Plan"]) if _reads_whole(node, statement)]


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for below in node.get("Plans", []):
        yield from _nodes(below)


def _reads_whole(node: dict[str, Any], statement: str) -> bool:
    kind, table = node["Node Type"], node.get("Relation Name", "")
    if kind == "Seq Scan":
        return table in GROWS
    through_index = kind in ("Index Scan", "Index Only Scan", "Bitmap Index Scan")
    if not through_index or (table or node["Index Name"].split("_", 1)[1]) not in GROWS:
        return False
    condition = node.get("Index Cond", "")
    by_account = re.findall(r"\(?(\w+)\)?(?:::\w+)? (?:=|<|>|<=|>=|<>) ", condition) == ["account_id"]
    return (not condition or by_account) and not _bounded(node["Index Name"], statement)


def test_what_deliveries_and_checks_ask_has_an_index_behind_it(filled: Filled) -> None:
    explain = _sqlite if filled.ctx.db.is_sqlite else _postgresql
    flag, now = filled.names["flag"], filled.ctx.clock()
    with filled.ctx.db.read() as tx, caught(filled.ctx.db) as queries:
        account = tx.scalar(sa.select(core.accounts.c.id))
        assert account
        outbox.pending(tx, account, 100)
        outbox.count_pending(tx, account)
        outbox.pending_since(tx, account)
        outbox.refused(tx, account, 20)
        outbox.accounts_with_pending(tx, now)
        comparison_candidates.after(tx, account, "", "", 20)
        comparison_candidates.after(tx, account, flag, flag, 20)
        comparison_candidates.due(tx, account, now, 20)
        reconciliations.unfinished(tx, account)
        reconciliations.accounts_with_unfinished(tx)
        reconciliations.accounts_with_nightly_run(tx, now)
        comparison_candidates.accounts_with_due(tx, now)
        resyncs.requested_of_site(tx, account)
        for one in resyncs.latest(tx, account, 10):
            resyncs.progress(tx, one, now)
        delivery_log.time_of_nth(tx, account, 1_000_000)
    assert len(queries) >= 14
    with filled.ctx.db.read() as tx:
        problems = [f"{what}\n{query}" for query, values in queries for what in explain(tx, query, values)]
        assert problems == [], "\n\n".join(problems)
        (first,) = [(query, values) for query, values in queries if "ORDER BY outbox_entries.latest_version" in query]
        plan = str(list(tx.exec_driver_sql(f"EXPLAIN {'QUERY PLAN ' * filled.ctx.db.is_sqlite}{first[0]}", first[1])))
        assert "ix_outbox_entries_pending" in plan
        assert "TEMP B-TREE" not in plan


def test_a_query_without_an_index_would_be_found(database: Database) -> None:
    bad = "SELECT * FROM delivery_log WHERE trace_id = 'x'"
    good = "SELECT * FROM delivery_log WHERE flag_id = 'x' ORDER BY at DESC, id DESC"
    whole = "SELECT * FROM delivery_log WHERE account_id = 'x'"
    explain = _sqlite if database.is_sqlite else _postgresql
    with database.read() as tx:
        assert explain(tx, bad, ())
        assert explain(tx, whole, ())
        assert explain(tx, good, ()) == []
