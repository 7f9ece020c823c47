"""Every action takes its row locks in the one order, on PostgreSQL. A new action without a scenario fails the test."""

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

import flagpost.actions
from flagpost.actions.access import Actor
from flagpost.actions.accounts import api_keys, bootstrap, sessions, users
from flagpost.actions.change_requests import requests, reviews
from flagpost.actions.change_requests.requests import Proposal
from flagpost.actions.context import Context
from flagpost.actions.flags import definitions, dependencies, flag_sets, flags, impressions
from flagpost.actions.flags.definitions import Draft
from flagpost.actions.imports import flag_file, split_account
from flagpost.actions.imports.split_account import SourceDefinition
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
from flagpost.actions.projects import attributes, environments, identities, projects
from flagpost.actions.projects.identities import NewIdentity
from flagpost.actions.segments import keys, rule_based, segments
from flagpost.actions.unit_of_work import Action
from flagpost.errors import Conflict
from flagpost.flags.bucketing import Seeds
from flagpost.flags.definition_json import parse
from flagpost.flags.import_file import FlagLine
from flagpost.flags.targeting import SegmentKind
from flagpost.jira.invocation_token import Invocation
from flagpost.store.db import Database
from flagpost.store.jira import integrations
from flagpost.store.jira.issues import Issue
from flagpost.store.projects.attributes import Attribute
from tests.conftest import Clock, context_on, new_account
from tests.store.lock_recorder import recording, tables_locked_by

PASSWORD = "correct horse battery"
BODY: dict[str, Any] = {
    "treatments": [{"name": "on"}, {"name": "off"}],
    "defaultTreatment": "off",
    "defaultRule": [{"treatment": "off", "size": 100}],
}
ON = {**BODY, "defaultRule": [{"treatment": "on", "size": 100}]}
RULES = {"rules": [{"condition": {"combiner": "AND", "matchers": [{"type": "IN_SEGMENT", "string": "staff"}]}}]}
APPROVALS = {"changePermissions": {"areApprovalsRequired": True}}
NO_APPROVALS = {"changePermissions": {"areApprovalsRequired": False}}


def every_action() -> dict[str, Action[..., Any]]:
    """All actions of the product, private ones too, by module and name."""
    found = {}
    for module in pkgutil.walk_packages(flagpost.actions.__path__, "flagpost.actions."):
        for name, one in vars(importlib.import_module(module.name)).items():
            if isinstance(one, Action) and one.__module__ == module.name:
                found[f"{module.name.removeprefix('flagpost.actions.')}.{name}"] = one
    return found


