"""What an answer means for a site: how long it is left alone, and what a person reads of it."""

from datetime import UTC, datetime

import pytest

from flagpost.actions.context import Context
from flagpost.jira.response import JiraResponse
from flagpost.store.jira import integrations
from flagpost.store.jira.integrations import Site
from tests.conftest import AccountFixture, Clock

QUOTA = {"ratelimit-reason": "jira-quota-tenant-based"}
MINUTE = 60_000


@pytest.fixture
def site(sqlite_ctx: Context, sqlite_account: AccountFixture) -> Site:
    where = {"cloud_id": "cloud", "site_url": "https://team.atlassian.net", "auth_method": "oauth"}
    with sqlite_ctx.db.write() as tx:
        return integrations.save_site(tx, sqlite_account.id, **where, now=sqlite_ctx.clock())


def iso(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat()


def latest(ctx: Context, site: Site) -> Site:
    with ctx.db.read() as tx:
        found = integrations.site_of_account(tx, site.account_id)
    assert found is not None
    return found


def quiet_for(ctx: Context, site: Site, **headers: str) -> float:
    """Minutes of silence after a quota's answer with these headers."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    ctx.issues.failure_policy.respect_quota(site, JiraResponse(429, None, QUOTA | named))
    return ((latest(ctx, site).quota_resets_at or 0) - ctx.clock()) / MINUTE


def test_a_reset_within_the_hour_is_believed(sqlite_ctx: Context, site: Site, clock: Clock) -> None:
    assert quiet_for(sqlite_ctx, site, x_ratelimit_reset=iso(clock.now + 20 * MINUTE)) == 20
    assert quiet_for(sqlite_ctx, site, x_ratelimit_reset=iso(clock.now + 20 * MINUTE)[:-6]) == 20  # UTC is meant
    assert quiet_for(sqlite_ctx, site, x_ratelimit_reset=iso(clock.now + 20 * MINUTE), retry_after="1800") == 30
    assert 0 < quiet_for(sqlite_ctx, site) <= 60


@pytest.mark.parametrize("ago", [0, 1000, 400 * 86_400_000])
def test_a_reset_that_is_over_is_not_believed(sqlite_ctx: Context, site: Site, clock: Clock, ago: int) -> None:
    assert quiet_for(sqlite_ctx, site, x_ratelimit_reset=iso(clock.now - ago)) == 1
    assert quiet_for(sqlite_ctx, site, x_ratelimit_reset=iso(clock.now - ago), retry_after="120") == 2


@pytest.mark.parametrize(
    "headers",
    [
        {"x_ratelimit_reset": "9999-12-31T23:59:59Z"},
        {"retry_after": "99999999"},
        {"retry_after": "9" * 40},
        {"retry_after": "Fri, 31 Dec 9999 23:59:59 GMT"},
    ],
)
def test_a_reset_that_is_absurdly_far_is_not_believed(sqlite_ctx: Context, site: Site, headers: dict[str, str]) -> None:
    assert quiet_for(sqlite_ctx, site, **headers) == 65


def test_a_person_can_have_everything_sent_all_the_same(sqlite_ctx: Context, site: Site, clock: Clock) -> None:
    quiet_for(sqlite_ctx, site, retry_after="1800")
    assert not latest(sqlite_ctx, site).may_deliver(clock.now)
    with sqlite_ctx.db.write() as tx:
        integrations.request_resync(tx, site.id, clock.now)
    assert latest(sqlite_ctx, site).may_deliver(clock.now)


@pytest.mark.parametrize("path", ["/_edge/tenant_info", "/rest/api/3/issue/bulkfetch?fields=a", ""])
def test_a_site_that_moved_is_named_without_the_path_that_was_asked_for(
    sqlite_ctx: Context, site: Site, path: str
) -> None:
    answer = JiraResponse(302, None, {"location": f"https://renamed.atlassian.net{path}"})
    sqlite_ctx.issues.failure_policy.note_move(site, answer)
    assert latest(sqlite_ctx, site).moved_to == "https://renamed.atlassian.net"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7),
        ("Wed, 21 Oct 2026 07:28:30 GMT", 30),
        ("Wed, 21 Oct 2026 07:27:00 GMT", 0),
        ("soon", None),
        ("²", None),
        ("-1", None),
        ("", None),
    ],
)
def test_how_long_to_wait_may_be_said_in_seconds_or_as_a_date(value: str, seconds: int | None) -> None:
    headers = {"retry-after": value, "date": "Wed, 21 Oct 2026 07:28:00 GMT"}
    assert JiraResponse(503, None, headers).retry_after == seconds


def test_a_pause_takes_as_long_as_it_was_to_take_when_the_clock_is_set_back_meanwhile(
    sqlite_ctx: Context, site: Site, clock: Clock
) -> None:
    sqlite_ctx.issues.failure_policy.back_off(site, "Jira is away", 120)
    assert not latest(sqlite_ctx, site).pause_began_in_future(clock.now)
    clock.forward(seconds=-3600)
    assert latest(sqlite_ctx, site).pause_began_in_future(clock.now)
    sqlite_ctx.issues.failure_policy.rebase_pause(latest(sqlite_ctx, site))
    paused = latest(sqlite_ctx, site)
    assert not paused.pause_began_in_future(clock.now)
    assert paused.paused_until == clock.now + 120_000
    clock.forward(seconds=120)
    assert paused.may_deliver(clock.now)
