"""Searches for the regular expressions of flags in texts that applications send, in bounded time.

*Problem.* An editor of a flag writes the expression, and a user of the application can choose the text. Python's engine
tries one way to match after another. For some pairs, such as `(a+)+$` and thirty times `a` followed by `b`, it would
take years; and meanwhile no other thread of the process runs.

*Solution.* Most expressions repeat only single characters. They need a number of steps that is a power of the text's
length, which this module computes in advance. Where it is small, Python's engine searches, because it decides in
Split's Python SDK. All other pairs go to the package `regex`, which has the same language and a time limit. A text that
exceeds the limit does not match. Users gain nothing by that: they could send any text that does not match. `regex`
keeps the interpreter's lock until the limit, which is hardly longer than the interpreter lets any thread run; releasing
the lock would cost each ordinary search more than the search itself.
"""

import logging
import re
from functools import lru_cache

import regex

from flagpost.telemetry.metrics import EXPRESSIONS_TIMED_OUT

MAX_SECONDS = 0.01  # of processor time, for one search
_MAX_STEPS = 200_000  # of Python's engine: a few milliseconds
_MAX_LENGTH = 5_000  # characters: one step can read as many characters as the expression has

log = logging.getLogger(__name__)

_TOKEN = re.compile(
    r"""(?P<unknown> \\[1-9] | \(\?(?!:) | \)(?:[*+?]|\{\d*,?\d*\}) )  # what can take long, or is not analysed here
      | \\N\{[^}]*\} | \\. | \[\^?\]?(?:\\.|[^\]\\])*\]                # one character
      | (?P<opened>\() | (?P<closed>\)) | (?P<or>\|)
      | (?P<many> [*+] | \{\d*,\} )
      | \{(?P<low>\d*)(?P<to>,)?(?P<high>\d*)\} | (?P<once>\?)
    """,
    re.VERBOSE | re.DOTALL,
)
_READ_DIFFERENTLY = re.compile(r"\\N\{[^}]*\}|\\.|\{(?!\d+\}|\d*,\d*\})|\[:", re.DOTALL)
_ESCAPED = {"{": r"\{", "[:": r"[\:"}


class Expression:
    """A compiled expression. Threads can share it. Texts of up to `longest` characters are left to Python's engine."""

    __slots__ = ("_bounded", "_is_logged", "_search", "longest", "source")

    def __init__(self, source: str) -> None:
        self.source = source
        self._search = re.compile(source).search
        self.longest = _longest(source)
        self._bounded: regex.Pattern[str] | None = None  # compiled on first use, because it is slow and seldom needed
        self._is_logged = False

    def is_in(self, text: str) -> bool:
        """Whether `re.search` finds the expression in the text; False where that takes too long."""
        if len(text) <= self.longest:
            return self._search(text) is not None
        try:
            if self._bounded is None:
                self._bounded = _for_regex(self.source)
            return self._bounded.search(text, concurrent=False, timeout=MAX_SECONDS) is not None
        except (TimeoutError, regex.error):  # regex.error: an older version accepted the expression
            self._give_up()
            return False

    def _give_up(self) -> None:
        EXPRESSIONS_TIMED_OUT.inc()
        if not self._is_logged:
            self._is_logged = True
            log.warning("expression.given_up: “%s” takes too long for some texts, which do not match it", self.source)


@lru_cache(4096)
def expression(source: str) -> Expression:
    """The compiled expression, cached, so that saving a flag does not compile it again. `re.error` if it is invalid."""
    return Expression(source)


def expression_problem(source: str) -> str | None:
    """Why this cannot be a matcher's expression; None where it can."""
    try:
        re.compile(source)
        _for_regex(source)
    except (re.error, regex.error, OverflowError, RecursionError) as error:
        return f"This is not a regular expression: {error}."
    return None


def _for_regex(source: str) -> "regex.Pattern[str]":
    """Compile for `regex`, with escapes where it reads braces as approximate matching, and `[:` as a named class."""
    return regex.compile(_READ_DIFFERENTLY.sub(lambda found: _ESCAPED.get(found[0], found[0]), source), regex.V0)


def _longest(source: str) -> int:
    """The length up to which Python's engine needs few steps for every text; -1 where it is unknown.

    An unbounded repetition can end at any character, and a search that is not anchored can begin at any character.
    Each multiplies the steps by the text's length. Alternatives and bounded repetitions multiply them by a constant.
    """
    source = source.removeprefix("(?i)")
    steps, repetitions, alternatives = 1, 0, [1]
    for token in _TOKEN.finditer(source):
        if token["unknown"]:
            return -1
        if token["or"]:
            alternatives[-1] += 1
        elif token["opened"]:
            alternatives.append(1)
        elif token["closed"]:
            steps *= alternatives.pop()
        elif token["many"]:
            repetitions += 1
        else:
            steps *= _choices(token)
    is_anchored = source.startswith(("^", r"\A")) and alternatives == [1]
    power = repetitions + (not is_anchored)
    budget = _MAX_STEPS // (steps * alternatives[0])
    if not budget:
        return 0
    return min(_MAX_LENGTH, int(budget ** (1 / power))) if power else _MAX_LENGTH


def _choices(token: "re.Match[str]") -> int:
    """In how many ways a `?` or `{2,5}` can repeat what precedes it."""
    if token["once"]:
        return 2
    low, high = int(token["low"] or 0), int(token["high"] or 0)
    return high - low + 1 if token["to"] else 1
