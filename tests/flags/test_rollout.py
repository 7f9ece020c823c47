"""What Jira is to show of a flag, by the seed document's rule."""

from dataclasses import replace

from hypothesis import given

from flagpost.flags.model import Bucket, Definition, Depends, Matcher, Rule, Treatment
from flagpost.flags.prerequisites import PrerequisiteState
from flagpost.flags.rollout import Rollout, StateKind, describe, flag_state
from tests.flags.definitions import definitions

ON, OFF = Treatment("on"), Treatment("off")
ANY = Rule((Matcher("IN_LIST_STRING", strings=("a",)),), (Bucket("on", 100),))


def simple(share: int = 30, **changed: object) -> Definition:
    shares = (Bucket("off", share), Bucket("on", 100 - share))
    return Definition((ON, OFF), "off", shares, **changed)  # type: ignore[arg-type]


def test_with_only_the_default_rule_it_is_the_default_treatments_percentage() -> None:
    assert flag_state(simple(30), killed=False).rollout == Rollout(percentage=30)


def test_a_default_treatment_without_a_share_has_zero_percent() -> None:
    definition = Definition((ON, OFF), "off", (Bucket("on", 100),))
    assert flag_state(definition, killed=False).rollout == Rollout(percentage=0)


def test_otherwise_it_is_the_number_of_rules_and_individual_targets_count_as_one() -> None:
    targeted = (Treatment("on", keys=("ada", "eli")), Treatment("off", segments=("beta",)))
    assert flag_state(simple(rules=(ANY, ANY)), killed=False).rollout == Rollout(rules=2)
    both = Definition(targeted, "off", (Bucket("on", 100),), (ANY, ANY))
    assert flag_state(both, killed=False).rollout == Rollout(rules=3)
    assert flag_state(Definition(targeted, "off", (Bucket("on", 100),)), killed=False).rollout == Rollout(rules=1)


def test_killed_not_initiated_and_archived_flags_say_so() -> None:
    assert flag_state(simple(), killed=True).rollout == Rollout(text="Killed")
    assert flag_state(None, killed=False).rollout == Rollout(text="Not initiated")
    assert flag_state(simple(), killed=False, archived=True).rollout == Rollout(text="Archived")
    assert not flag_state(simple(), killed=True).enabled
    assert not flag_state(None, killed=False).enabled
    assert flag_state(simple(), killed=False).enabled


def test_in_words() -> None:
    assert describe(flag_state(simple(30), killed=False)) == "On · 30 % off"
    assert describe(flag_state(simple(rules=(ANY,)), killed=False)) == "On · 1 rule"
    assert describe(flag_state(simple(rules=(ANY, ANY)), killed=False)) == "On · 2 rules"
    assert describe(flag_state(None, killed=False)) == "Not initiated"


@given(definitions())
def test_exactly_one_field_of_a_rollout_is_set(definition: Definition) -> None:
    for killed in (True, False):
        rollout = flag_state(definition, killed=killed).rollout
        assert sum(value is not None for value in (rollout.percentage, rollout.rules, rollout.text)) == 1


def described(definition: Definition | None, **how: bool) -> str:
    how = {"killed": False, **how}
    return flag_state(definition, killed=how["killed"], archived=how.get("archived", False)).words.text


def test_words_say_what_is_served() -> None:
    assert described(simple(30)) == "On for 70 %"
    assert described(simple(rules=(ANY,))) == "On with 1 rule"
    assert described(simple(rules=(ANY, ANY))) == "On with 2 rules"
    assert described(simple(), killed=True) == "Killed: everybody gets “off”"
    assert described(simple(), archived=True) == "Archived"
    assert described(None) == "Not initiated"


def test_a_killed_flag_whose_default_treatment_is_on_names_it_to_people_and_to_jira() -> None:
    state = flag_state(replace(simple(), default_treatment="on"), killed=True)
    assert state.words.text == "Killed: everybody gets “on”"
    assert state.rollout == Rollout(text="Killed: everybody gets “on”")
    assert (state.enabled, state.default_value) == (False, "on")


def needs(flag: str, treatment: str = "on") -> Definition:
    return simple(0, prerequisites=(Depends(flag, (treatment,)),))


def test_a_flag_whose_prerequisite_is_killed_says_what_everybody_gets() -> None:
    others = {"base": PrerequisiteState(simple(0), killed=True)}
    state = flag_state(needs("base"), killed=False, others=others)
    words = "On, but its prerequisite “base” is killed: everybody gets “off”"
    assert (state.kind, state.words.text, state.rollout) == (StateKind.BLOCKED, words, Rollout(text=words))
    assert state.enabled
    assert describe(state) == words


def test_a_killed_prerequisite_that_gives_the_wanted_treatment_blocks_nothing() -> None:
    others = {"base": PrerequisiteState(simple(0), killed=True)}
    assert flag_state(needs("base", "off"), killed=False, others=others).words.text == "On for 100 %"


def test_descriptions_include_limit_exposure() -> None:
    assert described(replace(simple(30), traffic_allocation=50)) == "On for 35 %"
    assert described(replace(simple(30), traffic_allocation=33, default_treatment="on")) == "On for 90.1 %"


def test_descriptions_name_treatments_that_are_not_on_and_off() -> None:
    colours = Definition((Treatment("red"), Treatment("blue")), "red", (Bucket("blue", 25), Bucket("red", 75)))
    assert described(colours) == "On: 75 % red, 25 % blue"
