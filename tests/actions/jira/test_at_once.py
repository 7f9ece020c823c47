"""Two actions on one Jira integration in the same moment, on PostgreSQL: the second decides on what the first left."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from flagpost.actions import audit
from flagpost.actions.access import Actor
from flagpost.actions.accounts import sessions, users
from flagpost.actions.context import Context
from flagpost.actions.flags import flags
from flagpost.actions.jira import (
    account_links,
    configure_page,
    integration,
    issue_links,
    issue_panel,
    reconciliation,
    resync,
    webhooks,
)
from flagpost.actions.projects import environments, projects
from flagpost.actions.unit_of_work import Change
from flagpost.errors import Conflict, FlagpostError, InvalidInput, NotFound
from flagpost.jira.delivery import Delivery
from flagpost.jira.invocation_token import Invocation, InvokedIssue
from flagpost.jira.site_resync import begin_site_resync
from flagpost.store.db import Database
from flagpost.store.jira import delivery_results, integrations, issues, outbox, removals, resyncs
from flagpost.store.jira.delivery_results import DeliveryResult
from flagpost.store.jira.integrations import Site
from tests.conftest import Clock, context_on, new_account
from tests.store.interleaving import LONG, wait_until_one_waits

SHOWN = [("Shop", "Production")]
CALL = Invocation("installed-here", "cloud-1", "http://127.0.0.1:9", "https://a.atlassian.net", None, None)
ELI = replace(CALL, account_id="557058:eli", issue=InvokedIssue("10001", "PAY-1"))
Answer = Callable[[], Any]


@pytest.fixture
def ctx(postgres_url: str, clock: Clock) -> Iterator[Context]:
    ctx = context_on(Database(postgres_url), clock)
    yield ctx
    ctx.db.close()


@pytest.fixture
def admin(ctx: Context) -> Actor:
    """An admin with the projects Shop and Lab, and a flag *pay* in Shop."""
    admin = new_account(ctx).admin
    for project in ("Shop", "Lab"):
        projects.create_project(ctx, admin, project)
    flags.create_flag(ctx, admin, "Shop", name="pay", traffic_type="user")
    return admin


@pytest.fixture
def token(ctx: Context, admin: Actor) -> str:
    """The token of the account's integration."""
    return integration.set_up_integration(ctx, admin, SHOWN).secret


@pytest.fixture
def connected(ctx: Context, admin: Actor, token: str) -> Actor:
    """An admin whose account is connected through the app."""
    configure_page.configure(ctx, CALL, token, "system token")
    return admin


