"""Impressions and counts as SDKs send them, validated and summed up. Pure: nothing here waits or is shared.

Which impressions count is Split's rule, the same in its Python and JavaScript SDKs (`StrategyOptimizedMode`,
`strategyOptimized`). In the mode OPTIMIZED, the SDK adds an impression that has a previous time (`pt`) to its counts,
which it sends separately, and sends the impression itself once an hour; so Flagpost does not count it here. An
impression with properties is always sent and never part of the counts. In DEBUG every impression is sent, and `pt` has
no meaning; in NONE only counts are sent.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec

from flagpost.errors import TooLarge
from flagpost.serving.json_codec import JsonReader
from flagpost.store.flags.impressions import DAY_MS, HOUR_MS, MAX_RECENT, UNKNOWN, RecentImpression, Sum

OPTIMIZED = "OPTIMIZED"
MAX_AGE_MS = 3 * DAY_MS
"""Older impressions are dropped. SDKs send within minutes, but keep what they could not send."""
MAX_AHEAD_MS = HOUR_MS
"""How far an application's clock may be ahead of ours."""
MAX_COUNT = 1_000_000_000
MAX_SUMS = 20_000
"""Of one request: that many different flags, treatments and hours."""

IsWatched = Callable[[str], bool]
"""Whether a live tail of the flag with this name is open."""


class SentImpression(msgspec.Struct, gc=False):
    """One impression. `label` is the rule that decided; a live tail shows it and the key, so neither has to be text."""

    treatment: str = msgspec.field(name="t")
    at: int = msgspec.field(name="m")
    key: Any = msgspec.field(name="k", default="")
    label: Any = msgspec.field(name="r", default=None)
    previous_at: Any = msgspec.field(name="pt", default=None)
    properties: Any = None


class SentImpressions(msgspec.Struct, gc=False):
    """The impressions of one flag."""

    flag: str = msgspec.field(name="f")
    impressions: list[SentImpression] = msgspec.field(name="i")


class SentCount(msgspec.Struct, gc=False):
    """How often a flag was evaluated in the hour that contains `at`."""

    flag: str = msgspec.field(name="f")
    at: int = msgspec.field(name="m")
    count: Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)] = msgspec.field(name="rc")


class SentCounts(msgspec.Struct):
    """The counts of all flags."""

    counts: list[SentCount] = msgspec.field(name="pf")


BULK = JsonReader(list[SentImpressions])
"""Reads the body of `testImpressions/bulk`: ``[{"f": flag, "i": [{"k", "t", "m", "r", "pt", …}]}]``."""
COUNTS = JsonReader(SentCounts)
"""Reads the body of `testImpressions/count`: ``{"pf": [{"f": flag, "m": hour, "rc": how often}]}``."""


@dataclass(slots=True)
class SummedImpressions:
    """One request: sums by (flag, treatment, hour), live tails by flag, and the number dropped by reason."""

    sums: dict[tuple[str, str, int], Sum] = field(default_factory=dict)
    recent: dict[str, list[RecentImpression]] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)

    def add(self, flag: str, treatment: str, hour: int, more: Sum, now: int) -> None:
        """Add to a sum, or to what is dropped if it cannot be right. TooLarge where there are too many sums."""
        if reason := _drop_reason(flag, treatment, hour, now):
            self.dropped[reason] += more.count
            return
        key = (flag, treatment, hour)
        if len(self.sums) >= MAX_SUMS and key not in self.sums:
            raise TooLarge(f"A request can hold {MAX_SUMS} different flags, treatments and hours. Send it in parts.")
        counted = Sum(more.count, min(more.first_at, now), min(more.last_at, now))
        self.sums[key] = self.sums[key] + counted if key in self.sums else counted


def sum_impressions(sent: Iterable[SentImpressions], mode: str, now: int, is_watched: IsWatched) -> SummedImpressions:
    """Sum up impressions that were sent in this mode. `now` is in milliseconds."""
    summed = SummedImpressions()
    for one in sent:
        if is_watched(one.flag):
            recent = [_recent(each) for each in one.impressions[-MAX_RECENT:] if _is_plausible(each.at, now)]
            summed.recent.setdefault(one.flag, []).extend(recent)
        for (treatment, hour), (count, first, last) in _sums(one.impressions, mode == OPTIMIZED).items():
            summed.add(one.flag, treatment, hour * HOUR_MS, Sum(count, first, last), now)
    return summed


def _sums(impressions: list[SentImpression], optimized: bool) -> dict[tuple[str, int], list[int]]:
    """[count, first, last] by (treatment, number of the hour). This loop is most of what an impression costs."""
    sums: dict[tuple[str, int], list[int]] = {}
    for one in impressions:
        if optimized and one.previous_at and not one.properties:
            continue
        at = one.at
        key = (one.treatment, at // HOUR_MS)
        entry = sums.get(key)
        if entry is None:
            sums[key] = [1, at, at]
            continue
        entry[0] += 1
        if at > entry[2]:
            entry[2] = at
        elif at < entry[1]:
            entry[1] = at
    return sums


def sum_counts(sent: SentCounts, now: int) -> SummedImpressions:
    """Sum up counts. `now` is in milliseconds."""
    summed = SummedImpressions()
    for one in sent.counts:
        if one.count:
            # When they were served is not known better than this: not before the hour began, and not after now.
            last = min(max(now, one.at), one.at + HOUR_MS - 1)
            hour = one.at // HOUR_MS * HOUR_MS
            summed.add(one.flag, UNKNOWN, hour, Sum(one.count, one.at, last), now)
    return summed


def _recent(one: SentImpression) -> RecentImpression:
    key, treatment, label = sanitize(one.key, 255), sanitize(one.treatment, 100), sanitize(one.label or "", 255)
    return RecentImpression(key, treatment, label, one.at)


def sanitize(value: object, max_length: int) -> str:
    """A value as text that every database accepts: no NUL, no half of a surrogate pair."""
    return str(value)[:max_length].encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def _is_plausible(at: int, now: int) -> bool:
    return now - MAX_AGE_MS - HOUR_MS <= at <= now + MAX_AHEAD_MS


def _drop_reason(flag: str, treatment: str, hour: int, now: int) -> str | None:
    if not _is_plausible(hour, now):
        return "time"
    if len(flag) > 255 or not flag.isprintable():
        return "flag"
    if len(treatment) > 100 or not treatment.isprintable():
        return "treatment"
    return None
