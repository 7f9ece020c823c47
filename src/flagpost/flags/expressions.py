"""Regular expressions of flags, looked for in what applications send, in bounded time.

*Problem.* Whoever edits a flag writes the expression, and whoever uses the application the text. Python's engine tries
one way to match after another. For some pairs of the two, such as `(a+)+$` and thirty times `a` with a `b` behind,
there are more ways than time; and until it has tried them all, no other thread of the process runs.

*Solution.* In most expressions only single characters are repeated. How many steps those can take is a power of the
text's length, reckoned here beforehand; where it is small, Python's engine is asked, which is the one that decides in
Split's Python SDK. Every other pair goes to the package `regex`: it has the same language, and gives up when it is told
to. A text that it gives up on does not match. An end user wins nothing by that, who could have sent any text that does
not match. It keeps the interpreter to itself until then, which is hardly longer than the interpreter leaves any thread
alone; letting go of it would cost each ordinary search more than the search itself.
"""

import logging
import re
from functools import lru_cache

import regex

from flagpost.telemetry.metrics import EXPRESSIONS_TIMED_OUT

MOST_SECONDS = 0.01  # of the processor's time, for one search
_MOST_STEPS = 200_000  # of Python's engine: a few milliseconds
_LONGEST = 5_000  # characters: a step may look at as many characters as the expression is long

log = logging.getLogger(__name__)

_TOKEN = re.compile(
    r"""(?P<unknown> \\[1-9] | \(\?(?!:) | \)(?:[*+?]|\{\d*,?\d*\}) )  # what can take long, or is not understood here
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
    """An expression that texts are searched for, from any thread; `longest`: of the texts that Python's engine gets."""

    __slots__ = ("_bounded", "_search", "_told", "longest", "source")

    def __init__(self, source: str) -> None:
        self.source = source
        self._search = re.compile(source).search
        self.longest = _longest(source)
        self._bounded: regex.Pattern[str] | None = None  # made when it is first needed, which is seldom and slow
        self._told = False

    def is_in(self, text: str) -> bool:
        """Whether it matches anywhere in the text, as Python's `re.search` has it; no, where that takes too long."""
        if len(text) <= self.longest:
            return self._search(text) is not None
        try:
            if self._bounded is None:
                self._bounded = _for_regex(self.source)
            return self._bounded.search(text, concurrent=False, timeout=MOST_SECONDS) is not None
        except (TimeoutError, regex.error):  # the latter for what an older version let through
            self._give_up()
            return False

    def _give_up(self) -> None:
        EXPRESSIONS_TIMED_OUT.inc()
        if not self._told:
            self._told = True
            log.warning("expression.given_up: “%s” takes too long for some texts, which do not match it", self.source)


@lru_cache(4096)
def expression(source: str) -> Expression:
    """The expression, compiled once however often its flag changes. `re.error` or `regex.error` where it is none."""
    return Expression(source)


def expression_problem(source: str) -> str | None:
    """Why this cannot be a matcher's expression."""
    try:
        re.compile(source)
        _for_regex(source)
    except (re.error, regex.error, OverflowError, RecursionError) as error:
        return f"This is not a regular expression: {error}."
    return None


def _for_regex(source: str) -> "regex.Pattern[str]":
    """The same for `regex`, which takes some braces for approximate matching, and `[:` for the name of a class."""
    return regex.compile(_READ_DIFFERENTLY.sub(lambda found: _ESCAPED.get(found[0], found[0]), source), regex.V0)


def _longest(source: str) -> int:
    """The length up to which Python's engine needs few steps, whatever the text; -1 where that is not known.

    A repetition without an end can end at any character, and so can the search begin at any, unless it is bound to the
    text's beginning: each takes the text's length to another power. All else multiplies.
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
    bound = source.startswith(("^", r"\A")) and alternatives == [1]
    power = repetitions + (not bound)
    few = _MOST_STEPS // (steps * alternatives[0])
    if not few:
        return 0
    return min(_LONGEST, int(few ** (1 / power))) if power else _LONGEST


def _choices(token: "re.Match[str]") -> int:
    """How often what stands before a `?` or `{2,5}` may be repeated: in so many ways."""
    if token["once"]:
        return 2
    low, high = int(token["low"] or 0), int(token["high"] or 0)
    return high - low + 1 if token["to"] else 1
