"""The outbox, when several write to it at once."""

import random
import threading
from collections.abc import Callable

import pytest
from tests.conftest import AccountFixture

from flagpost.actions.context import Context
from flagpost.store.jira import outbox

pytestmark = pytest.mark.slow


def test_answers_are_noted_while_everything_is_marked_and_nobody_waits_for_ever(
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
            outbox.record_answers(tx, [outbox.Answer(flag, 10**14 + version, True) for flag in some], version)

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


def test_a_flag_that_was_put_off_is_due_in_time_even_if_the_clock_is_set_back(
    ctx: Context, account: AccountFixture
) -> None:
    now, hour = ctx.clock(), 3_600_000
    with ctx.db.write() as tx:
        outbox.enqueue(tx, account.id, "p", "pay", "pay", now)
        outbox.defer(tx, "pay", now, now + outbox.PUT_OFF_MS, "Jira fails at it")
    with ctx.db.read() as tx:
        due = [bool(outbox.pending(tx, account.id, 10, when)) for when in (now, now + outbox.PUT_OFF_MS, now - hour)]
        assert due == [False, True, True]
        assert outbox.accounts_with_pending(tx, now - hour) == [account.id]


def test_a_deferral_does_not_cover_a_version_newer_than_the_one_that_failed(
    ctx: Context, account: AccountFixture
) -> None:
    now = ctx.clock()
    with ctx.db.write() as tx:
        outbox.enqueue(tx, account.id, "p", "pay", "pay", now)
        outbox.bump(tx, ["pay"], now)
        assert not outbox.defer(tx, "pay", now, now + outbox.PUT_OFF_MS, "Jira fails at it")
        (due,) = outbox.pending(tx, account.id, 10, now)
        assert (due.refused, outbox.defer(tx, "pay", due.wanted, now + 1, "Jira fails at it")) == (None, True)
        assert outbox.pending(tx, account.id, 10, now) == []
        outbox.bump(tx, ["pay"], now)
        assert [one.flag_id for one in outbox.pending(tx, account.id, 10, now)] == ["pay"]
