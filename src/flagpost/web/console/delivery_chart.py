"""The numbers of the chart of deliveries: bars and a line, in the units of its drawing. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from flagpost.store.jira.delivery_log import HOUR_MS, Hour

WIDTH, HEIGHT = 720, 120
"""The size of the drawing in its own units; the browser stretches it to the width of the page."""
_HOURS_A_BAR = {"day": 1, "week": 6, "month": 24}
_GAP = 0.2  # of a bar's place


@dataclass(frozen=True, slots=True)
class Bar:
    """A part of the period that begins at `begins` (ms): how many flags Jira accepted and refused, and the delays (ms).

    `x`, `width`, and the heights of both parts, of the usual delay and of the longest, are in the drawing's units.
    """

    begins: int
    accepted: int
    refused: int
    usual_ms: int
    longest_ms: int
    x: float
    width: float
    accepted_height: float
    refused_height: float
    usual_height: float
    longest_height: float

    @property
    def sent(self) -> int:
        """How many deliveries Jira answered."""
        return self.accepted + self.refused


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars for the whole of a period. `most`: the flags of the fullest bar; `longest_ms`: the longest delay."""

    bars: list[Bar]
    most: int
    longest_ms: int
    hours_a_bar: int

    @property
    def filled(self) -> list[Bar]:
        """The bars with a delivery."""
        return [bar for bar in self.bars if bar.sent]

    @property
    def accepted(self) -> int:
        """How many deliveries Jira accepted in the whole period."""
        return sum(bar.accepted for bar in self.bars)

    @property
    def refused(self) -> int:
        """How many deliveries Jira refused in the whole period."""
        return sum(bar.refused for bar in self.bars)


def chart(hours: Sequence[Hour], since: int, period: str, hours_in_all: int) -> Chart:
    """The chart of these sums, over `hours_in_all` hours from `since` (ms) on."""
    wide = _HOURS_A_BAR[period]
    count = hours_in_all // wide
    places: list[list[Hour]] = [[] for _ in range(count)]
    for hour in hours:
        place = (hour.hour - since) // (wide * HOUR_MS)
        if 0 <= place < count:
            places[place].append(hour)
    most = max((sum(hour.deliveries for hour in place) for place in places), default=0)
    longest = max((hour.longest_delay_ms for place in places for hour in place), default=0)
    room = WIDTH / count
    bars = [
        _bar(place, since + number * wide * HOUR_MS, room * (number + _GAP / 2), room * (1 - _GAP), most, longest)
        for number, place in enumerate(places)
    ]
    return Chart(bars, most, longest, wide)


def _bar(hours: Sequence[Hour], begins: int, x: float, width: float, most: int, longest: int) -> Bar:
    accepted, refused = sum(hour.accepted for hour in hours), sum(hour.refused for hour in hours)
    sent = accepted + refused
    usual = sum(hour.total_delay_ms for hour in hours) // sent if sent else 0
    worst = max((hour.longest_delay_ms for hour in hours), default=0)
    flags, delay = HEIGHT / max(most, 1), HEIGHT / max(longest, 1)
    heights = [_visible(one) for one in (accepted * flags, refused * flags, usual * delay, worst * delay)]
    return Bar(
        begins, accepted, refused, usual, worst, round(x, 2), round(width, 2), *(_visible(one) for one in heights)
    )


def _visible(height: float) -> float:
    """At least high enough to be seen, however small it is beside the highest."""
    return round(max(height, 1.5), 2) if height else 0.0
