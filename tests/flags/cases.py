"""Random environments with evaluations on which the evaluator and Split's own SDKs must agree.

A `random.Random` decides everything, so that hypothesis can shrink a case (`st.randoms()`) and a seed can repeat it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from flagpost.flags.bucketing import Seeds
from flagpost.flags.matchers import MATCHERS
from flagpost.flags.model import Between, BetweenVersions, Bucket, Definition, Depends, Matcher, Rule, Treatment
from flagpost.flags.targeting import KeySegment, RuleBasedSegment, TargetedFlag, Targeting

TREATMENTS = ("on", "off", "v3")
KEYS = ("user_1", "user_2", "ключ", "日本", "e\u0301", "🦊", " ", "a" * 250, "0", "null", "İ", "ß")
HALF_A_PAIR = "\ud83e"  # cannot be hashed, because it has no UTF-8
TEXTS = ("DE", "de", "deutsch", "ключ", "🦊", "a b", "true", "5", "U+1F98A", "null")
VERSIONS = (
    "1.0.0",
    "1.0.0-rc.1",
    "1.0.0-rc.10",
    "1.0.0-rc.2",
    "1.2.3",
    "01.2.3",
    "1.10.0",
    "2.0.0+b7",
    "1.0.0-1",
    "1.0.0-a",
)
DAY, MIDNIGHT = 86_400_000, 1_699_920_000_000
BIG = 2**53 - 1

# Values of the right type, by the attribute's name. `t` is text, `d` a date, and so on.
PLAIN: dict[str, Callable[[Random], Any]] = {
    "t": lambda r: r.choice(TEXTS),
    "n": lambda r: r.choice((r.randint(-5, 12), str(r.randint(-5, 12)), 10**12, -0)),
    "d": lambda r: MIDNIGHT + r.choice((0, 1, -1, 59_999, 60_000, DAY, DAY - 1, r.randint(-3 * DAY, 3 * DAY))),
    "s": lambda r: [*dict.fromkeys(r.choices(TEXTS, k=r.randint(1, 3)))],
    "b": lambda r: r.choice((True, False, "true", "FALSE")),
    "v": lambda r: r.choice(VERSIONS),
}
# Wrong, and wrong in the same way for every one of Split's SDKs.
WRONG: tuple[Any, ...] = ("rubbish", "1.2.3.4", "1.0.0-", "1.0.0+", "v1.0.0")
# Wrong, and read differently by each of Split's SDKs, as its language does. Flagpost follows the Python SDK.
STRANGE: tuple[Any, ...] = (
    None, "1.2", "", " ", " 7 ", "1_0", "٣", "1e3", " True\n", "\u00a0true", "false\v", "\u2160", "²", 1.0, 7.5, float("nan"), float("inf"), True, 0, 10**400, "9" * 5000,
    [], {}, {"DE": 1}, ["DE", 5], [["DE"]], [None], {"DE", "de"}, ("DE",), b"DE", object(), HALF_A_PAIR,
    "1.0.0-a..b", " 1.0.0", "1.0.0-²", "1.0.0-٣", "-1.0.0", "1.-0.0", "1..0",
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One evaluation."""

    flag: str
    key: str
    bucketing_key: str | None
    attributes: dict[str, Any] | None


@dataclass(frozen=True)
class World:
    """An environment, and evaluations to compare there."""

    targeting: Targeting
    cases: tuple[Case, ...]


def world(r: Random, keys: int, *, strange: bool) -> World:
    """Five flags that depend on one another, and segments of both kinds; each flag is evaluated for so many keys.

    Without `strange`, all of Split's SDKs agree on every evaluation.
    """
    rule_based = _rule_based(r)
    flags = tuple(_flag(r, number) for number in range(5))
    segments = tuple(KeySegment(f"s{n}", frozenset(r.sample(KEYS, r.randint(0, 5)))) for n in range(3))
    subjects = [_subject(r, strange) for _ in range(keys)]
    names = [*(flag.name for flag in flags), *(["nowhere"] if r.random() < 0.05 else [])]
    cases = tuple(Case(name, *one) for one in subjects for name in names)
    return World(Targeting(flags, segments, rule_based), cases)


def _subject(r: Random, strange: bool) -> tuple[str, str | None, dict[str, Any] | None]:
    key = r.choice(KEYS) if r.random() < 0.5 else f"user_{r.randint(0, 10**6)}"
    if strange and r.random() < 0.03:
        key += HALF_A_PAIR
    bucketing = r.choice((*KEYS, f"group_{r.randint(0, 50)}")) if r.random() < 0.2 else None
    if r.random() < 0.05:
        return key, bucketing, None
    return key, bucketing, {name: _value(r, name, strange) for name in PLAIN if r.random() < 0.85}


def _value(r: Random, name: str, strange: bool) -> Any:
    chance = r.random()
    if chance < 0.7:
        return PLAIN[name](r)
    return r.choice(STRANGE) if strange and chance < 0.9 else r.choice(WRONG)


def _flag(r: Random, number: int) -> TargetedFlag:
    seeds = Seeds(r.randint(-(2**31), 2**31 - 1), r.randint(-(2**31), 2**31 - 1))
    later = [*(f"f{n}" for n in range(number + 1, 5)), "nowhere"]
    return TargetedFlag(f"f{number}", "user", _definition(r, later), seeds, r.random() < 0.08, r.randint(1, 10**13))


