"""What asks Jira while a person waits keeps Jira's limits, as deliveries do, and says so where it may not ask."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from flagpost.actions.context import Context
from flagpost.actions.jira import configure_page, credentials, diagnostics, integration, status
from flagpost.actions.jira.api_calls import QuotaUsedUp, ask
from flagpost.actions.jira.status import State
from flagpost.actions.projects import projects
from flagpost.errors import JiraError
from flagpost.jira.invocation_token import Invocation
from flagpost.jira.rate_limits import BULK, GET_MYSELF, GET_PERMISSIONS, GET_SITE, RateLimited
from flagpost.jira.response import JiraResponse
from flagpost.store.jira import integrations
from tests.conftest import AccountFixture, Clock

SITE = "https://team.atlassian.net"
QUOTA = JiraResponse(429, None, {"ratelimit-reason": "jira-quota-tenant-based", "retry-after": "1200"})
BURST = JiraResponse(429, None, {"ratelimit-reason": "jira-burst-based", "retry-after": "60"})


class Jira:
    """Answers everything in one way; what it was asked."""

    def __init__(self, real: Any) -> None:
        self._real = real
        self.asked: list[str] = []
        self.answer = JiraResponse(
            200, {"permissions": {"BROWSE_PROJECTS": {"havePermission": True}}, "baseUrl": SITE}, {}
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def call(self, method: str, url: str, **_: Any) -> JiraResponse:
        self.asked.append(url.rpartition("/")[2])
        return self.answer

    def get_public(self, url: str, **_: Any) -> JiraResponse:
        self.asked.append("tenant_info")
        return JiraResponse(200, {"cloudId": "cloud"}, {})

    def oauth_token(self, client_id: str, client_secret: str) -> JiraResponse:
        return JiraResponse(200, {"access_token": "token", "expires_in": 900}, {})


@pytest.fixture
def jira(sqlite_ctx: Context) -> Jira:
    return Jira(sqlite_ctx.jira)


@pytest.fixture
def ctx(sqlite_ctx: Context, jira: Jira) -> Context:
    stand_in: Any = jira
    found = replace(sqlite_ctx, jira=stand_in, issues=replace(sqlite_ctx.issues, client=stand_in))
    found.keyring.tokens._client = jira  # type: ignore[assignment]
    return found


@pytest.fixture
def connected(ctx: Context, sqlite_account: AccountFixture, jira: Jira) -> AccountFixture:
    """An account whose site is connected with credentials and an API token."""
    projects.create_project(ctx, sqlite_account.admin, "Shop")
    integration.set_up_integration(ctx, sqlite_account.admin, [("Shop", "Production")])
    connect(ctx, sqlite_account)
    credentials.set_api_token(ctx, sqlite_account.admin, email="ada@example.com", token="token")
    jira.asked.clear()
    return sqlite_account


def connect(ctx: Context, account: AccountFixture) -> Any:
    secret = {"client_id": "id", "client_secret": "secret"}
    return credentials.connect_with_credentials(ctx, account.admin, site=SITE, **secret)


def set_token(ctx: Context, account: AccountFixture) -> Any:
    return credentials.set_api_token(ctx, account.admin, email="ada@example.com", token="token")


def silence(ctx: Context, account: AccountFixture, minutes: int = 20) -> None:
    with ctx.db.write() as tx:
        site = integrations.site_of_account(tx, account.id)
        assert site is not None
        integrations.update_site(tx, site.id, quota_resets_at=ctx.clock() + minutes * 60_000)


def ask_who_i_am(ctx: Context) -> JiraResponse:
    return ask(ctx, "cloud", "pool", GET_MYSELF, f"{SITE}/rest/api/3/myself", authorization="")


def close_every_endpoint(ctx: Context) -> None:
    for endpoint in (BULK, GET_MYSELF, GET_PERMISSIONS, GET_SITE):
        ctx.issues.limiter.observe("cloud", endpoint, BURST)


@pytest.mark.parametrize("question", [connect, set_token])
def test_a_site_that_asked_for_silence_is_not_asked_and_the_person_reads_until_when(
    ctx: Context, connected: AccountFixture, jira: Jira, question: Callable[[Context, AccountFixture], Any]
) -> None:
    silence(ctx, connected)
    with pytest.raises(QuotaUsedUp, match=r"quota of requests is used up.*in 20 minutes; “Resync”"):
        question(ctx, connected)
    assert set(jira.asked) <= {"tenant_info"}


@pytest.mark.parametrize("question", [connect, set_token])
def test_an_endpoint_that_is_closed_is_not_asked(
    ctx: Context, connected: AccountFixture, jira: Jira, question: Callable[[Context, AccountFixture], Any]
) -> None:
    close_every_endpoint(ctx)
    with pytest.raises(RateLimited):
        question(ctx, connected)
    assert set(jira.asked) <= {"tenant_info"}


def test_a_quota_that_shows_while_a_person_waits_silences_everything_else(
    ctx: Context, connected: AccountFixture, jira: Jira, clock: Clock
) -> None:
    jira.answer = QUOTA
    with pytest.raises(JiraError):
        set_token(ctx, connected)
    found = status.get_integration(ctx, connected.admin)
    assert found.site is not None
    assert found.site.quota_resets_at == clock.now + 1_200_000
    assert found.state is State.NEEDS_ATTENTION
    assert "in 20 minutes" in found.reason
    with pytest.raises(QuotaUsedUp):
        ask_who_i_am(ctx)
    clock.forward(seconds=1200)
    assert status.get_integration(ctx, connected.admin).state is State.CONNECTED


def test_sending_everything_again_breaks_the_silence(ctx: Context, connected: AccountFixture) -> None:
    silence(ctx, connected)
    integration.resync_all(ctx, connected.admin)
    assert ask_who_i_am(ctx).ok
    assert status.get_integration(ctx, connected.admin).state is State.CONNECTED


def test_the_check_asks_nothing_of_a_site_that_asked_for_silence(
    ctx: Context, connected: AccountFixture, jira: Jira
) -> None:
    silence(ctx, connected)
    said = {one.text: one for one in diagnostics.check_integration(ctx, connected.admin)}
    assert jira.asked == []
    assert any("nothing may be asked" in text and "in 20 minutes" in one.to_do for text, one in said.items())


def test_the_check_says_what_it_could_not_look_at_for_jiras_limits(
    ctx: Context, connected: AccountFixture, jira: Jira
) -> None:
    close_every_endpoint(ctx)
    said = [one for one in diagnostics.check_integration(ctx, connected.admin) if "was not looked at" in one.text]
    assert jira.asked == ["tenant_info"]
    assert [one.verdict for one in said] == ["advice", "advice"]


def withdraw_the_token(jira: Jira) -> list[str]:
    """Jira takes the next token only; with what it was asked."""
    proofs: list[str] = []
    numbers = iter(range(100))

    def call(method: str, url: str, *, authorization: str, **_: Any) -> JiraResponse:
        if url.endswith("/bulk"):
            proofs.append(authorization)
        return JiraResponse(401, None, {}) if authorization == "Bearer token" else jira.answer

    jira.call = call  # type: ignore[method-assign, assignment]
    jira.oauth_token = lambda *_: JiraResponse(200, {"access_token": f"new{next(numbers)}"}, {})  # type: ignore[method-assign]
    return proofs


@pytest.mark.parametrize("question", [connect, lambda ctx, account: diagnostics.check_integration(ctx, account.admin)])
def test_a_token_that_jira_has_withdrawn_is_fetched_anew_before_the_permission_is_blamed(
    ctx: Context, connected: AccountFixture, jira: Jira, question: Callable[[Context, AccountFixture], Any]
) -> None:
    proofs = withdraw_the_token(jira)
    question(ctx, connected)
    assert proofs == ["Bearer token", "Bearer new0"]


@pytest.mark.parametrize("asked", [True, False])
def test_a_call_without_the_sites_address_has_it_asked_for_within_the_limits(
    ctx: Context, sqlite_account: AccountFixture, jira: Jira, asked: bool
) -> None:
    projects.create_project(ctx, sqlite_account.admin, "Shop")
    token = integration.set_up_integration(ctx, sqlite_account.admin, [("Shop", "Production")]).secret
    if not asked:
        close_every_endpoint(ctx)
    call = Invocation("installation", "cloud", f"{SITE}/api", None, None, None)
    configure_page.configure(ctx, call, token, "system-token")
    found = status.get_integration(ctx, sqlite_account.admin)
    assert found.site is not None
    assert (jira.asked, found.site.site_url) == ((["serverInfo"], SITE) if asked else ([], "site cloud"))
