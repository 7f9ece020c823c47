"""Searches for regular expressions as flags have them, beside Python's own engine."""

import re
import time
from collections.abc import Callable
from statistics import median

from flagpost.flags.expressions import expression

TURNS = 9
SEARCHES = 20_000  # in a turn
ORDINARY: dict[str, tuple[str, ...]] = {
    r"^user_[0-9]+$": ("user_12345", "group_7"),
    r"@example\.(com|org)$": ("ada@example.org", "ada@example.net"),
    r"(?i)beta": ("internal-Beta-3", "release"),
    r"^[\w.+-]+@[\w-]+\.[a-z]+$": ("ada.lovelace+x@mail.example", "ada lovelace"),
}
REPEATED_GROUPS: dict[str, tuple[str, ...]] = {
    r"^(\d{1,3}\.){3}\d{1,3}$": ("192.168.10.254", "192.168.10"),
    r"^([a-z]+-)*[a-z]+$": ("eu-central-a", "eu-central-1"),
}


def _seconds(find: Callable[[str], object], texts: tuple[str, ...]) -> float:
    begin = time.perf_counter()
    for _ in range(SEARCHES // len(texts)):
        for text in texts:
            find(text)
    return time.perf_counter() - begin


def bench_expressions(report: Callable[[str, str, str, str, str], None]) -> None:
    """Measure the expressions that Python's engine searches for, and those of the engine that can time out, in turn."""
    _compare("ordinary", ORDINARY, "≤ 2 ×", report)
    _compare("with repeated groups", REPEATED_GROUPS, "≤ 5 µs", report)


def _compare(
    what: str, them: dict[str, tuple[str, ...]], aim: str, report: Callable[[str, str, str, str, str], None]
) -> None:
    turns = [(_all(them, lambda one: expression(one).is_in), _all(them, _directly)) for _ in range(TURNS)]
    here, there = (median(column) / SEARCHES / len(them) * 1e6 for column in zip(*turns, strict=True))
    report(
        f"Search for an expression, {what}",
        f"{here:.2f} µs",
        f"Python's `re`: {there:.2f} µs",
        f"{here / there:.1f} ×",
        aim,
    )


def _directly(source: str) -> Callable[[str], object]:
    search = re.compile(source).search
    return lambda text: search(text) is not None


def _all(them: dict[str, tuple[str, ...]], how: Callable[[str], Callable[[str], object]]) -> float:
    return sum(_seconds(how(source), texts) for source, texts in them.items())
