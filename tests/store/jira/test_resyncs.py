"""A resync is rows: counted, cancelled without losing a change, and replaced by a newer one."""

from dataclasses import dataclass

import pytest
import sqlalchemy as sa
from tests.conftest import AccountFixture, Clock

from flagpost.actions.context import Context
from flagpost.store.jira import delivery_results, outbox, resyncs
from flagpost.store.jira.delivery_results import DeliveryResult
from flagpost.store.jira.resyncs import Progress, Resync
from flagpost.store.schema.jira import outbox_entries

PROJECT = "project-1"


@dataclass
class Outbox:
    """The outbox of an account with a few flags that were delivered."""

    ctx: Context
    account: str
    clock: Clock

    def add(self, *flags: str, project: str = PROJECT) -> None:
        with self.ctx.db.write() as tx:
            for flag in flags:
                outbox.enqueue(tx, self.account, project, flag, flag, self.clock())
            outbox.mark_may_exist_remotely(tx, flags)
        self.answer(*flags)

    def answer(self, *flags: str, version: int | None = None) -> None:
        with self.ctx.db.write() as tx:
            answers = [DeliveryResult(flag, version or self.row(flag).latest_version, True) for flag in flags]
            delivery_results.record(tx, answers, self.clock())
            resyncs.end_finished(tx, self.account, self.clock())

    def change(self, flag: str) -> None:
        with self.ctx.db.write() as tx:
            outbox.bump(tx, [flag], self.clock())

    def row(self, flag: str) -> outbox.OutboxEntry:
        with self.ctx.db.read() as tx:
            found = outbox.find(tx, flag)
        assert found
        return found

    def begin(self, scope: str = resyncs.SITE, **of: str) -> Resync:
        with self.ctx.db.write() as tx:
            asked = resyncs.insert(tx, self.account, "it", self.clock(), "Ada", scope, **of)
            resyncs.begin(tx, asked, self.clock())
        return asked

    def cancel(self, one: Resync) -> int:
        with self.ctx.db.write() as tx:
            return resyncs.cancel(tx, one, self.clock(), "Ada")

    def progress(self, one: Resync) -> Progress:
        with self.ctx.db.read() as tx:
            found = resyncs.find(tx, self.account, one.id)
            assert found
            return resyncs.progress(tx, found, self.clock())

    def pending(self) -> list[str]:
        with self.ctx.db.read() as tx:
            return sorted(entry.flag_id for entry in outbox.pending(tx, self.account, 100))


@pytest.fixture
def box(ctx: Context, account: AccountFixture, clock: Clock) -> Outbox:
    found = Outbox(ctx, account.id, clock)
    found.add("a", "b", "c")
    found.add("far", project="project-2")
    return found


def test_it_covers_the_site_a_project_or_a_flag_and_counts_what_is_left(box: Outbox) -> None:
    assert box.progress(box.begin(resyncs.FLAG, project_id=PROJECT, flag_id="a")).left == 1
    assert box.pending() == ["a"]
    whole = box.begin(resyncs.PROJECT, project_id=PROJECT)
    assert box.pending() == ["a", "b", "c"]
    box.answer("a", "b")
    assert (box.progress(whole).done, box.progress(whole).left) == (2, 1)
    box.answer("c")
    assert box.progress(whole).resync.outcome == "finished"
    assert box.progress(box.begin()).resync.total == 4


def test_the_answer_to_an_older_version_does_not_count(box: Outbox) -> None:
    box.change("a")
    older = box.row("a").latest_version
    one = box.begin()
    box.answer("a", version=older)
    assert box.progress(one).left == 4
    box.answer("a")
    assert box.progress(one).left == 3


def test_cancelling_leaves_every_pending_change(box: Outbox) -> None:
    box.change("a")  # before
    one = box.begin()
    box.change("b")  # meanwhile
    assert box.cancel(one) == 2
    assert box.pending() == ["a", "b"]
    assert box.progress(one).resync.outcome == "cancelled"


def test_no_version_goes_back_by_cancelling(box: Outbox) -> None:
    one = box.begin()
    sent = box.row("c").latest_version
    box.cancel(one)
    box.change("c")
    assert box.row("c").latest_version > sent


def test_what_jira_never_held_is_sent_all_the_same(box: Outbox) -> None:
    with box.ctx.db.write() as tx:
        outbox.forget_remote_flags(tx, box.account)
    assert box.cancel(box.begin()) == 0
    assert box.pending() == ["a", "b", "c", "far"]


def test_an_answer_that_comes_after_cancelling_is_noted(box: Outbox) -> None:
    one = box.begin()
    sent = box.row("a").latest_version
    box.cancel(one)
    with box.ctx.db.write() as tx:
        delivery_results.record(tx, [DeliveryResult("a", sent, True, "No")], box.clock())
    assert box.row("a").refusal == "No"


def test_a_newer_one_takes_over_what_is_left_and_can_be_cancelled_in_its_place(box: Outbox) -> None:
    first = box.begin()
    box.answer("a")
    second = box.begin()
    assert (box.progress(first).resync.outcome, box.progress(second).left) == ("replaced", 4)
    assert box.cancel(second) == 4
    assert box.pending() == []


def test_a_smaller_one_takes_its_part_and_leaves_the_larger_one_the_rest(box: Outbox) -> None:
    large = box.begin()
    small = box.begin(resyncs.FLAG, project_id=PROJECT, flag_id="a")
    assert (box.progress(large).left, box.progress(small).left) == (3, 1)
    box.answer("b", "c", "far")
    assert box.progress(large).resync.outcome == "finished"
    assert box.progress(small).running


def test_one_that_covers_nothing_is_over_at_once(box: Outbox) -> None:
    one = box.begin(resyncs.PROJECT, project_id="project-without-flags")
    assert (box.progress(one).resync.outcome, box.progress(one).resync.total) == ("finished", 0)


def test_only_the_newest_are_kept_and_none_that_runs_is_deleted(box: Outbox, clock: Clock) -> None:
    first = box.begin(resyncs.FLAG, project_id=PROJECT, flag_id="a")
    for _ in range(resyncs.KEPT + 5):
        clock.forward(seconds=1)
        box.begin(resyncs.PROJECT, project_id="project-without-flags")
    with box.ctx.db.write() as tx:
        resyncs.delete_older(tx, box.account)
        kept = resyncs.latest(tx, box.account, 1000)
    assert (len(kept), kept[-1].id) == (resyncs.KEPT + 1, first.id)


def test_ending_all_leaves_no_row_behind(box: Outbox) -> None:
    one = box.begin()
    with box.ctx.db.write() as tx:
        resyncs.end_all(tx, box.account, box.clock(), "Ada")
    assert not box.progress(one).running
    with box.ctx.db.read() as tx:
        assert tx.scalar(sa.select(sa.func.count()).where(outbox_entries.c.resync_id.is_not(None))) == 0
    assert box.pending() == ["a", "b", "c", "far"]
