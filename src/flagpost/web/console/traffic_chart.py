"""The chart of a flag's traffic: stacked columns over time, as numbers that a template writes down.

The browser stretches the picture to the width of the page, so texts are around it and not in it. Time is UTC.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from flagpost.store.flags.impressions import DAY_MS, Column

MAX_SERIES = 8
_UNKNOWN = "Treatment not known"
_GAP = 0.15


@dataclass(frozen=True, slots=True)
class Series:
    """A treatment, or the remaining ones. `style` is its CSS class, `share` its percentage of all impressions."""

    name: str
    style: str
    count: int
    share: float


@dataclass(frozen=True, slots=True)
class Bar:
    """A part of a column, in a picture that is one unit wide for each step, and 100 units high."""

    x: float
    y: float
    width: float
    height: float
    style: str
    title: str


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the table behind the chart; one count a series."""

    when: str
    counts: list[int]


@dataclass(frozen=True)
class Chart:
    """From `start` to `end` in steps, in milliseconds; `columns` are the counts."""

    start: int
    end: int
    step: int
    columns: list[Column]

    @property
    def steps(self) -> range:
        """The moment at which each step begins."""
        return range(self.start, self.end, self.step)

    @cached_property
    def series(self) -> list[Series]:
        """The treatments, the most served first; then the remaining ones together, and counts without a treatment."""
        totals = Counter[str]()
        for one in self.columns:
            totals[self._series_of(one.treatment)] += one.count
        everything = totals.total()
        last = ("", _UNKNOWN)
        ordered = sorted(totals, key=lambda name: (last.index(name) if name in last else -1, -totals[name], name))
        return [
            Series(name or "Others", _style(name, number), totals[name], 100 * totals[name] / everything)
            for number, name in enumerate(ordered, 1)
        ]

    @cached_property
    def _shown(self) -> set[str]:
        totals = Counter[str]()
        for one in self.columns:
            totals[one.treatment] += one.count if one.treatment else 0
        return {name for name, _ in totals.most_common(MAX_SERIES if len(totals) <= MAX_SERIES else MAX_SERIES - 1)}

    def _series_of(self, treatment: str) -> str:
        if not treatment:
            return _UNKNOWN
        return treatment if treatment in self._shown else ""

    @cached_property
    def _by_step(self) -> dict[int, Counter[str]]:
        found: dict[int, Counter[str]] = {}
        for one in self.columns:
            found.setdefault(one.start, Counter())[self._series_of(one.treatment) or "Others"] += one.count
        return found

    @cached_property
    def top(self) -> int:
        """The number at the top of the scale: a round one, not below any column."""
        return _round_up(max((counts.total() for counts in self._by_step.values()), default=0))

    @property
    def total(self) -> int:
        """The number of all impressions."""
        return sum(one.count for one in self.series)

    @property
    def bars(self) -> Iterable[Bar]:
        """Every part of every column, from the bottom up."""
        for number, step in enumerate(self.steps):
            counts, height = self._by_step.get(step, Counter[str]()), 0.0
            for one in self.series:
                if share := 100 * counts[one.name] / self.top:
                    height += share
                    title = f"{self.when(step)}: {one.name} {counts[one.name]:,}"
                    yield Bar(number + _GAP, round(100 - height, 3), 1 - 2 * _GAP, round(share, 3), one.style, title)

    @property
    def lines(self) -> list[Line]:
        """The rows of the table, the newest step first; steps without traffic are left out."""
        found = self._by_step
        return [
            Line(self.when(step), [found[step][one.name] for one in self.series])
            for step in reversed(self.steps)
            if step in found
        ]

    @property
    def ticks(self) -> list[str]:
        """The texts below the chart: the first step, the middle and the last."""
        steps = self.steps
        return [self.when(steps[at]) for at in (0, len(steps) // 2, -1)]

    def when(self, moment: int) -> str:
        """A step in words, for example “3 Sep 14:00”."""
        at = datetime.fromtimestamp(moment / 1000, UTC)
        return f"{at.day} {at:%b}" if self.step >= DAY_MS else f"{at.day} {at:%b %H:%M}"


def _style(name: str, number: int) -> str:
    return {"": "series-rest", _UNKNOWN: "series-unknown"}.get(name, f"series-{number}")


def _round_up(number: int) -> int:
    """The next of 2, 4, 6, 8, 10, 20, 40 and so on, so that half of it is a whole number."""
    scale = 1
    while True:
        for first in (2, 4, 6, 8, 10):
            if number <= first * scale:
                return first * scale
        scale *= 10
