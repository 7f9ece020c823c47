"""Prerequisites that no key can meet, beside what the evaluator serves."""

from collections.abc import Mapping
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from flagpost.flags.bucketing import Seeds
from flagpost.flags.evaluation import compile_environment
from flagpost.flags.model import Bucket, Definition, Depends, Matcher, Rule, Treatment
from flagpost.flags.prerequisites import PrerequisiteState, only_treatment, unmet_prerequisite
from flagpost.flags.targeting import TargetedFlag, Targeting

ON, OFF = Treatment("on"), Treatment("off")
ANY = Rule((Matcher("IN_LIST_STRING", strings=("a",)),), (Bucket("on", 100),))
ALL_ON = Definition((ON, OFF), "off", (Bucket("on", 100),))
HALF = replace(ALL_ON, default_rule=(Bucket("on", 50), Bucket("off", 50)))


def needs(*flags: str) -> Definition:
    return replace(ALL_ON, prerequisites=tuple(Depends(flag, ("on",)) for flag in flags))


def why(definition: Definition, others: Mapping[str, PrerequisiteState]) -> tuple[str, str] | None:
    found = unmet_prerequisite(definition, others)
    return (found.flag, found.why) if found else None


def state(definition: Definition, *, killed: bool = False) -> PrerequisiteState:
    return PrerequisiteState(definition, killed)


def test_the_reason_is_named() -> None:
    assert why(needs("base"), {"base": state(ALL_ON, killed=True)}) == ("base", "is killed")
    assert why(needs("base"), {}) == ("base", "is not initiated")
    off = replace(ALL_ON, default_rule=(Bucket("off", 100),))
    assert why(needs("base"), {"base": state(off)}) == ("base", "gives everybody “off”")
    assert why(needs("base"), {"base": state(ALL_ON)}) is None
    assert why(needs("base"), {"base": state(HALF)}) is None


def test_the_first_of_several_is_named() -> None:
    others = {"fine": state(ALL_ON), "killed": state(ALL_ON, killed=True)}
    assert why(needs("fine", "killed", "missing"), others) == ("killed", "is killed")


def test_a_prerequisite_of_a_prerequisite_counts() -> None:
    others = {"middle": state(needs("base")), "base": state(ALL_ON, killed=True)}
    assert why(needs("middle"), others) == ("middle", "gives everybody “off”")


def test_flags_that_ask_for_each_other_in_a_circle_are_left_to_the_evaluator() -> None:
    assert why(needs("one"), {"one": state(needs("two")), "two": state(needs("one"))}) is None


def test_one_treatment_for_everybody_needs_a_definition_that_looks_at_no_key() -> None:
    assert only_treatment(ALL_ON) == "on"
    assert only_treatment(replace(ALL_ON, rules=(ANY,))) is None
    assert only_treatment(replace(ALL_ON, traffic_allocation=50)) is None
    assert only_treatment(replace(ALL_ON, rules=(ANY,), traffic_allocation=0)) == "off"
    assert only_treatment(replace(ALL_ON, treatments=(Treatment("on", keys=("a",)), OFF))) is None


SIMPLE = st.sampled_from(
    [ALL_ON, HALF, replace(ALL_ON, default_rule=(Bucket("off", 100),)), needs("a"), needs("a", "b")]
)
STATES = st.dictionaries(st.sampled_from("abc"), st.builds(PrerequisiteState, SIMPLE, st.booleans()))


@given(SIMPLE, STATES)
def test_the_evaluator_serves_the_default_treatment_wherever_a_prerequisite_is_unmet(
    definition: Definition, others: dict[str, PrerequisiteState]
) -> None:
    asking = [("asking", PrerequisiteState(definition, False)), *others.items()]
    targeted = tuple(TargetedFlag(name, "user", one.definition, Seeds(1, 2), one.killed) for name, one in asking)
    served = compile_environment(Targeting(targeted)).evaluate("asking", "ada")
    if unmet_prerequisite(definition, others):
        assert (served.treatment, served.label) == ("off", "prerequisites not met")