@pytest.fixture
def meet(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> Callable[[Answer, Answer], tuple[Answer, Answer]]:
    """Runs two actions: the first stops before its commit, until the second waits for it. Their results, to be asked."""
    flush = Change.flush

    def meet(first: Answer, second: Answer) -> tuple[Answer, Answer]:
        written, go_on = threading.Event(), threading.Event()
        held: list[int] = []

        def flush_and_stop(change: Change) -> bool:
            pending = flush(change)
            if not held:
                held.append(threading.get_ident())
                written.set()
                assert go_on.wait(LONG)
            return pending

        monkeypatch.setattr(Change, "flush", flush_and_stop)
        with ThreadPoolExecutor(2) as pool:
            one = pool.submit(first)
            assert written.wait(LONG)
            other = pool.submit(second)
            try:
                wait_until_one_waits(ctx.db)
            finally:
                go_on.set()
        return lambda: one.result(LONG), lambda: other.result(LONG)

    return meet


Meet = Callable[[Answer, Answer], tuple[Answer, Answer]]


def site_of(ctx: Context, admin: Actor) -> Site | None:
    with ctx.db.read() as tx:
        return integrations.site_of_account(tx, admin.account_id)


def refused(answer: Answer, words: str, kind: type[FlagpostError] = Conflict) -> None:
    with pytest.raises(kind, match=words):
        answer()


# The integration and its token ------------------------------------------------------------------------------------


def test_two_admins_who_set_the_integration_up_get_one_and_the_second_reads_why(
    ctx: Context, admin: Actor, meet: Meet
) -> None:
    def set_up() -> Any:
        return integration.set_up_integration(ctx, admin, SHOWN)

    first, second = meet(set_up, set_up)
    assert first().secret
    refused(second, "set up already")
    log = audit.list_account_audit(ctx, admin).items
    assert [one.object_type for one in log if one.change == "created"].count("integration") == 1


def test_a_token_that_is_replaced_in_that_moment_connects_no_site(
    ctx: Context, admin: Actor, token: str, meet: Meet
) -> None:
    first, second = meet(
        lambda: integration.regenerate_token(ctx, admin), lambda: configure_page.configure(ctx, CALL, token, None)
    )
    assert first().secret != token
    refused(second, "does not know this token", InvalidInput)
    assert site_of(ctx, admin) is None


@pytest.mark.parametrize("end", [integration.revoke_token, integration.remove_integration])
def test_a_token_that_is_ended_in_that_moment_connects_no_site(
    ctx: Context, admin: Actor, token: str, meet: Meet, end: Callable[[Context, Actor], None]
) -> None:
    _, second = meet(lambda: end(ctx, admin), lambda: configure_page.configure(ctx, CALL, token, None))
    refused(second, "was revoked", InvalidInput)
    assert site_of(ctx, admin) is None


def test_of_two_tokens_made_at_once_the_second_is_the_one_that_works(
    ctx: Context, admin: Actor, token: str, meet: Meet
) -> None:
    def regenerate() -> Any:
        return integration.regenerate_token(ctx, admin)

    first, second = meet(regenerate, regenerate)
    refused(lambda: configure_page.configure(ctx, CALL, first().secret, None), "does not know", InvalidInput)
    assert configure_page.configure(ctx, CALL, second().secret, None).connected


def test_an_integration_is_removed_once(ctx: Context, connected: Actor, meet: Meet) -> None:
    def remove() -> None:
        integration.remove_integration(ctx, connected)

    _, second = meet(remove, remove)
    refused(second, "Set the integration up first", NotFound)


def test_a_project_that_two_admins_leave_out_at_once_is_asked_for_removal_once(
    ctx: Context, connected: Actor, meet: Meet
) -> None:
    integration.change_projects(ctx, connected, [*SHOWN, ("Lab", "Production")])
    lab = flags.create_flag(ctx, connected, "Lab", name="secret", traffic_type="user")
    issue_links.connect_issues(ctx, connected, "Lab", "secret", ["PAY-1"])
    with ctx.db.write() as tx:
        outbox.mark_may_exist_remotely(tx, [lab.id])

    def leave_out() -> Any:
        return integration.change_projects(ctx, connected, SHOWN)

    meet(leave_out, leave_out)
    with ctx.db.read() as tx:
        assert [one.name for one in removals.unfinished(tx, connected.account_id)] == ["Lab"]


def test_an_environment_that_is_chosen_in_that_moment_is_not_deleted(
    ctx: Context, admin: Actor, token: str, meet: Meet
) -> None:
    environments.create_environment(ctx, admin, "Shop", "Demo")
    _, second = meet(
        lambda: integration.change_projects(ctx, admin, [("Shop", "Demo")]),
        lambda: environments.delete_environment(ctx, admin, "Shop", "Demo"),
    )
    refused(second, "what Jira shows")


# The site ---------------------------------------------------------------------------------------------------------


def test_a_site_that_is_forgotten_in_that_moment_is_connected_anew(ctx: Context, connected: Actor, meet: Meet) -> None:
    integration.remove_integration(ctx, connected)
    _, second = meet(
        lambda: integration.forget_site(ctx, connected), lambda: integration.set_up_integration(ctx, connected, SHOWN)
    )
    configure_page.configure(ctx, CALL, second().secret, None)
    found = site_of(ctx, connected)
    assert found
    assert (found.site_url, found.resync_requested_at) == ("https://a.atlassian.net", ctx.clock())


def test_a_site_whose_integration_is_set_up_again_in_that_moment_is_not_forgotten(
    ctx: Context, connected: Actor, meet: Meet
) -> None:
    integration.remove_integration(ctx, connected)
    _, second = meet(
        lambda: integration.set_up_integration(ctx, connected, SHOWN), lambda: integration.forget_site(ctx, connected)
    )
    refused(second, "Only the site of an integration that was removed")
    assert site_of(ctx, connected)


def test_a_delivery_that_ends_does_not_forget_the_site_that_is_set_up_again(
    ctx: Context, connected: Actor, meet: Meet
) -> None:
    begin_site_resync(ctx.db, _site(ctx, connected), ctx.clock())
    integration.remove_integration(ctx, connected)
    delivery = Delivery(ctx.db, ctx.jira, ctx.keyring, ctx.issues.limiter, ctx.clock, ctx.settings.public_url)
    meet(lambda: integration.set_up_integration(ctx, connected, SHOWN), lambda: delivery.deliver(connected.account_id))
    assert site_of(ctx, connected)


def _site(ctx: Context, admin: Actor) -> Site:
    found = site_of(ctx, admin)
    assert found
    return found


def test_an_app_that_is_uninstalled_while_its_token_comes_stays_uninstalled(
    ctx: Context, connected: Actor, meet: Meet
) -> None:
    """Its call may be older than the uninstallation; a new installation has an id of its own."""
    meet(lambda: configure_page.uninstalled(ctx, CALL), lambda: configure_page.keep_token(ctx, CALL, "token"))
    assert _site(ctx, connected).disconnected_at == ctx.clock()


# Resyncs and comparisons ------------------------------------------------------------------------------------------


def test_a_resync_or_comparison_that_is_asked_for_twice_is_made_once(
    ctx: Context, connected: Actor, meet: Meet
) -> None:
    first, second = meet(lambda: resync.start_resync(ctx, connected), lambda: resync.start_resync(ctx, connected))
    assert first().resync.id == second().resync.id
    first, second = meet(
        lambda: reconciliation.request_reconciliation(ctx, connected),
        lambda: reconciliation.request_reconciliation(ctx, connected),
    )
    assert first().run.id == second().run.id


def test_a_resync_that_is_cancelled_in_that_moment_is_not_begun(ctx: Context, connected: Actor, meet: Meet) -> None:
    issue_links.connect_issues(ctx, connected, "Shop", "pay", ["PAY-1"])
    begin_site_resync(ctx.db, _site(ctx, connected), ctx.clock())
    _deliver_all(ctx, connected)
    asked = resync.start_resync(ctx, connected).resync
    site = _site(ctx, connected)
    first, _ = meet(
        lambda: resync.cancel(ctx, connected, asked.id), lambda: begin_site_resync(ctx.db, site, ctx.clock())
    )
    assert first().resync.outcome == "cancelled"
    assert _site(ctx, connected).resync_requested_at is None
    with ctx.db.read() as tx:
        assert outbox.count_pending(tx, connected.account_id) == 0
    assert [one.resync.id for one in resync.list_resyncs(ctx, connected) if one.running] == []


def test_a_resync_is_cancelled_once(ctx: Context, connected: Actor, meet: Meet) -> None:
    issue_links.connect_issues(ctx, connected, "Shop", "pay", ["PAY-1"])
    begin_site_resync(ctx.db, _site(ctx, connected), ctx.clock())
    _deliver_all(ctx, connected)
    asked = resync.start_resync(ctx, connected, "Shop").resync

    def cancel() -> Any:
        return resync.cancel(ctx, connected, asked.id)

    first, second = meet(cancel, cancel)
    assert first().resync.outcome == "cancelled"
    refused(second, "over already")


def _deliver_all(ctx: Context, admin: Actor) -> None:
    """As if Jira had accepted what is pending."""
    with ctx.db.write() as tx:
        pending = outbox.pending(tx, admin.account_id, 100)
        results = [DeliveryResult(one.flag_id, one.latest_version, True) for one in pending]
        delivery_results.record(tx, results, ctx.clock())
        resyncs.end_finished(tx, admin.account_id, ctx.clock())


# Issues -----------------------------------------------------------------------------------------------------------


def test_an_issue_that_two_flags_are_connected_with_at_once_is_one(ctx: Context, connected: Actor, meet: Meet) -> None:
    flags.create_flag(ctx, connected, "Lab", name="secret", traffic_type="user")
    first, second = meet(
        lambda: issue_links.connect_issues(ctx, connected, "Shop", "pay", ["PAY-1"]),
        lambda: issue_links.connect_issues(ctx, connected, "Lab", "secret", ["PAY-1"]),
    )
    assert (first(), second()) == (["PAY-1"], ["PAY-1"])


def test_an_issue_that_is_deleted_while_a_flag_is_connected_with_it_has_that_flag_sent_again(
    ctx: Context, connected: Actor, meet: Meet
) -> None:
    flags.create_flag(ctx, connected, "Shop", name="basket", traffic_type="user")
    issue_links.connect_issues(ctx, connected, "Shop", "basket", ["PAY-1"])
    deleted = {"eventType": "avi:jira:deleted:issue", "issue": {"id": "10001", "key": "PAY-1"}}
    meet(
        lambda: issue_links.connect_issues(ctx, connected, "Shop", "pay", ["PAY-1"]),
        lambda: webhooks.handle_event(ctx, CALL, deleted),
    )
    with ctx.db.read() as tx:
        marked = issues.find(tx, connected.account_id, "PAY-1")
        versions = {one.flag_name: one.latest_version for one in outbox.pending(tx, connected.account_id, 10)}
    assert marked
    assert marked.state == "deleted"
    assert versions == {"basket": ctx.clock() + 1, "pay": ctx.clock() + 1}


# Links ------------------------------------------------------------------------------------------------------------


def user(ctx: Context, admin: Actor, name: str) -> Actor:
    """A user who is signed in."""
    invited = users.invite_user(ctx, admin, email=f"{name.lower()}@example.com", name=name, role="editor")
    token = sessions.accept_invitation(ctx, invited.url.rpartition("/")[2], name=name, password="correct horse battery")
    found = sessions.signed_in(ctx, token)
    assert found
    return found.actor


def test_a_code_that_is_entered_twice_at_once_links_one_account(ctx: Context, connected: Actor, meet: Meet) -> None:
    eli = user(ctx, connected, "Eli")
    code, zoe = account_links.new_code(ctx, eli), replace(ELI, account_id="557058:zoe")
    first, second = meet(lambda: issue_panel.link(ctx, ELI, code), lambda: issue_panel.link(ctx, zoe, code))
    assert first().user == "Eli"
    refused(second, "does not know this code", InvalidInput)
    assert [one.atlassian_id for one in account_links.links_of(ctx, eli)] == ["557058:eli"]


def test_of_two_codes_entered_at_once_by_one_account_the_second_counts_and_the_log_has_both(
    ctx: Context, connected: Actor, meet: Meet
) -> None:
    codes = [account_links.new_code(ctx, user(ctx, connected, name)) for name in ("Eli", "Ann")]
    _, second = meet(lambda: issue_panel.link(ctx, ELI, codes[0]), lambda: issue_panel.link(ctx, ELI, codes[1]))
    assert second().user == "Ann"
    log = [(one.change, one.object_name) for one in audit.list_account_audit(ctx, connected).items[:3]]
    assert log == [
        ("linked_with_jira", "ann@example.com"),
        ("unlinked_from_jira", "eli@example.com"),
        ("linked_with_jira", "eli@example.com"),
    ]


def test_a_user_who_is_deactivated_in_that_moment_is_not_linked(ctx: Context, connected: Actor, meet: Meet) -> None:
    eli = user(ctx, connected, "Eli")
    code = account_links.new_code(ctx, eli)
    _, second = meet(
        lambda: users.update_user(ctx, connected, eli.id, active=False), lambda: issue_panel.link(ctx, ELI, code)
    )
    refused(second, "does not know this code", InvalidInput)


def test_of_two_codes_made_at_once_the_second_works_alone(ctx: Context, connected: Actor, meet: Meet) -> None:
    eli = user(ctx, connected, "Eli")
    first, second = meet(lambda: account_links.new_code(ctx, eli), lambda: account_links.new_code(ctx, eli))
    refused(lambda: issue_panel.link(ctx, ELI, first()), "does not know this code", InvalidInput)
    assert issue_panel.link(ctx, ELI, second()).user == "Eli"
