"""Every query of every page has an index behind it, on both stores: none reads the whole of a table that grows.

Each page is called on a store with a little of everything, its queries are caught, and the database is asked how it
would run them. PostgreSQL is told to avoid reading whole tables (`enable_seqscan`), so that where it does so all the
same there is no index that could be used.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from flagpost.actions.accounts import bootstrap, sessions, users
from flagpost.actions.change_requests import requests as change_requests
from flagpost.actions.context import Context
from flagpost.actions.flags import definitions, flags
from flagpost.actions.flags.definitions import Draft
from flagpost.actions.jira import integration, issue_links
from flagpost.actions.projects import environments, projects
from flagpost.actions.segments import segments
from flagpost.app import create_app
from flagpost.flags.definition_json import parse
from flagpost.flags.targeting import SegmentKind
from flagpost.settings import Settings
from flagpost.store.db import Database, Transaction
from flagpost.store.jira import delivery_log, integrations, outbox, reconciliations, resyncs
from flagpost.store.schema import core
from flagpost.web.guard import person
from tests.store.jira.test_delivery_log import told
from tests.web.conftest import PASSWORD
from tests.web.test_guard import guards_of, routes_of

pytestmark = pytest.mark.slow

GROWS = [
    "attributes",
    "audit_entries",
    "change_request_comments",
    "change_requests",
    "connections",
    "definitions",
    "flag_changes",
    "flag_owners",
    "flag_sets",
    "flag_tags",
    "flags",
    "identities",
    "impression_sums",
    "issues",
    "jira_backfills",
    "jira_drift_checks",
    "jira_drift_findings",
    "jira_removals",
    "push_hours",
    "push_log",
    "pushes",
    "recent_impressions",
    "seen_tokens",
    "segment_definitions",
    "segment_keys",
    "segments",
    "sessions",
    "treatments_served",
]
BODY = {
    "treatments": [{"name": "on"}, {"name": "off"}],
    "defaultTreatment": "off",
    "defaultRule": [{"treatment": "off", "size": 100}],
}
#: What a page can be asked for beside its address.
ASKED = {
    "/projects/{project}/flags": [
        "?q=fla",
        "?tag=tag1",
        "?connected=yes",
        "?state=killed",
        "?state=none",
        "?sort=-updated",
        "?sort=created",
        "?archived=yes",
        "?owner={admin}",
        "?rollout_status=Ramping",
        "?traffic_type={traffic_type}",
    ],
    "/projects/{project}/flags/{flag}/integrations/log": ["?outcome=refused", "?since=2020-01-01T00:00", "?after=9-9"],
    "/projects/{project}/flags/{flag}/traffic": ["?span=month", "?live=yes"],
    "/projects/{project}/flags/{flag}/traffic/tail": ["?environment=Production"],
    "/admin/integrations": ["?tab=configured"],
    "/admin/integrations/health": ["?period=month"],
    "/admin/integrations/log": [
        "?flag=flag1",
        "?outcome=refused",
        "?since=2020-01-01T00:00&until=2030-01-01T00:00",
        "?outcome=refused&after=9999999999999-1",
    ],
}
NEEDS_MORE = {"/projects/{project}/flags/{flag}/traffic/tail"}
#: Asked by the counter of traffic, in the background: whose live tail somebody looks at, and the oldest hour to prune.
NO_PAGE = ("FROM watched_flags", "min(impression_sums.hour)")
#: Counted for the pager over an account's whole audit log; by its index alone.
COUNTS_ALL = "SELECT count(*) AS count_1 \nFROM audit_entries \nWHERE audit_entries.account_id = "


@dataclass
class Filled:
    """The application with a little of everything in its store, and a browser of its admin."""

    ctx: Context
    browser: TestClient
    names: dict[str, str]
    pages: list[str]


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


@pytest.fixture
def filled(database_url: str) -> Iterator[Filled]:
    settings = Settings(
        database_url=database_url,
        atlassian_api_url="http://127.0.0.1:9",
        allow_insecure_jira=True,
        sweep_seconds=60,
        secret_keys=["JhY3s0kF2YwT1Z1m0nq8x1i7c5Q9v6b4e2A0d8G6f4E="],
    )
    app = create_app(settings, works=False)
    with TestClient(app, headers={"sec-fetch-site": "same-origin"}, follow_redirects=False) as browser:
        ctx: Context = app.parts.context
        bootstrap.ensure_account(ctx)
        link = sessions.first_admin_link(ctx)
        assert link
        form = {"name": "Ada", "email": "ada@example.com", "password": PASSWORD}
        browser.post(link.partition("/setup/")[1] + link.rpartition("/")[2], data=form)
        who = sessions.signed_in(ctx, browser.cookies["flagpost_session"])
        assert who
        names = fill(ctx, who.actor)
        known = [
            route.path
            for route in routes_of(app.routes)
            if hasattr(route, "dependant") and "GET" in route.methods and person in guards_of(route.dependant)
        ]
        pages = [page + more for page in known for more in ["", *ASKED.get(page, [])] if more or page not in NEEDS_MORE]
        yield Filled(ctx, browser, names, pages)


def fill(ctx: Context, actor: Any) -> dict[str, str]:
    project = projects.list_projects(ctx, actor, limit=1).items[0]
    users.create_group(ctx, actor, "Team", "", [actor.id])
    integration.set_up_integration(ctx, actor, [(project.id, "Production")])
    flag = ""
    for number in range(8):
        made = flags.create_flag(
            ctx,
            actor,
            project.id,
            name=f"flag{number}",
            traffic_type="user",
            tags=[f"tag{number}"],
            owners=[("user", actor.id)],
        )
        definitions.create_definition(ctx, actor, project.id, made.id, "Production", Draft(parse(BODY)))
        issue_links.connect_issues(ctx, actor, project.id, made.id, [f"PAY-{number + 1}"])
        flag = made.id
    with ctx.db.write() as tx:
        fill_deliveries(tx, ctx, actor.account_id, flag)
    kinds = environments.list_traffic_types(ctx, actor, project.id)
    segment = segments.create_segment(ctx, actor, project.id, SegmentKind.STANDARD, name="staff", traffic_type="user")
    live = environments.get_environment(ctx, actor, project.id, "Production")
    kill = change_requests.Proposal("flag", "flag1", "KILL")
    asked = change_requests.submit(ctx, actor, project.id, live.id, kill)
    return {
        "project": project.id,
        "flag": flag,
        "admin": actor.id,
        "traffic_type": kinds[0].id,
        "segment": segment.id,
        "id": asked.request.id,
    }


def fill_deliveries(tx: Transaction, ctx: Context, account: str, flag: str) -> None:
    now = ctx.clock()
    site = integrations.save_site(
        tx, account, cloud_id="cloud", site_url="https://x.atlassian.net", way="oauth", now=now
    )
    integrations.update_site(tx, site.id, resend_wanted_at=None, backfill_started_at=now)
    delivery_log.write(tx, account, [told(flag, refused="No") for _ in range(5)], now)
    refused = outbox.Answer(flag, now + 10_000, True, "No")
    outbox.record_answers(tx, [refused], now)
    resyncs.begin(tx, resyncs.insert(tx, account, "it", now, "Ada"), now)
    check = reconciliations.request(tx, account, reconciliations.ASKED, "it", now, "Ada")
    reconciliations.add_findings(tx, check, [reconciliations.Finding(flag, "p", "flag", now, "missing", "Gone.", True)])


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
    "ix_pushes_waiting",
    "ix_pushes_refused",
    "ix_pushes_resent",
    "ix_pushes_read_back",
    "ix_push_log_refused",
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
        reconciliations.candidates(tx, account, "", "", 20)
        reconciliations.candidates(tx, account, flag, flag, 20)
        reconciliations.due(tx, account, now, 20)
        reconciliations.unfinished(tx, account)
        reconciliations.accounts_with_unfinished(tx)
        reconciliations.accounts_asked_nightly(tx, now)
        reconciliations.accounts_to_read_back(tx, now)
        resyncs.waiting_for_site(tx, account)
        for one in resyncs.latest(tx, account, 10):
            resyncs.progress(tx, one, now)
        delivery_log.time_of_nth(tx, account, 1_000_000)
    assert len(queries) >= 14
    with filled.ctx.db.read() as tx:
        problems = [f"{what}\n{query}" for query, values in queries for what in explain(tx, query, values)]
        assert problems == [], "\n\n".join(problems)
        (first,) = [(query, values) for query, values in queries if "ORDER BY pushes.wanted" in query]
        plan = str(list(tx.exec_driver_sql(f"EXPLAIN {'QUERY PLAN ' * filled.ctx.db.is_sqlite}{first[0]}", first[1])))
        assert "ix_pushes_waiting" in plan
        assert "TEMP B-TREE" not in plan


def test_a_query_without_an_index_would_be_found(database: Database) -> None:
    bad = "SELECT * FROM push_log WHERE trace_id = 'x'"
    good = "SELECT * FROM push_log WHERE flag_id = 'x' ORDER BY at DESC, id DESC"
    whole = "SELECT * FROM push_log WHERE account_id = 'x'"
    explain = _sqlite if database.is_sqlite else _postgresql
    with database.read() as tx:
        assert explain(tx, bad, ())
        assert explain(tx, whole, ())
        assert explain(tx, good, ()) == []
