"""How things stand, as monitoring reads it, on both stores."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from flagpost.actions import metrics_page
from flagpost.actions.context import Context
from flagpost.store.jira import delivery_results, integrations, outbox
from flagpost.store.jira.delivery_results import DeliveryResult
from flagpost.store.jira.integrations import Site
from flagpost.store.jira.metrics import Queue
from tests.conftest import AccountFixture, Clock

pytestmark = pytest.mark.slow

URL = "https://acme.atlassian.net"


@pytest.fixture
def site(ctx: Context, account: AccountFixture) -> Site:
    with ctx.db.write() as tx:
        return integrations.save_site(tx, account.id, cloud_id="c1", site_url=URL, auth_method="oauth", now=ctx.clock())


def figures(ctx: Context, queue: Queue | None = None) -> dict[tuple[str, ...], float]:
    queue = queue or (Queue(1, 0, 0) if ctx.db.is_sqlite else None)
    families = text_string_to_metric_families(metrics_page.page(ctx, True, queue).decode())
    return {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}


def set_site(ctx: Context, site: Site, **values: object) -> None:
    with ctx.db.write() as tx:
        integrations.update_site(tx, site.id, **values)


def test_what_jira_has_yet_to_hear_of_and_since_when(
    ctx: Context, account: AccountFixture, site: Site, clock: Clock
) -> None:
    for flag in ("a", "b", "c"):
        with ctx.db.write() as tx:
            outbox.enqueue(tx, account.id, "p", flag, flag, clock())
        clock.forward(seconds=30)
    with ctx.db.write() as tx:
        delivery_results.record(tx, [DeliveryResult("a", clock(), True, "no such issue")], clock())
    found = figures(ctx)
    assert found["flagpost_jira_flags_pending", URL] == 2
    assert found["flagpost_jira_oldest_pending_seconds", URL] == 60
    assert found["flagpost_jira_flags_refused", URL] == 1


def test_a_backfill_says_what_is_left_of_it(ctx: Context, account: AccountFixture, site: Site, clock: Clock) -> None:
    with ctx.db.write() as tx:
        outbox.enqueue(tx, account.id, "p", "a", "a", clock())
    assert figures(ctx)["flagpost_jira_resync_remaining", URL] == 0
    set_site(ctx, site, resync_total=5, resync_started_at=clock())
    assert figures(ctx)["flagpost_jira_resync_remaining", URL] == 1
    set_site(ctx, site, resync_finished_at=clock())
    assert figures(ctx)["flagpost_jira_resync_remaining", URL] == 0


@pytest.mark.parametrize(
    ("values", "state"),
    [
        ({"consecutive_failures": 0}, "delivering"),
        ({"paused_until": 2**41}, "paused"),
        ({"paused_until": 1, "quota_resets_at": 1}, "delivering"),
        ({"paused_until": 2**41, "quota_resets_at": 2**41}, "quota_exceeded"),
        ({"quota_resets_at": 2**41, "suspended_reason": "403"}, "suspended"),
        ({"suspended_reason": "403", "disconnected_at": 1}, "disconnected"),
    ],
)
def test_a_site_is_in_one_state_the_one_that_decides(
    ctx: Context, site: Site, values: dict[str, object], state: str
) -> None:
    set_site(ctx, site, **values)
    found = {key[2]: value for key, value in figures(ctx).items() if key[0] == "flagpost_jira_site_state"}
    assert found.pop(state) == 1
    assert set(found.values()) == {0}


def test_the_apps_token_says_when_it_runs_out(ctx: Context, account: AccountFixture, clock: Clock) -> None:
    expires = clock() + 60_000
    with ctx.db.write() as tx:
        integrations.save_installation(
            tx,
            "i1",
            clock(),
            cloud_id="c1",
            api_base_url="https://x",
            system_token=b"x",
            system_token_expires_at=expires,
        )
        integrations.save_site(
            tx, account.id, cloud_id="c1", site_url=URL, auth_method="app", installation_id="i1", now=clock()
        )
    assert figures(ctx)["flagpost_jira_token_expires_timestamp_seconds", URL] == expires / 1000


def test_a_site_that_was_never_told_and_has_no_token_says_neither(ctx: Context, site: Site) -> None:
    names = {key[0] for key in figures(ctx)}
    assert names.isdisjoint(
        {"flagpost_jira_last_success_timestamp_seconds", "flagpost_jira_token_expires_timestamp_seconds"}
    )


def test_the_queue_on_postgresql_is_read_from_it(postgres_url: str, clock: Clock) -> None:
    import sqlalchemy as sa

    from flagpost.store.db import Database
    from tests.conftest import context_on

    database = Database(postgres_url)
    with database.write() as tx:
        tx.execute(sa.text("INSERT INTO flagpost_jobs.procrastinate_workers (last_heartbeat) VALUES (now())"))
        old = "INSERT INTO flagpost_jobs.procrastinate_workers (last_heartbeat) VALUES (now() - interval '1 minute')"
        tx.execute(sa.text(old))
    found = figures(context_on(database, clock))
    assert found["flagpost_queue_workers",] == 1
    assert found["flagpost_queue_jobs", "waiting"] == found["flagpost_queue_jobs", "running"] == 0
    database.close()