@dataclass
class Shop:
    """An account with a project *Shop*, which has the flags `pay` and `search` and everything that they use."""

    ctx: Context
    admin: Actor
    clock: Clock

    @property
    def place(self) -> str:
        """The id of Production."""
        return environments.get_environment(self.ctx, self.admin, "Shop", "Production").id

    def do(self, action: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return action(self.ctx, self.admin, *args, **kwargs)

    def ask(self, object_type: str, name: str, operation: str, wanted: dict[str, Any], **more: Any) -> str:
        proposal = Proposal(object_type, name, operation, wanted, **more)
        return str(self.do(requests.submit, "Shop", "Production", proposal).request.id)


@pytest.fixture
def shop(postgres_url: str, clock: Clock) -> Iterator[Shop]:
    ctx = context_on(Database(postgres_url), clock)
    yield Shop(ctx, new_account(ctx).admin, clock)
    ctx.db.close()


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names of the actions that ran."""
    seen: set[str] = set()
    for name, action in every_action().items():
        monkeypatch.setattr(action, "_function", _noting(seen, name, action._function))
    return seen


def _noting(seen: set[str], name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def noting(*args: Any, **kwargs: Any) -> Any:
        seen.add(name)
        return function(*args, **kwargs)

    return noting


def test_every_action_locks_in_one_order(shop: Shop, ran: set[str]) -> None:
    with recording(shop.ctx.db.engine):
        for scenario in (people, project, flag, segment, approvals, imports, jira, endings):
            scenario(shop)
    never = every_action().keys() - ran
    assert not never, f"Give these actions a step in a scenario: {sorted(never)}"


def people(shop: Shop) -> None:
    ctx, do = shop.ctx, shop.do
    link = sessions.first_admin_link(ctx)
    assert link
    token = link.rpartition("/")[2]
    session = sessions.create_first_admin(ctx, token, email="ada@example.com", name="Ada", password=PASSWORD)
    who = sessions.signed_in(ctx, session)
    assert who
    shop.clock.forward(seconds=600)
    assert sessions.signed_in(ctx, session)
    sessions.sign_in(ctx, "ada@example.com", PASSWORD)
    sessions.change_password(ctx, who, PASSWORD, PASSWORD + "!")
    sessions.sign_out(ctx, who)
    invited = do(users.invite_user, email="bob@example.com", name="Bob", role="editor")
    sessions.accept_invitation(ctx, invited.url.rpartition("/")[2], name="Bob", password=PASSWORD)
    do(users.new_password_link, invited.user.id)
    do(users.delete_invitation, do(users.invite_user, email="eve@example.com", name="Eve", role="viewer").user.id)
    group = do(users.create_group, "Team")
    do(users.update_group, group.id, name="The team")
    do(users.set_members, group.id, [invited.user.id])
    do(users.update_user, invited.user.id, role="admin", groups=[group.id])
    do(users.edit_user, invited.user.id, lambda _user, _groups: {"active": False})
    do(users.delete_group, group.id)
    key, secret = do(api_keys.create_api_key, name="Key", roles=["API_ADMIN"])
    api_keys.authenticate_key(ctx, secret)
    do(api_keys.revoke_api_key, key.id)
    bootstrap._create_account(ctx, shop.admin)


def project(shop: Shop) -> None:
    do = shop.do
    do(projects.create_project, "Shop")
    do(projects.update_project, "Shop", requires_title_and_comments=False)
    do(projects.edit_project, "Shop", lambda _: {"requires_title_and_comments": False})
    do(projects.set_restriction, "Shop", restricted=False, grants=[])
    user = users.list_users(shop.ctx, shop.admin)[0]
    do(projects.grant_view, "Shop", "user", user.id)
    place = do(environments.create_environment, "Shop", "Test")
    do(environments.update_environment, "Shop", place.id, name="Testing")
    do(environments.edit_environment, "Shop", place.id, lambda _: {"name": "Tests"})
    do(environments.delete_environment, "Shop", place.id)
    kind = do(environments.create_traffic_type, "Shop", "device")
    do(environments.delete_traffic_type, kind.id)
    do(attributes.save_attributes, "Shop", "user", [Attribute("", "age", "Age", "", "NUMBER", False, [])])
    do(attributes.edit_attribute, "Shop", "user", "age", lambda old: replace(old, description="In years"))
    do(identities.save_identity, "user", shop.place, NewIdentity("ada", {"age": 7}))
    do(identities.save_identities, "user", shop.place, [NewIdentity("bob", {"age": 8})])
    do(identities.delete_identity, "user", shop.place, "bob")
    do(attributes.delete_attribute, "Shop", "user", "age")
    do(projects.create_project, "Empty")
    do(projects.delete_project, "Empty")


def flag(shop: Shop) -> None:
    do = shop.do
    for name in ("pay", "search"):
        do(flags.create_flag, "Shop", name=name, traffic_type="user", tags=["a"])
    there = ("Shop", "pay", "Production")
    sets = do(flag_sets.create_flag_set, "Shop", name="web")
    do(issue_links.connect_checked, "Shop", "pay", [unchecked("PAY-1")])
    do(definitions.create_definition, *there, Draft(parse(BODY), [sets.id], "Ramping"))
    after_search = parse({**ON, "prerequisites": [{"splitName": "search", "treatment": ["on"]}]})
    do(definitions.create_definition, "Shop", "search", "Production", Draft(parse(BODY)))
    do(dependencies.check_dependencies, *there, after_search, [sets.id])
    do(definitions.save_definition, *there, Draft(after_search, [], "Killed"))
    do(definitions.kill, *there)
    do(definitions.restore, *there)
    do(flags.update_flag, "Shop", "pay", description="For paying", tags=["b"], owners=[])
    do(impressions.live_tail, *there)
    do(flag_sets.delete_flag_set, sets.id)
    do(definitions.save_definition, *there, Draft(parse(BODY)))
    do(flags.archive_flag, "Shop", "pay")
    do(flags.unarchive_flag, "Shop", "pay")


def segment(shop: Shop) -> None:
    do, place = shop.do, shop.place
    for name, kind in (
        ("staff", SegmentKind.STANDARD),
        ("crowd", SegmentKind.LARGE),
        ("payers", SegmentKind.RULE_BASED),
    ):
        do(segments.create_segment, "Shop", kind, name=name, traffic_type="user")
        do(segments.add_to_environment, place, name)
    do(segments.describe_segment, "Shop", "staff", "All of us")
    do(keys.add_keys, place, "staff", ["ada", "bob"])
    do(keys.remove_keys, place, "staff", ["bob"])
    do(rule_based.save_rules, "Shop", "Production", "payers", RULES)
    do(segments.create_segment, "Shop", SegmentKind.STANDARD, name="gone", traffic_type="user")
    do(segments.add_to_environment, place, "gone")
    do(segments.remove_from_environment, place, "gone")
    do(segments.delete_segment, "Shop", "gone")


def approvals(shop: Shop) -> None:
    do, ctx = shop.do, shop.ctx
    bob = replace(shop.admin, id="bob", name="Bob")
    do(reviews.publish_unless_approval_is_required, shop.ask("segment", "staff", "UPDATE", {"keys": ["eve"]}))
    do(environments.update_environment, "Shop", "Production", permissions=APPROVALS)
    request = shop.ask("flag", "pay", "UPDATE", ON, rollout_status="Ramping")
    do(requests.add_comment, request, "Why?")
    reviews.decide(ctx, bob, request, "APPROVED")
    for kind, name, wanted in (
        ("segment", "staff", {"keys": ["dee"]}),
        ("rule_based_segment", "payers", {**RULES, "excludedKeys": ["ada"]}),
    ):
        reviews.decide(ctx, bob, shop.ask(kind, name, "UPDATE", wanted), "APPROVED")
    reviews.decide(ctx, bob, shop.ask("flag", "pay", "UPDATE", BODY), "REJECTED", "No")
    for operation in ("KILL", "RESTORE"):
        reviews.decide(ctx, bob, shop.ask("flag", "pay", operation, {}), "APPROVED")
    soon = shop.clock() + 1000
    reviews.decide(ctx, bob, shop.ask("flag", "pay", "UPDATE", BODY, scheduled_for=soon), "APPROVED")
    reviews.decide(ctx, bob, shop.ask("flag", "search", "UPDATE", ON, scheduled_for=soon), "APPROVED")
    shop.clock.forward(seconds=2)
    reviews.publish_due(ctx)
    do(environments.update_environment, "Shop", "Production", permissions=NO_APPROVALS)
    upload = do(requests.submit, "Shop", "Production", Proposal("large_segment", "crowd", "UPLOAD"))
    reviews.receive_file(ctx, upload.upload_secret, b"ada\nbob\n")
    do(reviews._reject, request, "Too late")


def imports(shop: Shop) -> None:
    do, place = shop.do, shop.place
    line = FlagLine(2, "imported", "From a file", owners=("Team",), issues=("PAY-2",), default=True)
    for dry_run in (True, False):
        flag_file.import_flags(
            shop.ctx, shop.admin, "Shop", [line], flag_file.ImportOptions(create_owners=True, dry_run=dry_run)
        )
    do(split_account.import_flag, "Shop", {"name": "pay", "traffic_type": "user", "description": "As there"})
    do(
        split_account.import_definition,
        "Shop",
        "imported",
        "Production",
        SourceDefinition(parse(ON), True, (), Seeds(7, 8)),
    )
    do(split_account.import_keys, place, "staff", ["ada"])
    do(split_account.import_rules, place, "payers", RULES)


def jira(shop: Shop) -> None:
    do, ctx = shop.do, shop.ctx
    do(integration._set_up, [("Shop", "Production")], None)
    do(integration._change_projects, [("Shop", "Staging")])
    do(integration._change_projects, [("Shop", "Production")])
    issue_links.create_connected_flag(ctx, shop.admin, "Shop", ["PAY-3"], name="new", traffic_type="user")
    do(issue_links.disconnect_issue, "Shop", "new", "PAY-3")
    old = [one.issue for one in issue_links.list_connections(ctx, shop.admin, "Shop", "pay")]
    do(issue_links._store, [(old[0], replace(old[0], jira_id="7", state="known", checked_at=shop.clock()))])
    connect_by_credentials(shop)
    connect_by_app(shop)
    do(integration.regenerate_token)
    do(integration.revoke_token)
    do(integration.remove_integration)


def connect_by_credentials(shop: Shop) -> None:
    do, ctx = shop.do, shop.ctx
    found = FoundSite("https://acme.atlassian.net", "cloud")
    given, _ = do(credentials._connect, found, "client", ctx.box.encrypt("secret"))
    do(credentials._update, given.id, "set_api_token", None, {"api_email": "ada@example.com"})
    do(secret_rotation._store, [])
    do(webhooks._note_refusal, given.id)
    event = webhooks._Event("jira:issue_updated", "7", "PAY-1", "3")
    do(webhooks._handle_webhook, webhooks.HookCall(given, {"issue": {"id": "7", "key": "PAY-1", "fields": {}}}), event)
    do(webhooks._mark_issues, replace(event, kind="jira:issue_deleted"))
    started = do(resync.start_resync)
    with pytest.raises(Conflict, match="nothing to cancel"):
        do(resync.cancel, started.resync.id)
    do(reconciliation.request_reconciliation)
    with ctx.db.write() as tx:
        site = integrations.site_of_account(tx, shop.admin.account_id)
        assert site
        integrations.update_site(tx, site.id, moved_to="https://acme-two.atlassian.net")
    do(integration._move_site, FoundSite("https://acme-two.atlassian.net", "cloud"))
    _, replaced = do(
        credentials._connect, FoundSite("https://acme-two.atlassian.net", "cloud"), "other", ctx.box.encrypt("s")
    )
    do(credentials._note_taken_back, replaced.removal_id if replaced else "none")
    do(integration.remove_integration)
    do(integration.forget_site)


def connect_by_app(shop: Shop) -> None:
    do, ctx = shop.do, shop.ctx
    token = do(integration._set_up, [("Shop", "Production")], None).secret
    invocation = Invocation("installation", "cloud", "http://127.0.0.1:9", "https://acme.atlassian.net", None, None)
    caller = configure_page._Caller(invocation, ctx.box.encrypt("token"), shop.clock() + 3_600_000)
    do(configure_page._connect, caller, token, "https://acme.atlassian.net")
    do(configure_page._keep_token, caller)
    ada = users.list_users(ctx, shop.admin)[0]
    bob = replace(shop.admin, id=ada.id, name=ada.name)
    code = account_links.new_code(ctx, bob)
    account_links._link(ctx, shop.admin, "atlassian", account_links._hash(code))
    account_links.end_link(ctx, bob, "atlassian")
    do(account_links._unlink, "atlassian")
    do(configure_page._uninstall, "installation")


def endings(shop: Shop) -> None:
    do = shop.do
    do(definitions.remove_definition, "Shop", "pay", "Production")
    do(flags.delete_flag, "Shop", "pay")


def unchecked(key: str) -> Issue:
    return Issue("", None, key, "", "", "", "", "", "unchecked", None)


def test_the_recorder_reads_what_a_statement_locks() -> None:
    assert tables_locked_by("SELECT flags.id FROM flags WHERE flags.id = 1 ORDER BY id FOR NO KEY UPDATE") == ["flags"]
    both = "SELECT 1 FROM flags JOIN environments ON true LIMIT 1 FOR SHARE OF environments FOR NO KEY UPDATE OF flags"
    assert tables_locked_by(both) == ["environments", "flags"]
    assert tables_locked_by("UPDATE issues SET key = 1") == ["issues"]
    assert tables_locked_by("INSERT INTO issues (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET id = 2") == ["issues"]
    assert tables_locked_by("INSERT INTO issues (id) VALUES (1)") == []
    assert tables_locked_by("SELECT issues.id FROM issues") == []
