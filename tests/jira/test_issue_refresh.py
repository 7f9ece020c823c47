"""Issues are looked up again now and then, within a budget, where no event told of a change."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from cryptography.fernet import Fernet

from flagpost import app
from flagpost.actions.access import Actor
from flagpost.actions.context import Context
from flagpost.actions.flags import definitions, flags
from flagpost.actions.flags.definitions import Draft
from flagpost.actions.jira import credentials, integration, issue_links, status
from flagpost.actions.projects import environments, projects
from flagpost.flags.definition_json import parse
from flagpost.jira.delivery import Delivery
from flagpost.jira.issue_refresh import Refresher
from flagpost.settings import Settings
from flagpost.store.db import Database
from flagpost.store.jira import credentials as stored_credentials
from flagpost.store.jira.issues import Issue
from jira_sandbox.embedded import Sandbox
from tests.conftest import Clock, new_account

pytestmark = pytest.mark.slow

HOURS = 3600


@dataclass
class Site:
    """An account that is connected, with a clock that the test moves; nothing happens by itself."""

    ctx: Context
    actor: Actor
    clock: Clock
    sandbox: Sandbox
    refresher: Refresher

    def deliver(self) -> None:
        Delivery(
            self.ctx.db, self.ctx.jira, self.ctx.issues.keyring, self.ctx.issues.limiter, self.clock, "http://flagpost"
        ).deliver(self.actor.account_id)

    def issues(self) -> dict[str, Issue]:
        shown = issue_links.list_connections(self.ctx, self.actor, "Shop", "pay")
        return {one.issue.key: one.issue for one in shown}

    def asked(self) -> int:
        bodies = [one["body"] for one in self.sandbox.requests("/issue/bulkfetch")]
        return sum(len(body["issueIdsOrKeys"]) for body in bodies)


@pytest.fixture
def site(sqlite_database: Database, sandbox: Sandbox) -> Iterator[Site]:
    clock = Clock()
    settings = Settings(
        database_url=sqlite_database.url.render_as_string(hide_password=False),
        atlassian_api_url=sandbox.url,
        allow_insecure_jira=True,
        secret_keys=[Fernet.generate_key().decode()],
    )
    ctx = app.context_on(sqlite_database, settings, clock)
    sandbox.settings(events_off=True, api_tokens={"ada@example.com": "api-token"})
    actor = new_account(ctx).admin
    connect(ctx, actor, sandbox)
    refresher = Refresher(ctx.db, ctx.jira, ctx.issues, clock, 100, now=lambda: clock.now / 1000)
    yield Site(ctx, actor, clock, sandbox, refresher)
    ctx.jira.close()


def connect(ctx: Context, actor: Actor, sandbox: Sandbox) -> None:
    projects.create_project(ctx, actor, "Shop")
    if not environments.list_environments(ctx, actor, "Shop"):
        environments.create_environment(ctx, actor, "Shop", name="Production", production=True)
    integration.set_up_integration(ctx, actor, [("Shop", "Production")])
    secret = {"client_id": "sandbox-client", "client_secret": "sandbox-secret"}
    credentials.connect_with_credentials(ctx, actor, site=sandbox.url, **secret)
    credentials.set_api_token(ctx, actor, email="ada@example.com", token="api-token")
    flags.create_flag(ctx, actor, "Shop", name="pay", traffic_type="user")
    body = {
        "treatments": [{"name": "on"}, {"name": "off"}],
        "defaultTreatment": "off",
        "defaultRule": [{"treatment": "off", "size": 100}],
    }
    definitions.create_definition(ctx, actor, "Shop", "pay", "Production", Draft(parse(body)))
    issue_links.connect_issues(ctx, actor, "Shop", "pay", ["PAY-1"])


def test_a_move_that_no_event_told_of_is_found_once_the_issue_is_due(site: Site) -> None:
    moved = site.sandbox.move_issue("PAY-1", "WEB")
    before = site.asked()
    site.refresher.run()
    site.clock.forward(seconds=5 * HOURS)
    site.refresher.run()
    assert site.asked() == before
    site.clock.forward(seconds=1 * HOURS + 1)
    site.refresher.run()
    assert site.asked() == before + 1
    assert list(site.issues()) == [moved]


def test_a_deletion_that_no_event_told_of_is_found_too(site: Site) -> None:
    site.sandbox.delete_issue("PAY-1")
    site.clock.forward(seconds=6 * HOURS + 1)
    site.refresher.run()
    assert site.issues()["PAY-1"].state == "hidden"
    site.deliver()
    assert site.issues()["PAY-1"].state == "missing"  # Jira said so when the flag was sent for it


def test_issues_that_a_lost_permission_hides_keep_their_flags(site: Site) -> None:
    site.deliver()
    site.sandbox.settings(browse_permitted=False)
    site.clock.forward(seconds=6 * HOURS + 1)
    site.refresher.run()
    site.deliver()
    assert site.issues()["PAY-1"].state == "hidden"
    assert len(site.sandbox.flags()) == 1
    site.sandbox.settings(browse_permitted=True)
    site.clock.forward(seconds=6 * HOURS + 1)
    site.refresher.run()
    assert site.issues()["PAY-1"].state == "known"


def test_answers_to_a_token_that_expired_are_not_believed(site: Site) -> None:
    site.deliver()
    site.sandbox.settings(api_tokens={}, expired_tokens_are_strangers=True)
    site.clock.forward(seconds=6 * HOURS + 1)
    site.refresher.run()
    assert site.issues()["PAY-1"].state == "known"
    with site.ctx.db.read() as tx:
        given = stored_credentials.of_account(tx, site.actor.account_id)
    assert given is not None
    assert "does not accept the API token" in str(given.api_refusal)


def test_the_budget_bounds_what_is_asked_for_in_an_hour(site: Site) -> None:
    keys = [site.sandbox.add_issue(f"BIG-{number}")["key"] for number in range(1, 61)]
    issue_links.connect_issues(site.ctx, site.actor, "Shop", "pay", keys)
    site.clock.forward(seconds=6 * HOURS + 1)
    before = site.asked()
    for _ in range(60):
        site.refresher.run()
        site.clock.forward(seconds=60)
    assert 50 <= site.asked() - before <= 120


def test_jira_that_is_away_is_left_alone_for_a_while(site: Site) -> None:
    site.sandbox.faults(unavailable={"count": 100, "retry_after": 1}, prefix="/rest/")
    site.clock.forward(seconds=6 * HOURS + 1)
    asked = len(site.sandbox.requests("/issue/"))
    for _ in range(5):
        site.refresher.run()
        site.clock.forward(seconds=10)
    assert len(site.sandbox.requests("/issue/")) - asked <= 1
    site.sandbox.no_faults()
    site.clock.forward(seconds=60)
    site.refresher.run()
    assert site.issues()["PAY-1"].state == "known"


def test_an_address_that_leads_elsewhere_is_noted_for_a_person(site: Site) -> None:
    site.sandbox.settings(moved_to="https://renamed.atlassian.net")
    site.clock.forward(seconds=7 * HOURS)
    site.refresher.run()
    found = status.get_integration(site.ctx, site.actor)
    assert found.site is not None
    assert str(found.site.moved_to).startswith("https://renamed.atlassian.net")
    assert "Confirm the new address" in found.reason
