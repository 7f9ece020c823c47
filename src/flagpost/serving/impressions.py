"""Impressions and counts as SDKs send them, read and summed up. Pure: nothing here waits or is shared.

Which of them count is Split's rule, the same in its Python and JavaScript SDKs (`StrategyOptimizedMode`,
`strategyOptimized`): in the mode OPTIMIZED an impression that has a previous time (`pt`) was added to the counts, which
come on their own, and is sent besides once an hour; so it is not counted here. With properties an impression is always
sent and never counted there. In DEBUG everything is sent, and `pt` says nothing; in NONE only counts come.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from flagpost.errors import InvalidInput, TooLarge
from flagpost.store.flags.impressions import DAY_MS, HOUR_MS, MOST_RECENT, UNKNOWN, Recent, Sum

OPTIMIZED = "OPTIMIZED"
OLDEST_MS = 3 * DAY_MS
"""What is older is dropped. SDKs send within minutes, but keep what they could not send."""
EARLIEST_MS = HOUR_MS
"""How far ahead of ours an application's clock may be."""
MOST_AT_ONCE = 1_000_000_000
MOST_SUMS = 20_000
"""Of one request: that many flags with their treatments and hours."""

Watched = Callable[[str], bool]


@dataclass(slots=True)
class Impressions:
    """What a request told of: sums by (flag, treatment, hour), live tails by flag, what was dropped by reason."""

    sums: dict[tuple[str, str, int], Sum] = field(default_factory=dict)
    recent: dict[str, list[Recent]] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)

    def add(self, flag: str, treatment: str, hour: int, one: Sum) -> None:
        """Add to a sum. TooLarge where there are too many of them."""
        key = (flag, treatment, hour)
        if len(self.sums) >= MOST_SUMS and key not in self.sums:
            raise TooLarge(f"A request can tell of {MOST_SUMS} flags, treatments and hours. Send it in parts.")
        self.sums[key] = self.sums[key] + one if key in self.sums else one


def read_bulk(body: Any, mode: str, now: int, watched: Watched) -> Impressions:
    """The body of `testImpressions/bulk`: ``[{"f": flag, "i": [{"k", "t", "m", "r", "pt", …}]}]``.

    InvalidInput where it is not like that.
    """
    heard = Impressions()
    for where, name, impressions in _groups(body):
        try:
            found = _summed(impressions, mode == OPTIMIZED)
            recent = [_recent(one) for one in impressions[-MOST_RECENT:]] if watched(name) else []
        except (AttributeError, KeyError, TypeError, OverflowError):
            raise InvalidInput('Each impression is an object with "k", "t" and "m".', f"{where}.i") from None
        if recent:
            heard.recent.setdefault(name, []).extend(recent)
        for (treatment, hour), (count, first, last) in found.items():
            _check(treatment, hour, f"{where}.i")
            _add(heard, name, treatment, hour * HOUR_MS, Sum(count, first, last), now)
    return heard


def _groups(body: Any) -> Iterator[tuple[str, str, list[Any]]]:
    if not isinstance(body, list):
        raise InvalidInput('Send a list: [{"f": flag, "i": [impressions]}].')
    for number, group in enumerate(body):
        where = f"[{number}]"
        if not isinstance(group, dict) or not isinstance(group.get("f"), str) or not isinstance(group.get("i"), list):
            raise InvalidInput('Each entry is an object with "f", the flag, and "i", its impressions.', where)
        yield where, group["f"], group["i"]


def _summed(impressions: list[dict[str, Any]], optimized: bool) -> dict[tuple[Any, Any], list[Any]]:
    """[count, first, last] by (treatment, number of the hour). This loop is most of what an impression costs."""
    found: dict[tuple[Any, Any], list[Any]] = {}
    for one in impressions:
        if optimized and one.get("pt") and not one.get("properties"):
            continue
        moment = one["m"]
        key = (one["t"], moment // HOUR_MS)
        entry = found.get(key)
        if entry is None:
            found[key] = [1, moment, moment]
            continue
        entry[0] += 1
        if moment > entry[2]:
            entry[2] = moment
        elif moment < entry[1]:
            entry[1] = moment
    return found


def _recent(one: dict[str, Any]) -> Recent:
    return Recent(tidy(one["k"], 255), tidy(one["t"], 100), tidy(one.get("r") or "", 255), _whole(one["m"]))


def tidy(text: Any, most: int) -> str:
    """A text that every database takes: no NUL, no half of a surrogate pair."""
    return str(text)[:most].encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def _whole(moment: Any) -> int:
    if type(moment) is not int or abs(moment) > 1 << 53:
        raise TypeError
    return moment


def _check(treatment: Any, hour: Any, where: str) -> None:
    if not isinstance(treatment, str):
        raise InvalidInput('The treatment, "t", is a text.', where)
    if type(hour) is not int:
        raise InvalidInput('The time, "m", is a whole number of milliseconds.', where)


def read_counts(body: Any, now: int) -> Impressions:
    """The body of `testImpressions/count`: ``{"pf": [{"f": flag, "m": hour, "rc": how often}]}``."""
    entries = body.get("pf") if isinstance(body, dict) else None
    if not isinstance(entries, list):
        raise InvalidInput('Send {"pf": [{"f": flag, "m": hour in milliseconds, "rc": count}]}.')
    heard = Impressions()
    for number, one in enumerate(entries):
        name, moment, count = _counted(one, f"pf[{number}]")
        if count:
            # All that is known of when: not before the hour, and not after now.
            last = min(max(now, moment), moment + HOUR_MS - 1)
            _add(heard, name, UNKNOWN, moment // HOUR_MS * HOUR_MS, Sum(count, moment, last), now)
    return heard


def _counted(one: Any, where: str) -> tuple[str, int, int]:
    if not isinstance(one, dict):
        raise InvalidInput('Each entry is an object with "f", "m" and "rc".', where)
    name, moment, count = one.get("f"), one.get("m"), one.get("rc")
    if not isinstance(name, str):
        raise InvalidInput("The flag is a text.", f"{where}.f")
    if type(moment) is not int:
        raise InvalidInput("The hour is a whole number of milliseconds.", f"{where}.m")
    if type(count) is not int or not 0 <= count <= MOST_AT_ONCE:
        raise InvalidInput(f"The count is a whole number from 0 to {MOST_AT_ONCE}.", f"{where}.rc")
    return name, moment, count


def _add(heard: Impressions, name: str, treatment: str, hour: int, one: Sum, now: int) -> None:
    if reason := _absurd(name, treatment, hour, now):
        heard.dropped[reason] += one.count
    else:
        heard.add(name, treatment, hour, Sum(one.count, min(one.first_at, now), min(one.last_at, now)))


def _absurd(name: str, treatment: str, hour: int, now: int) -> str | None:
    if hour > now + EARLIEST_MS or hour < now - OLDEST_MS - HOUR_MS:
        return "time"
    if len(name) > 255 or not name.isprintable():
        return "flag"
    if len(treatment) > 100 or not treatment.isprintable():
        return "treatment"
    return None
