"""Issues that are renamed, pass their keys on, are seen by two at once, or change while they are looked up."""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.conftest import AccountFixture

from flagpost.actions.context import Context
from flagpost.jira.client import JiraClient
from flagpost.jira.issues import IN_THE_BACKGROUND
from flagpost.jira.response import JiraResponse
from flagpost.store.db import Database
from flagpost.store.jira import integrations, issues
from flagpost.store.jira.integrations import Site
from flagpost.store.jira.issues import Issue

JIRA_HAS = {"id": "1", "key": "PAY-1", "fields": {"summary": "As it was", "status": {"name": "To Do"}}}


def seen(key: str, jira_id: str | None, state: str = "known") -> Issue:
    return Issue("", jira_id, key, "", "", "", "", "", state, 1, None, 10**15)


def find(ctx: Context, account: AccountFixture, ref: str) -> Issue | None:
    with ctx.db.read() as tx:
        return issues.find(tx, account.id, ref)


def test_a_key_that_passed_to_another_issue_leaves_the_first_its_own_row(ctx: Context, account: AccountFixture) -> None:
    with ctx.db.write() as tx:
        issues.save(tx, account.id, seen("PAY-1", "1"))
        issues.save(tx, account.id, seen("OPS-1", "2"))
        issues.save(tx, account.id, seen("PAY-1", "2"))  # PAY was made anew, and OPS-1 moved into it
    first, second = find(ctx, account, "1"), find(ctx, account, "PAY-1")
    assert first is not None
    assert second is not None
    assert (second.jira_id, first.key_passed_on, first.due_at) == ("2", True, 0)


def test_a_key_that_was_typed_and_the_issue_it_names_become_one(ctx: Context, account: AccountFixture) -> None:
    with ctx.db.write() as tx:
        issues.save(tx, account.id, seen("PAY-2", None, "unchecked"))
        known = issues.save(tx, account.id, seen("PAY-1", "1"))
        issues.save(tx, account.id, seen("PAY-2", "1"))
    merged = find(ctx, account, "PAY-2")
    assert merged is not None
    assert (merged.id, merged.jira_id) == (known.id, "1")
    assert find(ctx, account, "PAY-1") is None


def test_two_that_see_a_new_issue_at_once_make_one_row_of_it(ctx: Context, account: AccountFixture) -> None:
    failed: list[BaseException] = []
    for number in range(1, 6):
        together = threading.Barrier(2)

        def save(number: int = number, together: threading.Barrier = together) -> None:
            together.wait()
            try:
                with ctx.db.write() as tx:
                    issues.save(tx, account.id, seen(f"PAY-{number}", str(number)))
            except Exception as error:
                failed.append(error)

        threads = [threading.Thread(target=save) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failed == []


class JiraInterrupted(JiraClient):
    """Jira whose answer is made, and overtaken by an event before it arrives."""

    def __init__(self, found: list[dict[str, Any]], event: Callable[[], None]) -> None:
        self._found, self._event = found, event

    def call(self, method: str, url: str, **_: Any) -> JiraResponse:
        self._event()
        return JiraResponse(200, {"issues": self._found}, {}) if "bulkfetch" in url else JiraResponse(404, None, {})


def site_of(ctx: Context, account: AccountFixture) -> Site:
    now = ctx.clock()
    with ctx.db.write() as tx:
        integrations.save_installation(
            tx,
            "inst",
            now,
            cloud_id="cloud",
            api_base_url="http://127.0.0.1:9/ex/jira/cloud",
            system_token=ctx.box.encrypt("token"),
            system_token_expires_at=now + 10**8,
        )
        where = {"cloud_id": "cloud", "site_url": "https://x.atlassian.net", "installation_id": "inst"}
        return integrations.save_site(tx, account.id, auth_method="app", now=now, **where)


def look_up(ctx: Context, account: AccountFixture, found: list[dict[str, Any]], event: Callable[[], None]) -> Issue:
    site = site_of(ctx, account)
    with ctx.db.write() as tx:
        known = issues.save(tx, account.id, seen("PAY-1", "1"))
    reader = replace(ctx.issues, client=JiraInterrupted(found, event))
    reader.bring_up_to_date(site, [known], IN_THE_BACKGROUND)
    after = find(ctx, account, "1")
    assert after is not None
    return after


def within(database: Database, change: Callable[..., Any], *arguments: Any) -> None:
    with database.write() as tx:
        change(tx, *arguments)


@pytest.mark.parametrize("found", [[JIRA_HAS], []])
def test_an_event_that_comes_while_an_issue_is_looked_up_has_it_looked_up_again(
    ctx: Context, account: AccountFixture, found: list[dict[str, Any]]
) -> None:
    after = look_up(ctx, account, found, lambda: within(ctx.db, issues.mark_changed, account.id, ["1"]))
    assert after.due_at == 0


def test_without_an_event_it_is_not_due_for_long(ctx: Context, account: AccountFixture) -> None:
    assert look_up(ctx, account, [JIRA_HAS], lambda: None).due_at > ctx.clock()


@pytest.mark.parametrize("found", [[JIRA_HAS], []])
def test_a_deletion_that_comes_while_an_issue_is_looked_up_stands(
    ctx: Context, account: AccountFixture, found: list[dict[str, Any]]
) -> None:
    after = look_up(ctx, account, found, lambda: within(ctx.db, issues.mark_deleted, account.id, ["1"], ctx.clock()))
    assert (after.state, after.due_at) == ("deleted", 0)


def test_an_issue_that_is_not_shown_any_more_is_hidden_not_gone(ctx: Context, account: AccountFixture) -> None:
    after = look_up(ctx, account, [], lambda: None)
    assert (after.state, after.gone) == ("hidden", False)
