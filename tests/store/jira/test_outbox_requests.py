"""Which requests an outbox entry carries, so that the log can name them when it is delivered."""

import pytest
import sqlalchemy as sa
from tests.conftest import AccountFixture

from flagpost.actions.context import Context
from flagpost.store.jira import comparison_candidates, delivery_results, outbox, outbox_requests, resyncs
from flagpost.store.jira.delivery_results import DeliveryResult
from flagpost.store.jira.outbox_requests import CarriedRequests
from flagpost.store.schema import jira
from flagpost.telemetry.logging import as_request

FLAG = "flag"


def change(ctx: Context, account: AccountFixture, request: str | None, flag: str = FLAG) -> None:
    """A change of the flag, for a request or for none."""
    with ctx.db.write() as tx:
        if request is None:
            outbox.enqueue(tx, account.id, "p", flag, flag, ctx.clock())
        else:
            with as_request(request):
                outbox.enqueue(tx, account.id, "p", flag, flag, ctx.clock())


def latest_version(ctx: Context) -> int:
    return entry(ctx).latest_version


def entry(ctx: Context) -> outbox.OutboxEntry:
    with ctx.db.read() as tx:
        found = outbox.find(tx, FLAG)
    assert found
    return found


def deliver(ctx: Context, version: int) -> None:
    with ctx.db.write() as tx:
        delivery_results.record(tx, [DeliveryResult(FLAG, version, True)], ctx.clock())


def carried(ctx: Context, *flags: str) -> CarriedRequests:
    with ctx.db.read() as tx:
        return outbox_requests.carried_by(tx, flags or [FLAG])


def names(ctx: Context) -> list[str]:
    return list(carried(ctx).ids)


def test_changes_that_are_sent_as_one_are_all_named_the_newest_first(ctx: Context, account: AccountFixture) -> None:
    for request in ("one-0001", "two-0002", "one-0001"):
        change(ctx, account, request)
    with ctx.db.write() as tx, as_request("three-0003"):
        outbox.bump_account(tx, account.id, ctx.clock())
    assert names(ctx) == ["three-0003", "one-0001", "two-0002"]


def test_what_was_delivered_is_not_named_again(ctx: Context, account: AccountFixture) -> None:
    change(ctx, account, "one-0001")
    deliver(ctx, latest_version(ctx))
    change(ctx, account, "two-0002")
    assert names(ctx) == ["two-0002"]


def test_what_comes_while_a_request_is_on_its_way_is_named_with_the_next_one(
    ctx: Context, account: AccountFixture
) -> None:
    change(ctx, account, "one-0001")
    sent = latest_version(ctx)
    change(ctx, account, "two-0002")
    deliver(ctx, sent)
    assert entry(ctx).pending
    assert names(ctx) == ["two-0002"]


def test_a_change_that_no_request_made_leaves_those_that_are_named(ctx: Context, account: AccountFixture) -> None:
    change(ctx, account, None)
    assert names(ctx) == []
    change(ctx, account, "one-0001")
    change(ctx, account, None)
    assert names(ctx) == ["one-0001"]
    deliver(ctx, latest_version(ctx))
    change(ctx, account, None)
    assert names(ctx) == []


@pytest.mark.parametrize("length", [8, 16, 63, 64])
def test_of_very_many_requests_the_newest_ten_are_named_each_whole(
    ctx: Context, account: AccountFixture, length: int
) -> None:
    requests = [f"{number:0{length}}" for number in range(150)]
    for request in requests:
        change(ctx, account, request)
    assert carried(ctx) == CarriedRequests(tuple(reversed(requests[-10:])), 140)


def test_a_request_that_changed_many_flags_is_named_once(ctx: Context, account: AccountFixture) -> None:
    for flag in ("a", "b", "c"):
        change(ctx, account, "one-0001", flag)
    change(ctx, account, "two-0002", "c")
    assert carried(ctx, "a", "b") == CarriedRequests(("one-0001",))
    assert sorted(carried(ctx, "a", "b", "c").ids) == ["one-0001", "two-0002"]


def test_a_repair_carries_its_own_request_and_not_that_of_a_change_delivered_before(
    ctx: Context, account: AccountFixture
) -> None:
    change(ctx, account, "change-0001")
    deliver(ctx, latest_version(ctx))
    with ctx.db.write() as tx, as_request("nightly-0002"):
        assert comparison_candidates.repair(tx, entry(ctx), ctx.clock(), may_exist_remotely=True)
    assert names(ctx) == ["nightly-0002"]


def test_a_resync_carries_the_request_that_asked_for_it(ctx: Context, account: AccountFixture) -> None:
    change(ctx, account, "change-0001")
    deliver(ctx, latest_version(ctx))
    with ctx.db.write() as tx, as_request("resync-0002"):
        asked = resyncs.insert(tx, account.id, "it", ctx.clock(), "Ada")
    with ctx.db.write() as tx:  # begun by a delivery, which runs for no request
        resyncs.begin(tx, asked, ctx.clock())
    assert names(ctx) == ["resync-0002"]
    with ctx.db.write() as tx:
        resyncs.cancel(tx, asked, ctx.clock(), "Ada")
    assert names(ctx) == []


def test_a_resync_that_no_request_asked_for_carries_an_id_of_its_own(ctx: Context, account: AccountFixture) -> None:
    change(ctx, account, None)
    with ctx.db.write() as tx:
        asked = resyncs.insert(tx, account.id, "it", ctx.clock(), "Flagpost")
        resyncs.begin(tx, asked, ctx.clock())
    assert names(ctx) == [asked.request_id]


def test_no_row_is_left_once_everything_is_delivered(ctx: Context, account: AccountFixture) -> None:
    for number in range(20):
        change(ctx, account, f"request-{number:04}")
    deliver(ctx, latest_version(ctx))
    with ctx.db.read() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(jira.outbox_requests)) == 0
