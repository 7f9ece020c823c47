"""The chart covers the whole of its period, and whatever is there at all can be seen."""

import pytest

from flagpost.store.jira.delivery_log import HOUR_MS, Hour
from flagpost.web.console.delivery_chart import HEIGHT, WIDTH, chart

SINCE = 1000 * HOUR_MS


def hour(number: int, accepted: int, refused: int = 0, longest: int = 100) -> Hour:
    return Hour(SINCE + number * HOUR_MS, accepted, refused, (accepted + refused) * 50, longest)


@pytest.mark.parametrize(("period", "hours", "bars"), [("day", 24, 24), ("week", 168, 28), ("month", 720, 30)])
def test_every_period_is_covered_from_its_first_hour_to_its_last(period: str, hours: int, bars: int) -> None:
    found = chart([hour(0, 1), hour(hours - 1, 2)], SINCE, period, hours)
    assert len(found.bars) == bars
    assert [bar.accepted for bar in (found.bars[0], found.bars[-1])] == [1, 2]
    assert found.bars[-1].x + found.bars[-1].width <= WIDTH


def test_hours_of_one_bar_are_summed_up() -> None:
    found = chart([hour(0, 3, 1, 500), hour(5, 5, 1, 900), hour(6, 1)], SINCE, "week", 168)
    assert (found.bars[0].accepted, found.bars[0].refused, found.bars[0].longest_ms) == (8, 2, 900)
    assert (found.most, found.longest_ms, found.accepted, found.refused) == (10, 900, 9, 2)
    assert found.bars[0].accepted_height + found.bars[0].refused_height == pytest.approx(HEIGHT)


def test_one_among_very_many_is_still_seen_and_none_is_not() -> None:
    found = chart([hour(0, 1_000_000), hour(1, 1)], SINCE, "day", 24)
    assert found.bars[1].accepted_height >= 1
    assert found.bars[1].refused_height == 0
    assert chart([], SINCE, "day", 24).filled == []


def test_what_is_outside_of_the_period_is_left_out() -> None:
    assert chart([hour(-1, 5), hour(24, 5)], SINCE, "day", 24).accepted == 0
