"""The impression buffer stores what it acknowledges, from many threads and processes, in bounded memory."""

import threading
from collections.abc import Iterator
from unittest.mock import patch

import pytest
import sqlalchemy as sa

from flagpost.errors import DatabaseUnavailable, Unavailable
from flagpost.serving import impression_buffer as serving
from flagpost.serving.impression_buffer import ImpressionBuffer
from flagpost.serving.impressions import COUNTS, SummedImpressions, sum_counts
from flagpost.store.flags import impressions
from flagpost.store.flags.impressions import DAY_MS, HOUR_MS, MAX_TREATMENTS, UNKNOWN, RecentImpression, Sum
from flagpost.store.schema.core import impression_sums, treatments_served
from flagpost.telemetry.metrics import REGISTRY
from tests.conftest import Clock
from tests.serving.conftest import Shop

pytestmark = pytest.mark.slow


def buffer_of(shop: Shop) -> ImpressionBuffer:
    """A buffer that writes only when the test flushes it."""
    return ImpressionBuffer(shop.ctx.db, shop.ctx.clock, 90)


def sent(shop: Shop, flag: str, treatment: str = "on", count: int = 1, hours_ago: int = 0) -> SummedImpressions:
    now = shop.ctx.clock() - hours_ago * HOUR_MS
    return SummedImpressions({(flag, treatment, now // HOUR_MS * HOUR_MS): Sum(count, now, now)})


def counted() -> list[float]:
    """The metrics of impressions that were stored, and of those of unknown flags."""
    found = [
        REGISTRY.get_sample_value("flagpost_impressions_total", {"outcome": "kept"}),
        REGISTRY.get_sample_value("flagpost_impressions_dropped_total", {"reason": "flag"}),
    ]
    return [value or 0 for value in found]


@pytest.fixture
def running(shop: Shop) -> Iterator[ImpressionBuffer]:
    one = buffer_of(shop)
    one.start()
    yield one
    one.stop()


def test_submitted_impressions_are_stored_when_their_future_is_done(shop: Shop, running: ImpressionBuffer) -> None:
    flag = shop.add_flag("pay")
    for count in (3, 4):
        running.submit(shop.production, sent(shop, "pay", count=count), 100).result(20)
    assert shop.sums(flag) == {"on": 7}
    assert shop.sums(flag, shop.staging) == {}


def test_nothing_is_lost_between_threads_and_processes(shop: Shop) -> None:
    """Two buffers stand for two processes. Each thread's sum is known, and all add to the same rows."""
    names = [f"flag{number}" for number in range(8)]
    made = {name: shop.add_flag(name) for name in names}
    buffers = [buffer_of(shop), buffer_of(shop)]
    for one in buffers:
        one.start()

    def work(one: ImpressionBuffer, shift: int) -> None:
        for number in range(200):
            name = names[(number * (shift + 1)) % 8]
            if number % 2:
                one.record(shop.production, name, "off")
            else:
                one.submit(shop.production, sent(shop, name), 10)

    threads = [threading.Thread(target=work, args=(one, shift)) for one in buffers for shift in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in buffers:
        one.stop()
    total = [shop.sums(flag) for flag in made.values()]
    assert sum(one.get("on", 0) for one in total) == 800
    assert sum(one.get("off", 0) for one in total) == 800


def test_stopping_writes_what_is_in_memory_and_accepts_nothing_afterwards(shop: Shop) -> None:
    flag = shop.add_flag("pay")
    one = buffer_of(shop)
    one.start()
    done = one.submit(shop.production, sent(shop, "pay"), 10)
    one.record(shop.production, "pay", "on", 2)
    one.stop()
    assert done.done()
    assert shop.sums(flag) == {"on": 3}
    with pytest.raises(Unavailable):
        one.submit(shop.production, sent(shop, "pay"), 10)


def test_while_the_database_is_away_senders_get_an_error_and_recorded_counts_are_written_later(shop: Shop) -> None:
    flag = shop.add_flag("pay")
    one = buffer_of(shop)
    done = one.submit(shop.production, sent(shop, "pay"), 10)
    one.record(shop.production, "pay", "off", 5)
    away = DatabaseUnavailable()
    with patch.object(impressions, "add", side_effect=away):
        one.flush()
    assert isinstance(done.exception(0), Unavailable)
    one.flush()
    assert shop.sums(flag) == {"off": 5}


def test_no_failure_ends_the_writing_thread(shop: Shop, running: ImpressionBuffer) -> None:
    flag = shop.add_flag("pay")
    with patch.object(impressions, "add", side_effect=ValueError("surprise")):
        assert running.submit(shop.production, sent(shop, "pay"), 10).exception(20)
    running.submit(shop.production, sent(shop, "pay"), 10).result(20)
    assert shop.sums(flag) == {"on": 1}


def test_only_impressions_of_flags_outside_the_project_are_dropped(shop: Shop) -> None:
    flag = shop.add_flag("pay")
    one = buffer_of(shop)
    before = counted()
    one.submit(shop.production, sent(shop, "elsewhere", count=9), 10)
    one.submit("no such environment", sent(shop, "pay", count=9), 10)
    one.submit(shop.production, sent(shop, "pay"), 10)
    one.flush()
    assert shop.sums(flag) == {"on": 1}
    assert [after - then for after, then in zip(counted(), before, strict=True)] == [1, 18]
    with shop.ctx.db.read() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(impression_sums)) == 1
    with patch.object(serving.log, "warning") as warned:
        one._log_dropped()
        one._log_dropped()
    warned.assert_called_once_with("impressions.dropped", flag=18)


def test_invented_treatments_do_not_fill_the_table(shop: Shop) -> None:
    flag = shop.add_flag("pay")
    one = buffer_of(shop)
    for number in range(60):
        one.submit(shop.production, sent(shop, "pay", f"t{number:02}", hours_ago=number % 2), 10)
    one.flush()
    one.submit(shop.production, sent(shop, "pay", "later"), 10)
    one.submit(shop.production, sent(shop, "pay", "t00"), 10)
    one.flush()
    found = shop.sums(flag)
    assert sum(found.values()) == 62
    assert len(found) == MAX_TREATMENTS + 1
    assert found[UNKNOWN] == 60 - MAX_TREATMENTS + 1


def test_memory_is_bounded_and_one_environment_cannot_use_all_of_it(shop: Shop) -> None:
    with patch.multiple(serving, _MAX_SUMS_OF_ENVIRONMENT=3, _MAX_SUMS=5, _MAX_BYTES=1000):
        one = buffer_of(shop)
        for name in ("a", "b", "c"):
            one.submit(shop.production, sent(shop, name), 10)
        with pytest.raises(Unavailable, match="again"):
            one.submit(shop.production, sent(shop, "d"), 10)
        one.submit(shop.production, sent(shop, "a"), 10)  # no new sum
        one.submit(shop.staging, sent(shop, "d"), 10)
        one.record(shop.production, "e", "on", 7)
        assert one._dropped == {"room": 7}
        with pytest.raises(Unavailable):
            one.submit(shop.staging, sent(shop, "d"), 990)
        one.flush()
        one.submit(shop.production, sent(shop, "d"), 990)


def test_many_flags_in_one_request_are_all_found(shop: Shop) -> None:
    first, last = shop.add_flag("a-first"), shop.add_flag("zz-last")
    now = shop.ctx.clock()
    names = ["a-first", *(f"unknown{number}" for number in range(1200)), "zz-last"]
    body = {"pf": [{"f": name, "m": now // HOUR_MS * HOUR_MS, "rc": 2} for name in names]}
    one = buffer_of(shop)
    one.submit(shop.production, sum_counts(COUNTS.convert(body), now), 10)
    one.flush()
    assert shop.sums(first) == shop.sums(last) == {UNKNOWN: 2}


def test_the_time_of_the_last_traffic_only_moves_forward(shop: Shop, clock: Clock) -> None:
    flag = shop.add_flag("pay")
    one = buffer_of(shop)
    start = clock()
    for hours in (2, 5, 3):
        one.submit(shop.production, sent(shop, "pay", hours_ago=hours), 10)
        one.flush()
    with shop.ctx.db.read() as tx:
        assert impressions.last_traffic(tx, flag.id) == {shop.production: start - 2 * HOUR_MS}
        first: int | None = tx.scalar(sa.select(treatments_served.c.first_at))
    assert first == start - 5 * HOUR_MS


def test_a_live_tail_has_the_newest_impressions_of_watched_flags_from_any_process_for_minutes(
    shop: Shop, clock: Clock
) -> None:
    pay, other = shop.add_flag("pay"), shop.add_flag("other")
    one, two = buffer_of(shop), buffer_of(shop)
    assert not one.is_watched(shop.production, "pay")
    with shop.ctx.db.write() as tx:
        impressions.watch(tx, shop.production, pay.id, clock() + 10_000)
    for process in (one, two):
        process._load_watched()
        assert process.is_watched(shop.production, "pay")
        assert not process.is_watched(shop.staging, "pay")
        for number in range(150):
            process.sample(shop.production, "pay", RecentImpression(f"key{number}", "on", "default rule", clock()))
        process.sample(shop.production, "other", RecentImpression("not watched", "on", "", clock()))
        process.flush()
    with shop.ctx.db.read() as tx:
        shown = impressions.recent(tx, shop.production, pay.id, 0, 1000)
        assert len(shown) == 200
        assert [item.key for item in shown[:2]] == ["key149", "key148"]
        assert impressions.recent(tx, shop.production, other.id, 0, 10) == []
        assert impressions.recent(tx, shop.production, pay.id, clock() + 1, 10) == []
    clock.forward(seconds=600)
    one._load_watched()
    assert not one.is_watched(shop.production, "pay")
    one._delete_recent()
    with shop.ctx.db.read() as tx:
        assert impressions.recent(tx, shop.production, pay.id, 0, 10) == []


def test_old_sums_are_deleted(shop: Shop, clock: Clock) -> None:
    flag = shop.add_flag("pay")
    one = buffer_of(shop)
    for _ in range(4):
        one.record(shop.production, "pay", "on")
        one.flush()
        clock.forward(days=30)
    clock.forward(days=1)
    one._delete_sums()
    assert shop.sums(flag) == {"on": 2}
    clock.forward(days=90)
    one._delete_sums()
    assert shop.sums(flag) == {}
    with shop.ctx.db.read() as tx:
        assert impressions.last_traffic(tx, flag.id) == {}


def test_sums_are_shown_by_hours_or_days(shop: Shop, clock: Clock) -> None:
    flag = shop.add_flag("pay")
    one = buffer_of(shop)
    now = clock()
    one.submit(shop.production, sent(shop, "pay", count=2), 1)
    one.submit(shop.production, sent(shop, "pay", count=3, hours_ago=1), 1)
    one.submit(shop.production, sent(shop, "pay", "off", count=4, hours_ago=30), 1)
    one.flush()
    with shop.ctx.db.read() as tx:
        hours = impressions.sums(tx, shop.production, flag.id, now - DAY_MS, now + 1, HOUR_MS)
        days = impressions.sums(tx, shop.production, flag.id, now - 3 * DAY_MS, now + 1, DAY_MS)
    assert [column.count for column in hours] == [3, 2]
    assert sum(column.count for column in days) == 9
    assert all(column.start % DAY_MS == 0 for column in days)
