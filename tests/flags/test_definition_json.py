"""Reading and writing definitions in the shape of Split's Admin API, and the problems of invalid ones."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagpost.errors import InvalidInput
from flagpost.flags.definition_json import dump, load, parse
from flagpost.flags.diff import describe
from flagpost.flags.model import Definition
from flagpost.flags.validation import problems_of
from tests.flags.definitions import definitions

GOOD: dict[str, Any] = {
    "treatments": [{"name": "on"}, {"name": "off"}],
    "defaultTreatment": "off",
    "defaultRule": [{"treatment": "on", "size": 100}],
    "rules": [],
}


def rule(*matchers: dict[str, Any], **changed: Any) -> dict[str, Any]:
    buckets = [{"treatment": "on", "size": 100}]
    return {"condition": {"combiner": "AND", "matchers": list(matchers)}, "buckets": buckets, **changed}


@given(definitions())
def test_a_definition_that_is_written_reads_as_it_was(definition: Definition) -> None:
    assert problems_of(definition) == []
    back = parse(dump(definition))
    assert dump(back) == dump(definition)
    assert load(dump(definition)) == back


@given(definitions(), definitions())
def test_a_difference_is_shown_exactly_where_there_is_one(one: Definition, other: Definition) -> None:
    assert describe(dump(one), dump(one)) == []
    assert bool(describe(dump(one), dump(other))) == (dump(one) != dump(other))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.sampled_from([*GOOD, "size", "name", "condition"]), x),
    )
)
def test_any_json_is_read_or_refused_with_problems(body: object) -> None:
    with suppress(InvalidInput):
        assert problems_of(parse(body)) == []


BAD = {
    "not an object": ([], ""),
    "no treatments": ({**GOOD, "treatments": []}, "treatments"),
    "treatments of another kind": ({**GOOD, "treatments": "on"}, "treatments"),
    "control is reserved": (
        {**GOOD, "treatments": [{"name": "control"}, {"name": "off"}, {"name": "on"}]},
        "treatments[0].name",
    ),
    "twice the same treatment": (
        {**GOOD, "treatments": [{"name": "on"}, {"name": "off"}, {"name": "on"}]},
        "treatments[2].name",
    ),
    "a key given twice": (
        {**GOOD, "treatments": [{"name": "on", "keys": ["a"]}, {"name": "off", "keys": ["a"]}]},
        "treatments[1].keys",
    ),
    "an unknown default treatment": ({**GOOD, "defaultTreatment": "maybe"}, "defaultTreatment"),
    "an unknown baseline": ({**GOOD, "baselineTreatment": "maybe"}, "baselineTreatment"),
    "shares that do not add up": ({**GOOD, "defaultRule": [{"treatment": "on", "size": 99}]}, "defaultRule"),
    "a share of another kind": ({**GOOD, "defaultRule": [{"treatment": "on", "size": "100"}]}, "defaultRule[0].size"),
    "a share that is no whole number": (
        {**GOOD, "defaultRule": [{"treatment": "on", "size": 99.5}]},
        "defaultRule[0].size",
    ),
    "a negative share": ({**GOOD, "defaultRule": [{"treatment": "on", "size": -1}]}, "defaultRule[0].size"),
    "an unknown treatment in a share": (
        {**GOOD, "defaultRule": [{"treatment": "x", "size": 100}]},
        "defaultRule[0].treatment",
    ),
    "too much exposure": ({**GOOD, "trafficAllocation": 101}, "trafficAllocation"),
    "exposure that is true": ({**GOOD, "trafficAllocation": True}, "trafficAllocation"),
    "a rule's shares": (
        {
            **GOOD,
            "rules": [
                rule({"type": "IN_LIST_STRING", "strings": ["a"]}),
                rule({"type": "IN_LIST_STRING", "strings": ["a"]}, buckets=[{"treatment": "on", "size": 60}]),
            ],
        },
        "rules[1].buckets",
    ),
    "a rule without matchers": ({**GOOD, "rules": [rule()]}, "rules[0].condition.matchers"),
    "an unknown matcher": ({**GOOD, "rules": [rule({"type": "SOUNDS_LIKE"})]}, "rules[0].condition.matchers[0].type"),
    "a matcher without its value": (
        {**GOOD, "rules": [rule({"type": "IN_LIST_STRING"})]},
        "rules[0].condition.matchers[0].strings",
    ),
    "a matcher without its attribute": (
        {**GOOD, "rules": [rule({"type": "EQUAL_NUMBER", "number": 1})]},
        "rules[0].condition.matchers[0].attribute",
    ),
    "a range the wrong way round": (
        {**GOOD, "rules": [rule({"type": "BETWEEN_NUMBER", "attribute": "age", "between": {"from": 9, "to": 1}})]},
        "rules[0].condition.matchers[0].between",
    ),
    "a broken expression": (
        {**GOOD, "rules": [rule({"type": "MATCHES_STRING", "string": "("})]},
        "rules[0].condition.matchers[0].string",
    ),
    "a version that is none": (
        {**GOOD, "rules": [rule({"type": "EQUAL_TO_SEMVER", "attribute": "v", "string": "one"})]},
        "rules[0].condition.matchers[0].string",
    ),
    "versions the wrong way round": (
        {
            **GOOD,
            "rules": [
                rule(
                    {"type": "BETWEEN_SEMVER", "attribute": "v", "betweenVersions": {"from": "1.0.0", "to": "1.0.0-rc"}}
                )
            ],
        },
        "rules[0].condition.matchers[0].betweenVersions",
    ),
    "half a range of versions": (
        {**GOOD, "rules": [rule({"type": "BETWEEN_SEMVER", "attribute": "v", "betweenVersions": {"from": "1.0.0"}})]},
        "rules[0].condition.matchers[0].betweenVersions.to",
    ),
    "a value in another matcher's field": (
        {
            **GOOD,
            "rules": [
                rule({"type": "IN_LIST_STRING", "strings": ["a"], "betweenVersions": {"from": "1.0.0", "to": "2.0.0"}})
            ],
        },
        "rules[0].condition.matchers[0].betweenVersions",
    ),
    "a date beyond what can be read": (
        {**GOOD, "rules": [rule({"type": "ON_DATE", "attribute": "d", "date": 9 * 10**15})]},
        "rules[0].condition.matchers[0].date",
    ),
    "a segment that looks at an attribute": (
        {**GOOD, "rules": [rule({"type": "IN_SEGMENT", "string": "staff", "attribute": "account"})]},
        "rules[0].condition.matchers[0].attribute",
    ),
    "a prerequisite without treatments": (
        {**GOOD, "prerequisites": [{"splitName": "other", "treatment": []}]},
        "prerequisites[0].treatment",
    ),
    "a prerequisite without a flag": ({**GOOD, "prerequisites": [{"treatment": ["on"]}]}, "prerequisites[0].splitName"),
    "impressions that are a text": ({**GOOD, "impressionsDisabled": "yes"}, "impressionsDisabled"),
    "a dependency without a flag": (
        {**GOOD, "rules": [rule({"type": "IN_SPLIT", "depends": {"treatment": ["on"]}})]},
        "rules[0].condition.matchers[0].depends.splitName",
    ),
    "another combiner than AND": (
        {
            **GOOD,
            "rules": [
                {
                    **rule({"type": "IN_LIST_STRING", "strings": ["a"]}),
                    "condition": {"combiner": "OR", "matchers": [{"type": "IN_LIST_STRING", "strings": ["a"]}]},
                }
            ],
        },
        "rules[0].condition.combiner",
    ),
}


@pytest.mark.parametrize(("body", "path"), BAD.values(), ids=BAD.keys())
def test_a_problem_names_its_place(body: Any, path: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(body)
    assert path in [problem.path for problem in caught.value.problems], caught.value.problems


def test_every_problem_is_reported_at_once() -> None:
    bad = {**GOOD, "defaultTreatment": "x", "trafficAllocation": 200, "defaultRule": []}
    with pytest.raises(InvalidInput) as caught:
        parse(bad)
    assert {problem.path for problem in caught.value.problems} >= {
        "defaultTreatment",
        "trafficAllocation",
        "defaultRule",
    }
