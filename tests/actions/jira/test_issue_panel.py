"""The panel on an issue: who sees which flags, who may do what, and who is who. On both stores."""

from dataclasses import replace
from typing import Any, cast

import pytest

from flagpost.actions import audit
from flagpost.actions.access import Actor
from flagpost.actions.accounts import sessions, users
from flagpost.actions.context import Context
from flagpost.actions.flags import definitions, flags
from flagpost.actions.flags.definitions import Draft
from flagpost.actions.jira import (
    account_links,
    configure_page,
    integration,
    issue_links,
    issue_panel,
    payload_preview,
)
from flagpost.actions.jira.issue_panel import Panel
from flagpost.actions.projects import environments, projects
from flagpost.errors import Conflict, InvalidInput, NotAllowed, NotFound, TooManyRequests
from flagpost.flags.model import Depends
from flagpost.jira.invocation_token import Invocation, InvokedIssue
from flagpost.store.jira import issues
from tests.actions.flags.test_flags import definition
from tests.conftest import AccountFixture, Clock, new_account

pytestmark = pytest.mark.slow

PAY_1 = InvokedIssue("10001", "PAY-1")


def invocation(person: str | None = "557058:eli", issue: InvokedIssue | None = PAY_1, **changed: Any) -> Invocation:
    call = Invocation("installed-here", "cloud-1", "http://127.0.0.1:9", "https://a.atlassian.net", person, None, issue)
    return replace(call, **changed)