def _definition(r: Random, others: list[str]) -> Definition:
    targeted = r.sample(KEYS, r.randint(0, 4))
    treatments = tuple(
        Treatment(
            name,
            configurations=r.choice((None, '{"a": "ключ"}')),
            keys=tuple(targeted[place::3]) if r.random() < 0.4 else (),
            segments=tuple(r.sample(("s0", "s1", "r0", "unknown"), r.randint(0, 1))) if r.random() < 0.2 else (),
        )
        for place, name in enumerate(TREATMENTS)
    )
    return Definition(
        treatments,
        r.choice(TREATMENTS),
        _shares(r),
        tuple(Rule(_matchers(r, others), _shares(r)) for _ in range(r.randint(0, 4))),
        r.choice((100, 100, 100, 0, 1, r.randint(0, 100))),
        prerequisites=(_depends(r, others),) if r.random() < 0.15 else (),
    )


def _shares(r: Random) -> tuple[Bucket, ...]:
    names = r.sample(TREATMENTS, r.randint(1, 3))
    edges = [0, *sorted(r.randint(0, 100) for _ in names[1:]), 100]
    return tuple(Bucket(name, edges[n + 1] - edges[n]) for n, name in enumerate(names))


def _matchers(r: Random, others: list[str]) -> tuple[Matcher, ...]:
    return tuple(_matcher(r, others) for _ in range(r.choice((1, 1, 1, 2, 3))))


def _depends(r: Random, others: list[str]) -> Depends:
    return Depends(r.choice(others), tuple(r.sample((*TREATMENTS, "control"), r.randint(1, 2))))


_ATTRIBUTES = {"Text": "t", "Number": "n", "Date": "d", "Set": "s", "True or false": "b", "Version": "v"}
_OPTIONAL = ("IN_LIST_STRING", "STARTS_WITH_STRING", "ENDS_WITH_STRING", "CONTAINS_STRING", "MATCHES_STRING")
_PARTS = (*TEXTS, "d", "c", "x", "user_", "1")
_EXPRESSIONS = (
    *("^de", "h$", "[0-9]+", "^user_[0-4]", "a|ю|ключ", "^$", ".", "\\.0"),
    *(
        "(de|DE)+",
        "^(user_)?[0-9]+$",
        "^(?:[a-z0-9]+_)*[0-9]+$",
        "(ключ|日本)+",
        "(?=.*de)(?=.*u)",
    ),  # see flags/expressions
)


def _matcher(r: Random, others: list[str]) -> Matcher:
    kind = MATCHERS[r.choice([name for name in MATCHERS if others or name != "IN_SPLIT"])]
    attribute = _ATTRIBUTES.get(kind.group)
    if kind.type in _OPTIONAL and r.random() < 0.4:
        attribute = None
    return Matcher(kind.type, r.random() < 0.25, attribute, **_VALUES[kind.field](r, kind.type, others))


def _string(r: Random, kind: str, _others: list[str]) -> dict[str, Any]:
    choices = {"IN_SEGMENT": ("s0", "s1", "s2", "r0", "r1", "unknown"), "MATCHES_STRING": _EXPRESSIONS}
    return {"string": r.choice(choices.get(kind, VERSIONS))}


def _strings(r: Random, kind: str, _others: list[str]) -> dict[str, Any]:
    choices = VERSIONS if kind == "IN_LIST_SEMVER" else _PARTS if kind.endswith("_STRING") else TEXTS
    return {"strings": tuple(r.sample(choices, r.randint(1, 3)))}


def _between(r: Random, kind: str, _others: list[str]) -> dict[str, Any]:
    name = "d" if kind == "BETWEEN_DATE" else "n"
    return {"between": Between(*sorted(int(PLAIN[name](r)) for _ in range(2)))}


_VALUES: dict[str, Callable[[Random, str, list[str]], dict[str, Any]]] = {
    "string": _string,
    "strings": _strings,
    "number": lambda r, _kind, _others: {"number": r.choice((r.randint(-5, 12), 7.5, 7.0, 10**12))},
    "date": lambda r, _kind, _others: {"date": PLAIN["d"](r)},
    "between": _between,
    "between_versions": lambda r, _kind, _others: {"between_versions": BetweenVersions(*r.sample(VERSIONS, 2))},
    "boolean": lambda r, _kind, _others: {"boolean": r.random() < 0.5},
    "depends": lambda r, _kind, others: {"depends": _depends(r, others)},
}


def _rule_based(r: Random) -> tuple[RuleBasedSegment, ...]:
    """r0 may exclude r1 and depend on it. r1 excludes nothing: there the Python SDK differs from all others."""
    inner = RuleBasedSegment("r1", "user", _segment_rules(r), change_number=3)
    outer = RuleBasedSegment(
        "r0",
        "user",
        _segment_rules(r),
        tuple(r.sample(KEYS, r.randint(0, 2))),
        tuple(r.sample(("s0", "s1", "r1"), r.randint(0, 2))),
        change_number=4,
    )
    return outer, inner


def _segment_rules(r: Random) -> tuple[tuple[Matcher, ...], ...]:
    found = (_matchers(r, []) for _ in range(r.randint(1, 2)))
    return tuple(
        tuple(one for one in matchers if one.string not in ("r0", "r1")) or (_of_text(r),) for matchers in found
    )


def _of_text(r: Random) -> Matcher:
    return Matcher("IN_LIST_STRING", attribute="t", strings=(r.choice(TEXTS),))
