"""Deliveries beside everything else that writes the same rows, on PostgreSQL: one lock order, and no deadlock."""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, cast

import pytest
import sqlalchemy as sa

from flagpost.actions.access import Actor
from flagpost.actions.context import Context
from flagpost.actions.flags import definitions, flags
from flagpost.actions.flags.definitions import Draft
from flagpost.actions.jira import integration, issue_links, resync
from flagpost.actions.projects import projects
from flagpost.errors import Conflict, FlagpostError, NotFound
from flagpost.flags.definition_json import parse
from flagpost.jira.client import JiraClient
from flagpost.jira.delivery import Delivery
from flagpost.jira.rate_limits import RateLimiter
from flagpost.jira.response import JiraResponse
from flagpost.store.db import Database
from flagpost.store.jira import integrations, issues, outbox
from flagpost.store.jira.issues import Issue
from tests.conftest import Clock, context_on, new_account
from tests.store.lock_recorder import recording

pytestmark = pytest.mark.slow

ROUNDS = 25
FLAGS = [f"flag{number}" for number in range(8)]
ISSUES = [f"PAY-{number}" for number in range(1, 7)]
DEADLOCKS = sa.text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
BODY = {"treatments": [{"name": "on"}, {"name": "off"}], "defaultTreatment": "off"}


class ForgetfulJira:
    """Accepts every flag and delete, and with every second response does not know some of the issues."""

    def __init__(self) -> None:
        self._random = random.Random(1)

    def call(self, method: str, _url: str, *, json: Any = None, **_: Any) -> JiraResponse:
        if method == "DELETE":
            return JiraResponse(202, None, {})
        unknown = self._random.sample(ISSUES, 3) if self._random.random() < 0.5 else []
        body = {"acceptedFeatureFlags": [flag["id"] for flag in json["flags"]], "unknownIssueKeys": unknown}
        return JiraResponse(202, body, {})


@pytest.fixture
def ctx(fresh_postgres_url: str, clock: Clock) -> Iterator[Context]:
    ctx = context_on(Database(fresh_postgres_url), clock)
    with recording(ctx.db.engine):
        yield ctx
    ctx.db.close()


@pytest.fixture
def admin(ctx: Context) -> Actor:
    """An admin whose site is connected through the app, with some flags in the project that it covers."""
    admin = new_account(ctx).admin
    projects.create_project(ctx, admin, "Shop")
    integration.set_up_integration(ctx, admin, [("Shop", "Production")])
    for name in FLAGS:
        flags.create_flag(ctx, admin, "Shop", name=name, traffic_type="user")
    with ctx.db.write() as tx:
        token, expires = ctx.box.encrypt("token"), ctx.clock() + 10**9
        installed: dict[str, Any] = {"cloud_id": "cloud", "api_base_url": "http://127.0.0.1:9/ex/jira/cloud"}
        installed |= {"system_token": token, "system_token_expires_at": expires}
        integrations.save_installation(tx, "installed", ctx.clock(), **installed)
        where = {"cloud_id": "cloud", "site_url": "https://a.atlassian.net", "installation_id": "installed"}
        integrations.save_site(tx, admin.account_id, auth_method="app", now=ctx.clock(), **where)
    return admin


def test_deliveries_beside_connections_changes_events_and_resyncs_end_without_a_deadlock(
    ctx: Context, admin: Actor, clock: Clock
) -> None:
    client = cast(JiraClient, ForgetfulJira())
    delivery = Delivery(
        ctx.db, client, ctx.keyring, RateLimiter(), clock, "http://flagpost", pause=lambda _seconds: None
    )
    failed = _at_once(
        lambda _: delivery.deliver(admin.account_id),
        lambda chance: _connect_or_disconnect(ctx, admin, chance),
        lambda chance: _connect_or_disconnect(ctx, admin, chance),
        lambda chance: _change(ctx, admin, chance),
        lambda chance: _refresh_issues(ctx, admin, chance),
        lambda chance: _resync_and_cancel(ctx, admin, chance),
    )
    assert failed == []
    ctx.db.close()  # PostgreSQL counts what a connection went through when it ends
    with ctx.db.read() as tx:
        assert tx.scalar(DEADLOCKS) == 0
    for _ in range(3):
        delivery.deliver(admin.account_id)
    with ctx.db.read() as tx:
        assert outbox.count_pending(tx, admin.account_id) == 0


def _at_once(*works: Callable[[random.Random], None]) -> list[BaseException]:
    """Run each of these in a thread, over and over; what they raised."""
    failed: list[BaseException] = []

    def over_and_over(work: Callable[[random.Random], None], seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(ROUNDS):
            try:
                work(chance)
            except Exception as error:
                failed.append(error)

    threads = [threading.Thread(target=over_and_over, args=(work, seed)) for seed, work in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failed


def _connect_or_disconnect(ctx: Context, admin: Actor, chance: random.Random) -> None:
    flag = chance.choice(FLAGS)
    if chance.random() < 0.7:
        issue_links.connect_issues(ctx, admin, "Shop", flag, chance.sample(ISSUES, 2))
        return
    with suppress(NotFound):
        issue_links.disconnect_issue(ctx, admin, "Shop", flag, chance.choice(ISSUES))


def _change(ctx: Context, admin: Actor, chance: random.Random) -> None:
    share = chance.randint(0, 100)
    rule = [{"treatment": "off", "size": share}, {"treatment": "on", "size": 100 - share}]
    draft = Draft(parse({**BODY, "defaultRule": rule}))
    flag = chance.choice(FLAGS)
    try:
        definitions.create_definition(ctx, admin, "Shop", flag, "Production", draft)
    except FlagpostError:
        definitions.kill(ctx, admin, "Shop", flag, "Production")


def _refresh_issues(ctx: Context, admin: Actor, chance: random.Random) -> None:
    """What Jira says about some issues arrives: it shows some of them, and others not."""
    with ctx.db.read() as tx:
        known = [found for key in ISSUES if (found := issues.find(tx, admin.account_id, key))]
    some = chance.sample(known, min(len(known), 4))
    answers = [(issue, _seen(issue, ctx.clock()) if chance.random() < 0.6 else None) for issue in some]
    with ctx.db.write() as tx:
        ctx.issues.store_answers(tx, admin.account_id, answers)


def _seen(issue: Issue, now: int) -> Issue:
    number = issue.jira_id or str(10_000 + ISSUES.index(issue.key))
    return Issue("", number, issue.key, "Summary", "Task", "To Do", "new", "", "known", now, "1", now + 10**9)


def _resync_and_cancel(ctx: Context, admin: Actor, chance: random.Random) -> None:
    asked = resync.start_resync(ctx, admin, "Shop").resync
    if chance.random() < 0.5:
        with suppress(Conflict):
            resync.cancel(ctx, admin, asked.id)
