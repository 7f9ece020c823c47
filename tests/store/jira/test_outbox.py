"""The outbox, when several write to it at once."""

import random
import threading
from collections.abc import Callable

import pytest
from tests.conftest import AccountFixture

from flagpost.actions.context import Context
from flagpost.store.jira import delivery_results, outbox
from flagpost.store.jira.delivery_results import DeliveryResult

pytestmark = pytest.mark.slow


def test_results_are_recorded_while_every_version_is_raised_without_a_deadlock(
    ctx: Context, account: AccountFixture
) -> None:
    """On PostgreSQL two that lock the same rows in different orders would be a deadlock, which ends one of them."""
    flags = [f"flag{number:03}" for number in range(300)]
    with ctx.db.write() as tx:
        for flag in flags:
            outbox.enqueue(tx, account.id, "p", flag, flag, 1)
    failed: list[BaseException] = []

    def note(version: int) -> None:
        some = random.Random(version).sample(flags, 100)
        with ctx.db.write() as tx:
            delivery_results.record(tx, [DeliveryResult(flag, 10**14 + version, True) for flag in some], version)

    def mark(_: int) -> None:
        with ctx.db.write() as tx:
            outbox.bump_account(tx, account.id, 5)

    def over_and_over(what: Callable[[int], None]) -> None:
        for number in range(60):
            try:
                what(number)
            except Exception as error:
                failed.append(error)

    threads = [threading.Thread(target=over_and_over, args=(what,)) for what in (note, mark, note)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def entry(ctx: Context, flag: str = "pay") -> outbox.OutboxEntry:
    with ctx.db.read() as tx:
        found = outbox.find(tx, flag)
    assert found
    return found


def defer(ctx: Context, failed: outbox.OutboxEntry) -> bool:
    with ctx.db.write() as tx:
        return outbox.defer(tx, failed, ctx.clock(), "Jira fails at it")


def due(ctx: Context, account: AccountFixture, now: int) -> list[str]:
    with ctx.db.read() as tx:
        return [one.flag_id for one in outbox.pending(tx, account.id, 10, now)]


def test_a_deferred_flag_is_due_in_time_even_if_the_clock_is_set_back(ctx: Context, account: AccountFixture) -> None:
    now, hour = ctx.clock(), 3_600_000
    with ctx.db.write() as tx:
        outbox.enqueue(tx, account.id, "p", "pay", "pay", now)
    assert defer(ctx, entry(ctx))
    found = [due(ctx, account, when) for when in (now, now + outbox.LONGEST_DEFERRAL_MS, now - hour)]
    assert found == [[], ["pay"], ["pay"]]
    with ctx.db.read() as tx:
        assert outbox.accounts_with_pending(tx, now - hour) == [account.id]


def test_a_deferral_does_not_cover_a_version_newer_than_the_one_that_failed(
    ctx: Context, account: AccountFixture
) -> None:
    now = ctx.clock()
    with ctx.db.write() as tx:
        outbox.enqueue(tx, account.id, "p", "pay", "pay", now)
    failed = entry(ctx)
    with ctx.db.write() as tx:
        outbox.bump(tx, ["pay"], now)
    assert not defer(ctx, failed)
    assert (due(ctx, account, now), entry(ctx).refusal) == (["pay"], None)
    assert defer(ctx, entry(ctx))
    assert due(ctx, account, now) == []
    with ctx.db.write() as tx:
        outbox.bump(tx, ["pay"], now)
    assert (due(ctx, account, now), entry(ctx).failed_attempts) == (["pay"], 0)


def test_each_deferral_of_a_version_is_longer_up_to_the_longest_rest_of_a_site(
    ctx: Context, account: AccountFixture
) -> None:
    with ctx.db.write() as tx:
        outbox.enqueue(tx, account.id, "p", "pay", "pay", ctx.clock())
    seconds = []
    for _ in range(8):
        assert defer(ctx, entry(ctx))
        seconds.append(((entry(ctx).deferred_until or 0) - ctx.clock()) / 1000)
    assert seconds == [15, 30, 60, 120, 240, 300, 300, 300]
