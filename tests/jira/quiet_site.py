"""A connected account in which nothing happens by itself, for comparisons with Jira."""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from cryptography.fernet import Fernet

from flagpost import app
from flagpost.actions.access import Actor
from flagpost.actions.context import Context
from flagpost.actions.flags import definitions, flags
from flagpost.actions.flags.definitions import Draft
from flagpost.actions.jira import credentials, integration, issue_links, reconciliation
from flagpost.actions.projects import environments, projects
from flagpost.flags.definition_json import parse
from flagpost.jira.delivery import Delivery
from flagpost.jira.reconciliation import Reconciler
from flagpost.settings import Settings
from flagpost.store.db import Database
from flagpost.store.jira.reconciliations import Finding, Reconciliation
from flagpost.store.schema.jira import outbox_entries
from jira_sandbox.embedded import Sandbox
from tests.conftest import Clock, new_account

BODY = {
    "treatments": [{"name": "on"}, {"name": "off"}],
    "defaultTreatment": "off",
    "defaultRule": [{"treatment": "off", "size": 100}],
}


@dataclass
class Site:
    """An account that is connected, with a clock that the test moves; nothing happens by itself."""

    ctx: Context
    actor: Actor
    clock: Clock
    sandbox: Sandbox
    reconciler: Reconciler
    delivery: Delivery

    def new_flag(self, name: str, issue: str = "PAY-1") -> str:
        made = flags.create_flag(self.ctx, self.actor, "Shop", name=name, traffic_type="user")
        definitions.create_definition(self.ctx, self.actor, "Shop", name, "Production", Draft(parse(BODY)))
        self.connect(name, issue)
        return made.id

    def connect(self, name: str, issue: str = "PAY-1") -> None:
        issue_links.connect_issues(self.ctx, self.actor, "Shop", name, [issue])

    def disconnect(self, name: str, issue: str = "PAY-1") -> None:
        issue_links.disconnect_issue(self.ctx, self.actor, "Shop", name, issue)

    def deliver(self, *, settle: bool = True) -> None:
        self.delivery.deliver(self.actor.account_id)
        if settle:
            self.clock.forward(seconds=90)

    def check(self, flag: str | None = None) -> tuple[Reconciliation, list[Finding]]:
        asked = reconciliation.request_reconciliation(self.ctx, self.actor, "Shop" if flag else None, flag).run
        return self.work_off(asked.id)

    def work_off(self, check: str) -> tuple[Reconciliation, list[Finding]]:
        for _ in range(50):
            self.reconciler.run()
            report = reconciliation.get_reconciliation(self.ctx, self.actor, check)
            if report.run.outcome:
                return report.run, report.findings
            self.clock.forward(seconds=5)
        raise AssertionError(report)

    def found(self, flag: str | None = None) -> list[tuple[str, str, bool]]:
        return sorted((one.flag_name, one.kind, one.repaired) for one in self.check(flag)[1])

    def checks(self) -> list[Reconciliation]:
        return [one.run for one in reconciliation.list_reconciliations(self.ctx, self.actor)]

    def reads(self) -> int:
        return len([one for one in self.sandbox.requests("/flag/") if one["method"] == "GET"])

    def entry(self, flag: str) -> Any:
        with self.ctx.db.read() as tx:
            return tx.execute(sa.select(outbox_entries).where(outbox_entries.c.flag_id == flag)).one()


def connected(database: Database, sandbox: Sandbox, hour: int = -1) -> Site:
    clock = Clock()
    settings = Settings(
        database_url=database.url.render_as_string(hide_password=False),
        atlassian_api_url=sandbox.url,
        allow_insecure_jira=True,
        secret_keys=[Fernet.generate_key().decode()],
        reconciliation_hour=hour,
    )
    ctx = app.context_on(database, settings, clock)
    actor = new_account(ctx).admin
    projects.create_project(ctx, actor, "Shop")
    if not environments.list_environments(ctx, actor, "Shop"):
        environments.create_environment(ctx, actor, "Shop", name="Production", production=True)
    integration.set_up_integration(ctx, actor, [("Shop", "Production")])
    secret = {"client_id": "sandbox-client", "client_secret": "sandbox-secret"}
    credentials.connect_with_credentials(ctx, actor, site=sandbox.url, **secret)
    reconciler = app.drift_checker(ctx)
    reconciler.now = lambda: clock.now / 1000
    delivery = Delivery(ctx.db, ctx.jira, ctx.keyring, ctx.issues.limiter, clock, settings.public_url)
    site = Site(ctx, actor, clock, sandbox, reconciler, delivery)
    site.deliver()
    return site
