"""What an account goes through with its Jira site takes every lock in the one order. Jira itself is never asked.

`tests.actions.test_lock_order` runs each action once; here they meet what earlier ones left.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from cryptography.fernet import Fernet

from flagpost.actions.access import Actor
from flagpost.actions.accounts import sessions
from flagpost.actions.context import Context
from flagpost.actions.flags import flags
from flagpost.actions.jira import (
    account_links,
    configure_page,
    credentials,
    integration,
    issue_links,
    reconciliation,
    resync,
    secret_rotation,
    webhooks,
)
from flagpost.actions.jira.site import FoundSite
from flagpost.actions.jira.webhooks import HookCall
from flagpost.actions.projects import projects
from flagpost.errors import NotSignedIn
from flagpost.jira.invocation_token import Invocation
from flagpost.jira.secret_box import SecretBox
from flagpost.jira.site_resync import begin_site_resync
from flagpost.store.db import Database
from flagpost.store.jira import credentials as stored_credentials
from flagpost.store.jira import integrations, issues, outbox, removals
from flagpost.store.jira.integrations import Site
from tests.conftest import Clock, context_on, new_account
from tests.store.lock_recorder import recording

CALL = Invocation("installed-here", "cloud-1", "http://127.0.0.1:9", "https://a.atlassian.net", None, None)
REINSTALLED = replace(CALL, installation_id="installed-again")
SHOWN = [("Shop", "Production")]
FOUND = FoundSite("https://a.atlassian.net", "cloud-1")


@pytest.fixture
def ctx(postgres_url: str, clock: Clock) -> Iterator[Context]:
    ctx = context_on(Database(postgres_url), clock)
    with recording(ctx.db.engine):
        yield ctx
    ctx.db.close()


@pytest.fixture
def admin(ctx: Context) -> Actor:
    """An admin whose project has a flag that is connected with an issue."""
    admin = new_account(ctx).admin
    projects.create_project(ctx, admin, "Shop")
    flags.create_flag(ctx, admin, "Shop", name="pay", traffic_type="user")
    issue_links.connect_issues(ctx, admin, "Shop", "pay", ["PAY-1"])
    return admin


def test_from_connecting_the_app_to_its_end(ctx: Context, admin: Actor) -> None:
    integration.set_up_integration(ctx, admin, SHOWN)
    integration.revoke_token(ctx, admin)
    token = integration.regenerate_token(ctx, admin).secret
    configure_page.keep_token(ctx, CALL, "first")
    configure_page.configure(ctx, CALL, token, "system token")
    configure_page.configure(ctx, CALL, token, "system token")
    configure_page.keep_token(ctx, REINSTALLED, "another token")
    begin_site_resync(ctx.db, site_of(ctx, admin), ctx.clock())
    integration.change_projects(ctx, admin, [("Shop", "Staging")])
    integration.change_projects(ctx, admin, SHOWN)
    _resyncs_and_comparisons(ctx, admin)
    _events(ctx, admin)
    _links(ctx, admin)
    change_site(ctx, admin, moved_to="https://b.atlassian.net")
    integration._move_site(ctx, admin, replace(FOUND, url="https://b.atlassian.net"))
    configure_page.uninstalled(ctx, REINSTALLED)
    integration.remove_integration(ctx, admin)


def test_from_connecting_with_credentials_to_forgetting_the_site(ctx: Context, admin: Actor) -> None:
    integration.set_up_integration(ctx, admin, SHOWN)
    credentials._connect(ctx, admin, FOUND, "client", ctx.box.encrypt("secret"))
    with ctx.db.write() as tx:
        outbox.mark_may_exist_remotely(tx, [one.flag_id for one in outbox.pending(tx, admin.account_id, 100)])
    _, replaced = credentials._connect(ctx, admin, FOUND, "newer client", ctx.box.encrypt("secret"))
    assert replaced
    credentials._note_taken_back(ctx, admin, replaced.removal_id)
    credentials.new_webhook(ctx, admin)
    _calls(ctx, admin)
    credentials.remove_webhook(ctx, admin)
    secret_rotation.encrypt_with_newest_key(replace(ctx, box=_newer(ctx)))
    integration.remove_integration(ctx, admin)
    with ctx.db.read() as tx:
        assert removals.unfinished(tx, admin.account_id)
    integration.forget_site(ctx, admin)


def _newer(ctx: Context) -> SecretBox:
    keys = [one.get_secret_value() for one in ctx.settings.secret_keys]
    return SecretBox([Fernet.generate_key().decode(), *keys])


def _resyncs_and_comparisons(ctx: Context, admin: Actor) -> None:
    resync.start_resync(ctx, admin, "Shop", "pay")
    resync.start_resync(ctx, admin, "Shop")
    resync.cancel(ctx, admin, resync.start_resync(ctx, admin).resync.id)
    reconciliation.request_reconciliation(ctx, admin, "Shop", "pay")
    reconciliation.request_reconciliation(ctx, admin)


def _events(ctx: Context, admin: Actor) -> None:
    issue_links.connect_issues(ctx, admin, "Shop", "pay", ["PAY-7"])
    for kind in ("avi:jira:updated:issue", "avi:jira:deleted:issue"):
        webhooks.handle_event(ctx, REINSTALLED, {"eventType": kind, "issue": {"id": "10007", "key": "PAY-7"}})
    webhooks.handle_event(ctx, REINSTALLED, {"eventType": "avi:jira:updated:project", "project": {"id": "1"}})
    with ctx.db.read() as tx:
        known = issues.find(tx, admin.account_id, "PAY-7")
    assert known
    looked_up = replace(known, jira_id="10007", key="PAY-8", state="known", checked_at=ctx.clock())
    issue_links._store(ctx, admin, [(known, looked_up)])


def _calls(ctx: Context, admin: Actor) -> None:
    with ctx.db.read() as tx:
        given = stored_credentials.of_account(tx, admin.account_id)
    assert given
    try:
        webhooks.proven_hook(ctx, given.id, "sha256=wrong", b"{}")
    except NotSignedIn:
        ctx.clock()
    fields = {"summary": "Moved", "project": {"id": "1"}}
    for body in (
        {"webhookEvent": "jira:issue_updated", "issue": {"id": "10007", "key": "PAY-9", "fields": fields}},
        {"webhookEvent": "project_updated", "project": {"id": "1", "key": "WEB"}},
        {"webhookEvent": "jira:issue_deleted", "issue": {"id": "10007", "key": "WEB-9"}},
    ):
        webhooks.handle_webhook(ctx, HookCall(given, body))


def _links(ctx: Context, admin: Actor) -> None:
    site = site_of(ctx, admin)
    link = sessions.first_admin_link(ctx)
    assert link
    given = {"email": "ada@example.com", "name": "Ada", "password": "correct horse battery"}
    who = sessions.signed_in(ctx, sessions.create_first_admin(ctx, link.rpartition("/")[2], **given))
    assert who
    signed_in = who.actor
    for _ in range(2):
        account_links.link(ctx, site, "557058:eli", account_links.new_code(ctx, signed_in))
    account_links.unlink(ctx, site, "557058:eli")
    account_links.link(ctx, site, "557058:eli", account_links.new_code(ctx, signed_in))
    account_links.end_link(ctx, signed_in, "557058:eli")


def site_of(ctx: Context, admin: Actor) -> Site:
    """The site that the account is connected to."""
    with ctx.db.read() as tx:
        site = integrations.site_of_account(tx, admin.account_id)
    assert site
    return site


def change_site(ctx: Context, admin: Actor, **values: object) -> None:
    """Set columns of the account's site."""
    with ctx.db.write() as tx:
        integrations.update_site(tx, site_of(ctx, admin).id, **values)
