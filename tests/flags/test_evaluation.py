"""What decides which treatment a key gets, and how it is explained."""

from dataclasses import replace
from typing import Any

import pytest

from flagpost.flags.bucketing import Seeds, bucket, seeds_of
from flagpost.flags.conditions import Reason
from flagpost.flags.evaluation import Explanation, Snapshot, compile_environment
from flagpost.flags.model import Bucket, Definition, Depends, Matcher, Rule, Treatment
from flagpost.flags.targeting import KeySegment, RuleBasedSegment, SegmentKind, TargetedFlag, Targeting, load_rule_based

ALL_OFF = (Bucket("off", 100),)
ALL_ON = (Bucket("on", 100),)
PLAIN = Definition((Treatment("on", configurations='{"a": 1}'), Treatment("off")), "off", ALL_OFF)
GERMANS = Rule((Matcher("IN_LIST_STRING", attribute="country", strings=("DE",)),), ALL_ON)


def flag(name: str = "new_checkout", definition: Definition = PLAIN, **changed: Any) -> TargetedFlag:
    how: dict[str, Any] = {"seeds": Seeds(1, 2), "change_number": 7} | changed
    return TargetedFlag(name, "user", definition, **how)


def snapshot(*flags: TargetedFlag, segments: tuple[KeySegment, ...] = (), rules: Any = ()) -> Snapshot:
    return compile_environment(Targeting(flags, segments, rules))


def answer(definition: Definition, key: str = "ann", **arguments: Any) -> tuple[str, str]:
    one = snapshot(flag(definition=definition)).evaluate("new_checkout", key, **arguments)
    return one.treatment, one.label


def test_an_unknown_flag_is_control() -> None:
    one = snapshot().evaluate("nowhere", "ann")
    assert (one.treatment, one.label, one.reason, one.change_number) == (
        "control", "definition not found", Reason.NOT_FOUND, -1,
    )  # fmt: skip


def test_every_key_gets_the_default_rule_where_nothing_else_matches() -> None:
    assert answer(PLAIN) == ("off", "default rule")


def test_a_killed_flag_gives_the_default_treatment_even_to_individual_targets() -> None:
    named = replace(PLAIN, treatments=(Treatment("on", keys=("ann",)), Treatment("off")))
    one = snapshot(flag(definition=named, killed=True)).evaluate("new_checkout", "ann")
    assert (one.treatment, one.label, one.reason) == ("off", "killed", Reason.KILLED)


def test_keys_come_before_segments_and_both_before_limit_exposure() -> None:
    treatments = (Treatment("on", segments=("staff",)), Treatment("off", keys=("ann",)))
    individuals_only = replace(PLAIN, treatments=treatments, traffic_allocation=0, default_rule=ALL_ON)
    compiled = snapshot(flag(definition=individuals_only), segments=(KeySegment("staff", frozenset({"ann", "bob"})),))
    labels = {key: compiled.evaluate("new_checkout", key) for key in ("ann", "bob", "cat")}
    assert [(one.treatment, one.label) for one in labels.values()] == [
        ("off", "whitelisted"),
        ("on", "whitelisted segment"),
        ("off", "not in split"),
    ]


def test_the_first_rule_that_matches_decides_and_is_named() -> None:
    both = replace(PLAIN, rules=(replace(GERMANS, buckets=ALL_OFF), GERMANS))
    one = snapshot(flag(definition=both)).evaluate("new_checkout", "ann", {"country": "DE"})
    assert (one.label, one.rule, one.treatment) == ("country in list [DE]", 0, "off")


def test_a_configuration_comes_with_the_treatment() -> None:
    one = snapshot(flag(definition=replace(PLAIN, default_rule=ALL_ON))).evaluate("new_checkout", "ann")
    assert (one.configuration, one.change_number) == ('{"a": 1}', 7)


def test_the_bucketing_key_decides_the_share_where_there_is_one() -> None:
    half = replace(PLAIN, default_rule=(Bucket("on", 50), Bucket("off", 50)))
    for number in range(50):
        expected = "on" if bucket(f"group_{number}", 1) <= 50 else "off"
        assert answer(half, f"group_{number}")[0] == expected
        assert answer(half, "ann", bucketing_key=f"group_{number}")[0] == expected


def test_shares_hold_over_many_keys() -> None:
    tenth = snapshot(flag(definition=replace(PLAIN, default_rule=(Bucket("on", 10), Bucket("off", 90)))))
    on = sum(tenth.evaluate("new_checkout", f"user_{n}").treatment == "on" for n in range(10_000))
    assert 900 < on < 1100


def test_a_prerequisite_comes_before_individual_targets() -> None:
    named = replace(
        PLAIN,
        treatments=(Treatment("on", keys=("ann",)), Treatment("off")),
        prerequisites=(Depends("other", ("on",)),),
    )
    for other, expected in ((ALL_OFF, ("off", "prerequisites not met")), (ALL_ON, ("on", "whitelisted"))):
        compiled = snapshot(flag(definition=named), flag("other", replace(PLAIN, default_rule=other)))
        one = compiled.evaluate("new_checkout", "ann")
        assert (one.treatment, one.label) == expected


def test_flags_that_depend_on_each_other_in_a_cycle_are_control() -> None:
    def depending_on(other: str) -> Definition:
        return replace(PLAIN, rules=(Rule((Matcher("IN_SPLIT", depends=Depends(other, ("on",))),), ALL_ON),))

    compiled = snapshot(flag("a", depending_on("b")), flag("b", depending_on("a")), flag("c"))
    one = compiled.evaluate("a", "ann")
    assert (one.treatment, one.label, one.reason, one.change_number) == ("control", "exception", Reason.EXCEPTION, 7)
    assert compiled.evaluate("c", "ann").treatment == "off"


