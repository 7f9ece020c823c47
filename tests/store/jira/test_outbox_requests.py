"""Which requests a push names as those whose changes it carries."""

import pytest
from tests.conftest import AccountFixture

from flagpost.actions.context import Context
from flagpost.store.jira import outbox
from flagpost.telemetry.logging import as_request

FLAG = "flag"


def raised(ctx: Context, account: AccountFixture, request: str | None) -> None:
    """A change of the flag, for a request or for none."""
    with ctx.db.write() as tx:
        if request is None:
            outbox.enqueue(tx, account.id, "p", FLAG, FLAG, ctx.clock())
        else:
            with as_request(request):
                outbox.enqueue(tx, account.id, "p", FLAG, FLAG, ctx.clock())


def push(ctx: Context) -> outbox.OutboxEntry:
    with ctx.db.read() as tx:
        found = outbox.find(tx, FLAG)
    assert found
    return found


def delivered(ctx: Context, version: int) -> None:
    with ctx.db.write() as tx:
        outbox.record_answers(tx, [outbox.Answer(FLAG, version, True)], ctx.clock())


def test_changes_that_are_sent_as_one_are_all_named_in_their_order(ctx: Context, account: AccountFixture) -> None:
    for request in ("one-0001", "two-0002", "one-0001"):
        raised(ctx, account, request)
    with ctx.db.write() as tx, as_request("three-0003"):
        outbox.bump_account(tx, account.id, ctx.clock())
    assert push(ctx).requests == ["one-0001", "two-0002", "one-0001", "three-0003"]


def test_what_has_arrived_is_not_named_again(ctx: Context, account: AccountFixture) -> None:
    raised(ctx, account, "one-0001")
    delivered(ctx, push(ctx).wanted)
    raised(ctx, account, "two-0002")
    assert push(ctx).requests == ["two-0002"]


def test_what_comes_while_a_request_is_on_its_way_is_still_named(ctx: Context, account: AccountFixture) -> None:
    raised(ctx, account, "one-0001")
    sent = push(ctx).wanted
    raised(ctx, account, "two-0002")
    delivered(ctx, sent)
    assert push(ctx).waiting
    assert "two-0002" in push(ctx).requests


def test_a_change_that_no_request_made_leaves_those_that_are_named(ctx: Context, account: AccountFixture) -> None:
    raised(ctx, account, None)
    assert push(ctx).requests == []
    raised(ctx, account, "one-0001")
    raised(ctx, account, None)
    assert push(ctx).requests == ["one-0001"]
    delivered(ctx, push(ctx).wanted)
    raised(ctx, account, None)
    assert push(ctx).requests == []


@pytest.mark.parametrize("length", [8, 16, 63, 64])
def test_of_very_many_requests_the_last_are_named_each_whole(
    ctx: Context, account: AccountFixture, length: int
) -> None:
    requests = [f"{number:0{length}}" for number in range(150)]
    for request in requests:
        raised(ctx, account, request)
    found = push(ctx).requests
    assert len(found) >= 14
    assert found == requests[-len(found) :]
