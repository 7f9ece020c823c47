"""A store with a little of everything in it, and every page of the console that can be asked for it."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from fastapi.testclient import TestClient

from flagpost.actions.access import Actor
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
from flagpost.store.db import Transaction
from flagpost.store.jira import delivery_log, delivery_results, integrations, reconciliations, resyncs
from flagpost.store.jira.delivery_results import DeliveryResult
from flagpost.web.guard import person
from tests.store.jira.test_delivery_log import delivered
from tests.web.conftest import PASSWORD
from tests.web.test_guard import guards_of, routes_of

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


@dataclass
class Filled:
    """The application with a little of everything in its store, and a browser of its admin."""

    ctx: Context
    browser: TestClient
    names: dict[str, str]
    pages: list[str]


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


def fill(ctx: Context, actor: Actor) -> dict[str, str]:
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
        tx, account, cloud_id="cloud", site_url="https://x.atlassian.net", auth_method="oauth", now=now
    )
    integrations.update_site(tx, site.id, resync_requested_at=None, resync_started_at=now)
    delivery_log.write(tx, account, [delivered(flag, refused="No") for _ in range(5)], now)
    refused = DeliveryResult(flag, now + 10_000, True, "No")
    delivery_results.record(tx, [refused], now)
    resyncs.begin(tx, resyncs.insert(tx, account, "it", now, "Ada"), now)
    check = reconciliations.request(tx, account, reconciliations.ASKED, "it", now, "Ada")
    reconciliations.add_findings(tx, check, [reconciliations.Finding(flag, "p", "flag", now, "missing", "Gone.", True)])