def in_segment(name: str) -> Definition:
    return replace(PLAIN, rules=(Rule((Matcher("IN_SEGMENT", string=name),), ALL_ON),))


@pytest.mark.parametrize("kind", [SegmentKind.STANDARD, SegmentKind.LARGE])
def test_a_segment_matches_its_keys(kind: SegmentKind) -> None:
    compiled = snapshot(flag(definition=in_segment("staff")), segments=(KeySegment("staff", frozenset({"ann"}), kind),))
    assert [compiled.evaluate("new_checkout", key).treatment for key in ("ann", "bob")] == ["on", "off"]


def test_an_unknown_segment_has_no_members() -> None:
    assert answer(in_segment("nowhere")) == ("off", "default rule")


def test_a_rule_based_segment_lacks_excluded_keys_and_members_of_excluded_segments() -> None:
    stored = {
        "rules": [{"condition": {"matchers": [{"type": "STARTS_WITH_STRING", "strings": ["a"]}]}}],
        "excludedKeys": ["ann"],
        "excludedSegments": [
            {"name": "staff", "type": "standard_segment"},
            {"name": "testers", "type": "rule_based_segment"},
        ],
    }
    starting_with_a = ((Matcher("STARTS_WITH_STRING", strings=("a",)),),)
    testers = RuleBasedSegment("testers", "user", starting_with_a, excluded_keys=("abe", "ada"))
    compiled = snapshot(
        flag(definition=in_segment("beta")),
        segments=(KeySegment("staff", frozenset({"ada"})),),
        rules=(load_rule_based("beta", "user", stored, 5), testers),
    )
    given = {key: compiled.evaluate("new_checkout", key).treatment for key in ("ann", "ada", "abe", "al", "bob")}
    # abe is left out of those who are left out: Split's JavaScript SDK says so too, its Python SDK does not look
    assert given == {"ann": "off", "ada": "off", "abe": "on", "al": "off", "bob": "off"}


def test_a_missing_attribute_matches_nothing_and_is_not_the_listed_one() -> None:
    germans = Matcher("IN_LIST_STRING", attribute="country", strings=("DE",))
    others = Rule((replace(germans, negate=True),), ALL_ON)
    for attributes in (None, {}, {"country": None}):
        assert answer(replace(PLAIN, rules=(GERMANS,)), attributes=attributes)[0] == "off"
        assert answer(replace(PLAIN, rules=(others,)), attributes=attributes)[0] == "on"


def test_dates_are_milliseconds_and_compared_by_day_or_minute() -> None:
    noon = 1_700_000_000_000 // 86_400_000 * 86_400_000 + 43_200_000

    def given(kind: str, value: int) -> str:
        rule = Rule((Matcher(kind, attribute="born", date=noon),), ALL_ON)
        return answer(replace(PLAIN, rules=(rule,)), attributes={"born": value})[0]

    assert [given("ON_DATE", noon + shift) for shift in (-43_200_001, -43_200_000, 43_199_999, 43_200_000)] == [
        "off", "on", "on", "off",
    ]  # fmt: skip
    assert [given("ON_OR_AFTER_DATE", noon + shift) for shift in (-1, 0)] == ["off", "on"]
    assert [given("ON_OR_BEFORE_DATE", noon + shift) for shift in (59_999, 60_000)] == ["on", "off"]


def test_an_explanation_says_which_buckets_decided() -> None:
    limited = replace(PLAIN, traffic_allocation=99, default_rule=(Bucket("on", 30), Bucket("off", 70)))
    compiled = snapshot(flag(definition=limited))
    for number in range(300):
        key = f"user_{number}"
        why = compiled.explain("new_checkout", key)
        assert why.evaluation == compiled.evaluate("new_checkout", key)
        assert why.exposure_bucket == bucket(key, 2)
        left_out = why.exposure_bucket == 100
        assert (why.evaluation.reason is Reason.LEFT_OUT) == left_out
        assert why.bucket == (None if left_out else bucket(key, 1))
        if why.bucket:
            assert (why.bucket <= 30) == (why.evaluation.treatment == "on")
            assert why.evaluation.share == (30 if why.bucket <= 30 else 70)


def test_an_explanation_has_no_bucket_where_none_decided() -> None:
    compiled = snapshot(flag())
    assert compiled.explain("new_checkout", "ann") == Explanation(compiled.evaluate("new_checkout", "ann"), None, None)
    assert compiled.explain("nowhere", "ann").bucket is None


def test_all_flags_or_some_are_evaluated_at_once() -> None:
    compiled = snapshot(flag("a"), flag("b"))
    assert list(compiled.evaluate_all("ann")) == compiled.names() == ["a", "b"]
    assert {name: one.label for name, one in compiled.evaluate_all("ann", flags=["b", "x"]).items()} == {
        "b": "default rule",
        "x": "definition not found",
    }


def test_seeds_are_of_one_flag_in_one_environment_and_never_change() -> None:
    assert seeds_of("flag", "environment") == Seeds(shares=-556646773, exposure=-855417558)
    found = {seeds_of(f"flag_{n}", place) for n in range(100) for place in ("staging", "production")}
    assert len({seed for one in found for seed in (one.shares, one.exposure)}) == 400
    assert all(-(2**31) <= seed < 2**31 for one in found for seed in (one.shares, one.exposure))
