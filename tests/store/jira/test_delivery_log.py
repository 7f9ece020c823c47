"""Deliveries are logged, summed up by the hour, found again, and deleted in time."""

from dataclasses import replace

import pytest
import sqlalchemy as sa
from tests.conftest import AccountFixture, Clock, new_account

from flagpost.actions.context import Context
from flagpost.flags.rollout import FlagState, Rollout, StateKind, StateWords
from flagpost.jira.payload import JiraFlagState
from flagpost.jira.retention import Retention
from flagpost.store.jira import delivery_log, outbox
from flagpost.store.jira.delivery_log import DELETED, HOUR_MS, NOTHING, SENT, TOMBSTONE, Delivered, LogEntry, LogFilter
from flagpost.store.jira.delivery_results import DeliveryResult
from flagpost.store.jira.outbox import OutboxEntry
from flagpost.store.schema.jira import delivery_log as table

ON = FlagState(True, "off", Rollout(percentage=10), StateKind.ON, StateWords("On for 90 %"))


def entry(flag: str, waiting_since: int = 0) -> OutboxEntry:
    return OutboxEntry(flag, "project", f"{flag} flag", 5, 4, True, None, None, waiting_since, None, ["1", "2"])


def delivered(flag: str = "a", action: str = SENT, refused: str | None = None, since: int = 0) -> Delivered:
    sent = JiraFlagState(flag, flag, "Production", "production", ON, "https://x", 0, 5, ("1", "2", "3"))
    return Delivered(
        entry(flag, since), DeliveryResult(flag, 5, True, refused, "trace"), action, sent if action == SENT else None
    )


def write(ctx: Context, account: str, *some: Delivered, at: int | None = None) -> None:
    with ctx.db.write() as tx:
        delivery_log.write(tx, account, some, at or ctx.clock())


def entries(ctx: Context, account: str, only: LogFilter | None = None, **how: object) -> list[LogEntry]:
    with ctx.db.read() as tx:
        after = how.get("after")
        return delivery_log.page(tx, account, only or LogFilter(), after, int(str(how.get("limit", 100))))  # type: ignore[arg-type]


def test_an_entry_says_what_was_sent_and_answered(ctx: Context, account: AccountFixture, clock: Clock) -> None:
    write(ctx, account.id, delivered(since=clock() - 1500))
    (one,) = entries(ctx, account.id)
    assert one == replace(
        one,
        flag_name="a flag",
        at=clock(),
        version=5,
        action="sent",
        outcome="accepted",
        enabled=True,
        default_value="off",
        rollout="On · 10 % off",
        issues=3,
        message="",
        trace_id="trace",
        delay_ms=1500,
    )


def test_deletes_tombstones_and_refusals_are_told_apart(ctx: Context, account: AccountFixture) -> None:
    write(
        ctx,
        account.id,
        delivered("a", DELETED),
        delivered("b", TOMBSTONE, "Would not"),
        delivered("c", SENT, "Bad"),
        delivered("d", NOTHING),
    )
    shown = {
        one.flag_id: (one.action, one.outcome, one.enabled, one.issues, one.message) for one in entries(ctx, account.id)
    }
    assert shown == {
        "a": ("deleted", "accepted", None, 0, ""),
        "b": ("tombstone", "refused", False, 2, "Would not"),
        "c": ("sent", "refused", True, 3, "Bad"),
    }


def test_pages_go_on_where_the_one_before_ended_also_within_one_moment(ctx: Context, account: AccountFixture) -> None:
    write(ctx, account.id, *(delivered(str(number)) for number in range(7)))
    write(ctx, account.id, delivered("last"), at=ctx.clock() + 1)
    seen: list[str] = []
    after = None
    while page := entries(ctx, account.id, after=after, limit=3):
        seen += [one.flag_id for one in page]
        after = (page[-1].at, page[-1].id)
    assert seen == ["last", *(str(number) for number in reversed(range(7)))]


def test_entries_are_found_by_flag_outcome_and_time(ctx: Context, account: AccountFixture, clock: Clock) -> None:
    with ctx.db.write() as tx:
        outbox.enqueue(tx, account.id, "project", "a", "a flag", clock())
    write(ctx, account.id, delivered("a"), delivered("b", refused="No"))
    clock.forward(seconds=10)
    write(ctx, account.id, delivered("a", refused="No"))

    def found(**only: object) -> list[str]:
        return [one.flag_id for one in entries(ctx, account.id, LogFilter(**only))]  # type: ignore[arg-type]

    assert found(flag="a flag") == found(flag="a") == ["a", "a"]
    assert found(flag="unknown") == []
    assert found(outcome="refused") == ["a", "b"]
    assert found(flag="a", outcome="refused", since=clock()) == ["a"]
    assert sorted(found(until=clock())) == ["a", "b"]


def test_the_log_of_another_account_is_not_shown(ctx: Context, account: AccountFixture, clock: Clock) -> None:
    other = new_account(ctx, "Other")
    with ctx.db.write() as tx:
        outbox.enqueue(tx, account.id, "project", "a", "a flag", clock())
    write(ctx, account.id, delivered("a"))
    assert entries(ctx, other.id) == entries(ctx, other.id, LogFilter(flag="a")) == []


def test_hours_are_summed_up(ctx: Context, account: AccountFixture, clock: Clock) -> None:
    write(ctx, account.id, delivered(since=clock() - 1000), delivered("b", refused="No", since=clock() - 3000))
    write(ctx, account.id, delivered(since=clock() - 2000))
    clock.forward(seconds=3600)
    write(ctx, account.id, delivered(since=clock() - 5))
    with ctx.db.read() as tx:
        first, second = delivery_log.hours(tx, account.id, 0)
    assert (first.accepted, first.refused, first.longest_delay_ms, first.average_delay_ms) == (2, 1, 3000, 2000)
    assert (second.deliveries, second.longest_delay_ms, second.hour % HOUR_MS) == (1, 5, 0)


@pytest.mark.slow
def test_what_is_too_old_or_too_much_is_deleted_and_sums_last_longer(
    ctx: Context, account: AccountFixture, clock: Clock
) -> None:
    write(ctx, account.id, *(delivered(str(number)) for number in range(3000)))
    clock.forward(days=31)
    for number in range(15):
        write(ctx, account.id, delivered(str(number)), at=clock() + number)
    keeper = Retention(ctx.db, clock, log_days=30, log_rows=10, sums_days=60)
    keeper.run()
    with ctx.db.read() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(table)) == 10
        assert len(delivery_log.hours(tx, account.id, 0)) == 2
    assert entries(ctx, account.id)[0].flag_id == "14"
    clock.forward(days=59)
    Retention(ctx.db, clock, log_days=90, log_rows=10, sums_days=60).run()
    with ctx.db.read() as tx:
        assert len(delivery_log.hours(tx, account.id, 0)) == 1