ELI = invocation()
ZOE = invocation("557058:zoe")


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test starts with nobody having failed."""
    for one in ("_by_person", "_by_site"):
        monkeypatch.setattr(account_links, one, type(account_links._by_site)(getattr(account_links, one)._limit))


@pytest.fixture
def admin(ctx: Context, account: AccountFixture) -> Actor:
    """The site is connected: Jira shows Shop and Lab, of which Lab is for those it lists, and not Side."""
    admin = account.admin
    for name in ("Shop", "Lab", "Side"):
        projects.create_project(ctx, admin, name)
    token = integration.set_up_integration(ctx, admin, [("Shop", "Production"), ("Lab", "Staging")])
    projects.set_restriction(ctx, admin, "Lab", restricted=True, grants=[("api_key", token.key.id)])
    configure_page.configure(ctx, invocation(None, None), token.secret, None)
    for project, flag in (("Shop", "pay"), ("Shop", "basket"), ("Lab", "secret"), ("Side", "aside")):
        flags.create_flag(ctx, admin, project, name=flag, traffic_type="user")
    return admin


def user(ctx: Context, admin: Actor, role: str = "editor", name: str = "Eli") -> Actor:
    """Somebody who is signed in."""
    invited = users.invite_user(ctx, admin, email=f"{name.lower()}@example.com", name=name, role=role)
    token = sessions.accept_invitation(ctx, invited.url.rpartition("/")[2], name=name, password="correct horse battery")
    found = sessions.signed_in(ctx, token)
    assert found
    return found.actor


def linked(ctx: Context, admin: Actor, role: str = "editor", call: Invocation = ELI) -> Actor:
    """Somebody who is signed in, and linked."""
    found = user(ctx, admin, role)
    issue_panel.link(ctx, call, account_links.new_code(ctx, found))
    return found


def deactivate(ctx: Context, admin: Actor, one: Actor) -> None:
    user(ctx, admin, "admin", "Boss")  # somebody has to be an admin
    users.update_user(ctx, admin, one.id, active=False)


def connect(ctx: Context, admin: Actor, *named: tuple[str, str]) -> None:
    for project, flag in named:
        issue_links.connect_issues(ctx, admin, project, flag, ["PAY-1"])


def names(shown: Panel) -> list[str]:
    return [flag.name for flag in shown.flags]


def id_of(ctx: Context, admin: Actor, project: str, flag: str) -> str:
    return flags.get_flag(ctx, admin, project, flag).id


ALL = (("Shop", "pay"), ("Lab", "secret"), ("Side", "aside"))


# Who sees what ----------------------------------------------------------------------------------------------------


def test_somebody_without_an_account_sees_what_jira_shows_anyway_and_may_change_nothing(
    ctx: Context, admin: Actor
) -> None:
    connect(ctx, admin, *ALL)
    shown = issue_panel.show(ctx, ELI)
    assert (names(shown), shown.hidden) == (["pay"], 1)
    assert (shown.connected, shown.user, shown.may_edit) == (True, None, False)
    flag = id_of(ctx, admin, "Shop", "pay")
    for act in (issue_panel.connect, issue_panel.disconnect):
        with pytest.raises(NotAllowed, match="Link your Flagpost account"):
            act(ctx, ELI, flag)
    with pytest.raises(NotAllowed):
        issue_panel.search(ctx, ELI, "")


def test_a_restricted_project_is_for_linked_people_whom_it_lists(ctx: Context, admin: Actor) -> None:
    connect(ctx, admin, *ALL)
    eli = linked(ctx, admin)
    assert (names(issue_panel.show(ctx, ELI)), issue_panel.show(ctx, ELI).hidden) == (["pay"], 1)
    projects.grant_view(ctx, admin, "Lab", "user", eli.id)
    assert (names(issue_panel.show(ctx, ELI)), issue_panel.show(ctx, ELI).hidden) == (["pay", "secret"], 0)
    assert names(issue_panel.show(ctx, ZOE)) == ["pay"]


def test_what_the_integrations_token_may_not_view_is_not_in_jira_for_anybody(ctx: Context, admin: Actor) -> None:
    connect(ctx, admin, *ALL)
    eli = linked(ctx, admin)
    projects.set_restriction(ctx, admin, "Lab", restricted=True, grants=[("user", eli.id)])
    shown = issue_panel.show(ctx, ELI)
    assert (names(shown), shown.hidden) == (["pay"], 0)


def test_every_environment_stands_in_plain_words_and_the_last_save_is_said(
    ctx: Context, admin: Actor, clock: Clock
) -> None:
    connect(ctx, admin, ("Shop", "pay"))
    environments.create_environment(ctx, admin, "Shop", name="Demo", production=False)
    definitions.create_definition(ctx, admin, "Shop", "pay", "Production", Draft(definition(90)))
    clock.forward(seconds=60)
    definitions.create_definition(ctx, replace(admin, name="Zoe"), "Shop", "pay", "Staging", Draft(definition(50)))
    definitions.kill(ctx, replace(admin, name="Zoe"), "Shop", "pay", "Staging")
    shown = issue_panel.show(ctx, ELI)
    (flag,) = shown.flags
    assert [
        (one.environment, one.state.words.text, one.environment_id in shown.primary) for one in flag.environments
    ] == [
        ("Demo", "Not initiated", False),
        ("Staging", "Killed: everybody gets “off”", False),
        ("Production", "On for 90 %", True),
    ]
    assert flag.last_save
    assert (flag.last_save.saved_by, flag.last_save.saved_at) == ("Zoe", clock())


def test_a_killed_prerequisite_is_named_with_what_everybody_gets_in_the_panel_and_to_jira(
    ctx: Context, admin: Actor
) -> None:
    connect(ctx, admin, ("Shop", "pay"))
    for place in ("Production", "Staging"):
        definitions.create_definition(ctx, admin, "Shop", "basket", place, Draft(definition(100)))
        needs = replace(definition(100), prerequisites=(Depends("basket", ("on",)),))
        definitions.create_definition(ctx, admin, "Shop", "pay", place, Draft(needs))
    definitions.kill(ctx, admin, "Shop", "basket", "Production")
    (flag,) = issue_panel.show(ctx, ELI).flags
    words = "On, but its prerequisite “basket” is killed: everybody gets “off”"
    assert {one.environment: one.state.words.text for one in flag.environments} == {
        "Production": words,
        "Staging": "On for 100 %",
    }
    sent = payload_preview.preview(ctx, admin, "Shop", "pay").body
    assert sent
    status = sent["flags"][0]["summary"]["status"]
    assert status == {"enabled": True, "defaultValue": "off", "rollout": {"text": words}}


def test_an_issue_is_recognised_by_its_id_and_by_its_key_only_until_that_is_known(ctx: Context, admin: Actor) -> None:
    connect(ctx, admin, ("Shop", "pay"))  # Jira cannot be asked here, so the key is all that is known
    assert names(issue_panel.show(ctx, ELI)) == ["pay"]
    with ctx.db.write() as tx:
        known = issues.find(tx, admin.account_id, "PAY-1")
        assert known
        issues.save(tx, admin.account_id, replace(known, jira_id="10001", state="known"))
    assert names(issue_panel.show(ctx, invocation(issue=InvokedIssue("10001", "CASH-1")))) == ["pay"]
    assert names(issue_panel.show(ctx, invocation(issue=InvokedIssue("777", "PAY-1")))) == []


# Which site -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("other", [{"installation_id": "elsewhere"}, {"cloud_id": "cloud-2"}])
def test_an_installation_that_is_not_the_connected_sites_sees_nothing(
    ctx: Context, admin: Actor, other: dict[str, str]
) -> None:
    connect(ctx, admin, *ALL)
    linked(ctx, admin)
    elsewhere = replace(invocation(), **cast(Any, other))
    assert issue_panel.show(ctx, elsewhere) == Panel(PAY_1)
    for act in (issue_panel.link, issue_panel.search, issue_panel.connect, issue_panel.disconnect):
        with pytest.raises(Conflict, match="not connected"):
            act(ctx, elsewhere, "x")
    with pytest.raises(Conflict):
        issue_panel.unlink(ctx, elsewhere)


def test_a_site_whose_app_was_uninstalled_shows_nothing(ctx: Context, admin: Actor) -> None:
    connect(ctx, admin, *ALL)
    configure_page.uninstalled(ctx, ELI)
    assert issue_panel.show(ctx, ELI) == Panel(PAY_1)


def test_a_removed_integration_shows_nothing_while_jira_has_yet_to_forget(ctx: Context, admin: Actor) -> None:
    connect(ctx, admin, *ALL)
    integration.remove_integration(ctx, admin)
    assert issue_panel.show(ctx, ELI) == Panel(PAY_1)


@pytest.mark.parametrize("call", [invocation(None), invocation(issue=None)])
def test_a_call_without_an_issue_or_without_a_person_is_refused(ctx: Context, admin: Actor, call: Invocation) -> None:
    with pytest.raises(InvalidInput, match="names no issue, or no Atlassian account"):
        issue_panel.show(ctx, call)


# Connecting from Jira ---------------------------------------------------------------------------------------------


def test_a_linked_editor_connects_and_disconnects_as_in_the_console_and_the_log_says_where(
    ctx: Context, admin: Actor
) -> None:
    linked(ctx, admin)
    flag = id_of(ctx, admin, "Shop", "pay")
    assert names(issue_panel.connect(ctx, ELI, flag)) == ["pay"]
    (connected,) = issue_links.list_connections(ctx, admin, "Shop", "pay")
    assert (connected.issue.key, connected.connected_by) == ("PAY-1", "Eli (in Jira)")
    assert names(issue_panel.disconnect(ctx, ELI, flag)) == []
    log = audit.list_audit(ctx, admin, "Shop", flag="pay").items
    assert [(one.actor_type, one.actor_name, one.change) for one in log[:2]] == [
        ("user", "Eli (in Jira)", "disconnected_issue"),
        ("user", "Eli (in Jira)", "connected_issue"),
    ]


def test_an_issue_that_is_connected_from_its_own_page_is_not_asked_for_and_known_by_its_id(
    ctx: Context, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    linked(ctx, admin)
    asked: list[str] = []
    monkeypatch.setattr(issue_links, "look_up_issues", lambda *_: asked.append("issue"))
    flag = id_of(ctx, admin, "Shop", "pay")
    assert names(issue_panel.connect(ctx, ELI, flag)) == ["pay"]
    assert asked == []
    with ctx.db.read() as tx:
        known = issues.find(tx, admin.account_id, PAY_1.id)
    assert known
    assert (known.key, known.state, known.due_at) == ("PAY-1", "unchecked", 0)
    moved = invocation(issue=InvokedIssue("10001", "WEB-7"))
    assert names(issue_panel.show(ctx, moved)) == ["pay"]


def test_a_linked_viewer_searches_and_changes_nothing(ctx: Context, admin: Actor) -> None:
    connect(ctx, admin, ("Shop", "pay"))
    linked(ctx, admin, "viewer")
    assert (issue_panel.show(ctx, ELI).user, issue_panel.show(ctx, ELI).may_edit) == ("Eli", False)
    assert [one.name for one in issue_panel.search(ctx, ELI, "BASK")[0]] == ["basket"]
    for act in (issue_panel.connect, issue_panel.disconnect):
        with pytest.raises(NotAllowed, match="not allowed to change flags"):
            act(ctx, ELI, id_of(ctx, admin, "Shop", "pay"))
    assert names(issue_panel.show(ctx, ELI)) == ["pay"]


def test_what_somebody_may_not_see_or_jira_is_not_shown_cannot_be_found_or_connected(
    ctx: Context, admin: Actor
) -> None:
    linked(ctx, admin)
    for project, flag in (("Lab", "secret"), ("Side", "aside")):
        with pytest.raises(NotFound):
            issue_panel.connect(ctx, ELI, id_of(ctx, admin, project, flag))
        connect(ctx, admin, (project, flag))
        with pytest.raises(NotFound):
            issue_panel.disconnect(ctx, ELI, id_of(ctx, admin, project, flag))
    assert [one.name for one in issue_panel.search(ctx, ELI, "")[0]] == ["basket", "pay"]
    with pytest.raises(NotFound):
        issue_panel.connect(ctx, ELI, "no-such-flag")


def test_search_leaves_out_what_is_connected_and_says_whether_there_is_more(ctx: Context, admin: Actor) -> None:
    linked(ctx, admin)
    connect(ctx, admin, ("Shop", "pay"))
    assert [one.name for one in issue_panel.search(ctx, ELI, "")[0]] == ["basket"]
    for number in range(20):
        flags.create_flag(ctx, admin, "Shop", name=f"pay_{number:02}", traffic_type="user")
    found, more = issue_panel.search(ctx, ELI, "pay")
    assert (len(found), more) == (20, False)
    found, more = issue_panel.search(ctx, ELI, "")
    assert (len(found), more) == (20, True)


def test_an_archived_flag_is_shown_and_not_found(ctx: Context, admin: Actor) -> None:
    linked(ctx, admin)
    connect(ctx, admin, ("Shop", "pay"))
    flags.archive_flag(ctx, admin, "Shop", "pay")
    flags.archive_flag(ctx, admin, "Shop", "basket")
    (flag,) = issue_panel.show(ctx, ELI).flags
    assert {one.state.words.text for one in flag.environments} == {"Archived"}
    assert issue_panel.search(ctx, ELI, "") == ([], False)
    with pytest.raises(Conflict, match="archived"):
        issue_panel.connect(ctx, ELI, id_of(ctx, admin, "Shop", "basket"))


# Linking ----------------------------------------------------------------------------------------------------------


def test_a_code_links_once_however_it_is_typed(ctx: Context, admin: Actor) -> None:
    eli = user(ctx, admin)
    code = account_links.new_code(ctx, eli)
    assert issue_panel.link(ctx, ELI, f" {code.lower().replace('-', ' ')} ").user == "Eli"
    with pytest.raises(InvalidInput, match="does not know this code") as caught:
        issue_panel.link(ctx, ZOE, code)
    assert caught.value.problems[0].path == "code"
    assert issue_panel.show(ctx, ZOE).user is None
    assert [one.atlassian_id for one in account_links.links_of(ctx, eli)] == ["557058:eli"]


def test_a_code_lasts_ten_minutes_and_a_new_one_ends_it(ctx: Context, admin: Actor, clock: Clock) -> None:
    eli = user(ctx, admin)
    first, second = account_links.new_code(ctx, eli), account_links.new_code(ctx, eli)
    with pytest.raises(InvalidInput):
        issue_panel.link(ctx, ELI, first)
    clock.forward(seconds=600)
    with pytest.raises(InvalidInput):
        issue_panel.link(ctx, ELI, second)
    assert issue_panel.link(ctx, ELI, account_links.new_code(ctx, eli)).user == "Eli"


def test_a_code_of_another_flagpost_account_or_of_somebody_deactivated_does_not_work(
    ctx: Context, admin: Actor
) -> None:
    other = new_account(ctx, "Other").admin
    stranger = user(ctx, other, name="Stranger")
    with pytest.raises(InvalidInput):
        issue_panel.link(ctx, ELI, account_links.new_code(ctx, stranger))
    eli = user(ctx, admin)
    code = account_links.new_code(ctx, eli)
    deactivate(ctx, admin, eli)
    with pytest.raises(InvalidInput):
        issue_panel.link(ctx, ELI, code)


def test_other_links_that_work_once_are_no_codes_and_a_code_is_none_of_them(ctx: Context, admin: Actor) -> None:
    invited = users.invite_user(ctx, admin, email="zoe@example.com", name="Zoe", role="admin")
    with pytest.raises(InvalidInput):
        issue_panel.link(ctx, ELI, invited.url.rpartition("/")[2])
    with pytest.raises(NotFound):
        sessions.look_at_link(ctx, account_links.new_code(ctx, user(ctx, admin)))


def test_guessing_is_limited_by_person_and_by_site(ctx: Context, admin: Actor, clock: Clock) -> None:
    code = account_links.new_code(ctx, user(ctx, admin))
    for _ in range(10):
        with pytest.raises(InvalidInput):
            issue_panel.link(ctx, ZOE, "WRONG-WRONG")
    with pytest.raises(TooManyRequests):
        issue_panel.link(ctx, ZOE, code)
    for number in range(90):
        with pytest.raises(InvalidInput):
            issue_panel.link(ctx, invocation(f"557058:{number // 10}"), "WRONG-WRONG")
    with pytest.raises(TooManyRequests):
        issue_panel.link(ctx, ELI, code)
    clock.forward(seconds=601)
    assert issue_panel.link(ctx, ELI, account_links.new_code(ctx, user(ctx, admin, name="Ann"))).user == "Ann"


def test_linking_again_replaces_and_the_log_tells_both(ctx: Context, admin: Actor) -> None:
    eli = linked(ctx, admin)
    ann = user(ctx, admin, name="Ann")
    assert issue_panel.link(ctx, ELI, account_links.new_code(ctx, ann)).user == "Ann"
    assert (account_links.links_of(ctx, eli), len(account_links.links_of(ctx, ann))) == ([], 1)
    log = audit.list_account_audit(ctx, admin).items
    told = [(one.object_name, one.change, one.actor_name) for one in log if "jira" in one.change][:3]
    assert told == [
        ("ann@example.com", "linked_with_jira", "Ann (in Jira)"),
        ("eli@example.com", "unlinked_from_jira", "Eli (in Jira)"),
        ("eli@example.com", "linked_with_jira", "Eli (in Jira)"),
    ]
    assert log[0].differences[0].after == "557058:eli"


def test_unlinking_in_jira_and_in_flagpost(ctx: Context, admin: Actor) -> None:
    eli = linked(ctx, admin)
    assert issue_panel.unlink(ctx, ELI).user is None
    assert issue_panel.unlink(ctx, ELI).user is None
    issue_panel.link(ctx, ELI, account_links.new_code(ctx, eli))
    with pytest.raises(NotFound):
        account_links.end_link(ctx, user(ctx, admin, name="Ann"), "557058:eli")
    account_links.end_link(ctx, eli, "557058:eli")
    assert issue_panel.show(ctx, ELI).user is None


def test_somebody_who_was_deactivated_counts_as_not_linked(ctx: Context, admin: Actor) -> None:
    eli = linked(ctx, admin)
    deactivate(ctx, admin, eli)
    assert (issue_panel.show(ctx, ELI).user, issue_panel.show(ctx, ELI).may_edit) == (None, False)
    with pytest.raises(NotAllowed):
        issue_panel.connect(ctx, ELI, id_of(ctx, admin, "Shop", "pay"))
    users.update_user(ctx, admin, eli.id, active=True, role="viewer")
    assert (issue_panel.show(ctx, ELI).user, issue_panel.show(ctx, ELI).may_edit) == ("Eli", False)


def test_a_code_is_long_and_without_characters_that_look_alike(ctx: Context, admin: Actor) -> None:
    eli = user(ctx, admin)
    codes = {account_links.new_code(ctx, eli) for _ in range(50)}
    assert len(codes) == 50
    assert all(len(code) == 11 and set(code) <= set("23456789ABCDEFGHJKLMNPQRSTUVWXYZ-") for code in codes)
    assert len(account_links._ALPHABET) ** 10 >= 2**48
