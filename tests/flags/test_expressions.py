"""Regular expressions: what Python finds is found, and what would take for ever is given up without stopping others."""

import logging
import re
import threading
from dataclasses import replace

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from flagpost.flags.expressions import Expression, expression, expression_problem
from flagpost.flags.model import Definition, Matcher, Rule
from flagpost.flags.targeting import RuleBasedSegment
from flagpost.telemetry.metrics import REGISTRY
from tests.flags.test_evaluation import ALL_ON, PLAIN, flag, snapshot

PLACES = [r"\b", "^", "$", r"\A", r"\Z"]
CHARACTERS = [
    "a",
    "b",
    "ж",
    "1",
    "_",
    "-",
    r"\.",
    ".",
    r"\d",
    r"\w",
    r"\W",
    r"\s",
    "[ab]",
    "[^a-c]",
    r"\N{DIGIT ONE}",
    r"\\",
]
BRACES = ["[]{}]", "[{x]", "{", "a{x}", r"\{", "{e<=1}"]
ATOMS = st.sampled_from([*CHARACTERS, *CHARACTERS, *PLACES, *BRACES])
ENDINGS = st.sampled_from(["", "", "", "*", "+", "?", "{2}", "{1,2}", "{,2}", "{2,}", "*?", "+?"])
EXPRESSIONS = st.recursive(
    st.lists(ATOMS, min_size=1, max_size=3).map("".join),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map("|".join),
        st.tuples(st.sampled_from(["(", "(?:", "(?=", "(?!"]), inner, st.just(")"), ENDINGS).map("".join),
        st.tuples(ATOMS, ENDINGS).map("".join),
    ),
    max_leaves=6,
)
TEXTS = st.text("aabbж1_-.{}e \n\\^X", max_size=12)

HOSTILE = [
    ("(a+)+$", "a" * 30 + "b"),
    ("^(a|a)*$", "a" * 40 + "b"),
    ("(a|aa)+$", "a" * 60 + "b"),
    ("(x+x+)+y", "x" * 200),
    ("(.*,){11}P", "1," * 40),
    (r"^(([a-z])+.)+[A-Z]([a-z])+$", "a" * 60),
    (r"(\w+)*\1=$", "ab" * 400),
    ("a*b", "a" * 300_000),
    (".*.*.*=", "x" * 3000),
    ("^" + "a?" * 40 + "a" * 40, "a" * 39),
    ("(?=(a+)+$)", "a" * 40 + "b"),
]


def readable(source: str) -> bool:
    try:
        re.compile(source)
    except (re.error, OverflowError):
        return False
    return expression_problem(source) is None


@given(EXPRESSIONS.filter(readable), TEXTS)
def test_an_expression_finds_what_python_finds(source: str, text: str) -> None:
    assert expression(source).is_in(text) == (re.search(source, text) is not None)


@given(EXPRESSIONS.filter(readable), TEXTS)
def test_the_engine_with_a_time_limit_finds_what_python_finds(source: str, text: str) -> None:
    patient = Expression(source)
    patient.longest = -1
    assert patient.is_in(text) == (re.search(source, text) is not None)


@pytest.mark.parametrize(
    "source",
    [
        "^de",
        "h$",
        "[0-9]+",
        "^user_[0-4]",
        "(?i)beta",
        r"@example\.(com|org)$",
        "^(DE|FR|IT|ES)$",
        "^[A-Z]{2}-[0-9]{4,8}$",
    ],
)
def test_python_s_engine_searches_every_key_for_an_ordinary_expression(source: str) -> None:
    assert expression(source).longest >= 250


def test_python_s_engine_searches_email_addresses_too() -> None:
    assert expression(r"^[\w.+-]+@[\w-]+\.[a-z]+$").longest >= 50


@pytest.mark.parametrize("source", ["(a+)+$", "(a|b)*", r"(a)\1", "(?=a)a+", "(?x) a # [", "((ab)+c)?"])
def test_python_s_engine_never_searches_where_the_time_is_unknown(source: str) -> None:
    assert expression(source).longest == -1


@pytest.mark.parametrize(("source", "text"), HOSTILE)
def test_an_endless_search_is_given_up_and_other_threads_run_on(source: str, text: str) -> None:
    """With Python's own engine this would never end, and hold up the thread that counts."""
    compiled = snapshot(flag(definition=expecting(source)))
    counted, over = [0], threading.Event()

    def count() -> None:
        while not over.is_set():
            counted[0] += 1

    other = threading.Thread(target=count)
    other.start()
    try:
        for _ in range(5):
            before = counted[0]
            assert compiled.evaluate("new_checkout", "ann", {"t": text}).treatment == "off"
            while counted[0] == before:
                over.wait(0.001)
    finally:
        over.set()
        other.join()


def expecting(source: str) -> Definition:
    """On for those whose `t` it matches, else off."""
    return replace(PLAIN, rules=(Rule((Matcher("MATCHES_STRING", attribute="t", string=source),), ALL_ON),))


def test_giving_up_is_counted_each_time_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    hopeless, text = Expression("(a|aa)+$"), "a" * 60 + "b"
    before = REGISTRY.get_sample_value("flagpost_expressions_timed_out_total") or 0
    with caplog.at_level(logging.WARNING):
        assert not any(hopeless.is_in(text) for _ in range(3))
    assert REGISTRY.get_sample_value("flagpost_expressions_timed_out_total") == before + 3
    assert [record.getMessage().count("(a|aa)+$") for record in caplog.records] == [1]
    assert text not in caplog.text  # what end users send is theirs


def test_an_environment_has_the_length_of_texts_that_never_take_long() -> None:
    ordinary, worse, unknown = (flag(source, expecting(source)) for source in ("^a+$", "a+", "(a+)+"))
    assert snapshot(flag()).longest_text > 10**9
    assert snapshot(ordinary, flag()).longest_text == expression("^a+$").longest == 5000
    assert snapshot(ordinary, worse).longest_text == expression("a+").longest < 500
    of_a_segment = RuleBasedSegment("beta", "user", (expecting("(a+)+").rules[0].matchers,))
    assert snapshot(ordinary, unknown).longest_text == snapshot(ordinary, rules=(of_a_segment,)).longest_text == -1


@pytest.mark.parametrize("source", ["(", "*a", "a{2,1}", "[b-a]", r"\p{L}", "(?P<a>b)(?P<a>c)"])
def test_an_invalid_expression_is_refused(source: str) -> None:
    assert "not a regular expression" in (expression_problem(source) or "")


def test_braces_are_not_read_as_approximate_matching() -> None:
    """Which only the engine that can give up knows: there, this finds `bat` too."""
    assert regex.search("(?:cat){e<=1}", "bat")
    approximate = Expression("(?:cat){e<=1}")
    approximate.longest = -1
    assert (approximate.is_in("bat"), approximate.is_in("cat{e<=1}")) == (False, True)
