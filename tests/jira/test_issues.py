"""A look-up while a user waits ends in time; keys that there was no time for are taken as typed, and looked up later."""

from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from flagpost.actions.context import Context
from flagpost.actions.jira import issue_links
from flagpost.errors import InvalidInput
from flagpost.jira.client import JiraUnreachable
from flagpost.jira.issues import IN_THE_BACKGROUND, INTERACTIVE
from flagpost.jira.response import JiraResponse
from flagpost.store.jira import credentials, integrations, issues
from flagpost.store.jira.credentials import NewCredentials
from flagpost.store.jira.integrations import Site
from flagpost.store.jira.issues import Issue
from tests.conftest import AccountFixture


@dataclass
class Jira:
    """A slow Jira that finds no issue in bulk, and some singly. Its time is what passes while it answers."""

    found: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    status: int = 404
    now: float = 1000.0
    asked: list[str] = field(default_factory=list)

    def call(self, method: str, url: str, *, timeout: float | None, **_: Any) -> JiraResponse:
        ref = url.rpartition("/")[2]
        self.asked.append(ref)
        if timeout is not None and self.seconds > timeout:
            self.now += timeout
            raise JiraUnreachable
        self.now += self.seconds
        if ref == "bulkfetch":
            return JiraResponse(200, {"issues": []}, {})
        known: dict[str, Any] = {"id": self.found.get(ref), "key": ref, "fields": {}}
        return JiraResponse(200, known, {}) if ref in self.found else JiraResponse(self.status, None, {})


@pytest.fixture
def jira() -> Jira:
    return Jira()


@pytest.fixture
def ctx(sqlite_ctx: Context, jira: Jira) -> Context:
    return replace(sqlite_ctx, issues=replace(sqlite_ctx.issues, client=cast(Any, jira), now=lambda: jira.now))


@pytest.fixture
def site(ctx: Context, sqlite_account: AccountFixture) -> Site:
    where: dict[str, Any] = {"cloud_id": "cloud", "site_url": "https://team.atlassian.net"}
    api: dict[str, Any] = {
        "api_email": "ada@example.com",
        "api_token": ctx.box.encrypt("token"),
        "api_base_url": where["site_url"],
    }
    new = NewCredentials(**where, client_id="id", client_secret=ctx.box.encrypt("secret"))
    with ctx.db.write() as tx:
        given = credentials.save(tx, sqlite_account.id, new, ctx.clock(), "Ada")
        credentials.update(tx, given.id, **api)
        return integrations.save_site(tx, sqlite_account.id, **where, auth_method="oauth", now=ctx.clock())


def keys(number: int) -> list[str]:
    return [f"PAY-{one}" for one in range(1, number + 1)]


def test_so_many_are_asked_for_singly_and_the_rest_is_taken_as_typed(
    ctx: Context, site: Site, sqlite_account: AccountFixture, jira: Jira
) -> None:
    found = issue_links.look_up_issues(ctx, sqlite_account.admin, keys(30))
    assert len(jira.asked) == 11
    assert [ref for ref, issue in found.items() if issue is None] == keys(10)
    assert {issue.state for issue in found.values() if issue} == {"unchecked"}


def test_a_slow_jira_does_not_hold_a_person_for_longer_than_seconds(
    ctx: Context, site: Site, sqlite_account: AccountFixture, jira: Jira
) -> None:
    jira.seconds, jira.found = 1.5, {"PAY-1": "1"}
    began = jira.now
    found = issue_links.look_up_issues(ctx, sqlite_account.admin, keys(9))
    assert jira.now - began <= 5
    assert [issue.state if issue else None for issue in found.values()] == ["known", None, *["unchecked"] * 7]


def test_a_number_that_there_was_no_time_for_cannot_be_taken_as_typed(
    ctx: Context, site: Site, sqlite_account: AccountFixture, jira: Jira
) -> None:
    with pytest.raises(InvalidInput, match="enter its key"):
        issue_links.look_up_issues(ctx, sqlite_account.admin, [*keys(10), "10011"])


def test_what_there_was_no_time_for_stays_as_it_was(
    ctx: Context, site: Site, sqlite_account: AccountFixture, jira: Jira
) -> None:
    with ctx.db.write() as tx:
        known = [
            issues.save(tx, site.account_id, Issue("", None, key, "", "", "", "", "", "unchecked", None))
            for key in keys(12)
        ]
    ctx.issues.bring_up_to_date(site, known, INTERACTIVE)
    with ctx.db.read() as tx:
        states = [issues.find(tx, site.account_id, key) for key in keys(12)]
    assert [one.state for one in states if one] == ["missing"] * 10 + ["unchecked"] * 2
    assert [one.due_at for one in states if one][-2:] == [0, 0]


def test_in_the_background_everything_is_asked_for(ctx: Context, site: Site, jira: Jira) -> None:
    jira.seconds = 4.0
    assert ctx.issues.look_up(site, keys(30), IN_THE_BACKGROUND).not_asked == frozenset()
    assert len(jira.asked) == 31


@pytest.mark.parametrize("status", [401, 403])
def test_an_api_token_that_is_refused_is_asked_with_no_more(
    ctx: Context, site: Site, sqlite_account: AccountFixture, jira: Jira, status: int
) -> None:
    jira.status = status
    for _ in range(3):
        issue_links.look_up_issues(ctx, sqlite_account.admin, ["PAY-1"])
    assert jira.asked == ["bulkfetch", "PAY-1"]
    with ctx.db.read() as tx:
        given = credentials.of_account(tx, sqlite_account.id)
    assert given is not None
    assert str(status) in str(given.api_refusal)
