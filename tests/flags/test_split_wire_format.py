"""What SDKs download, in each version of it."""

import json
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from flagpost.flags.bucketing import Seeds
from flagpost.flags.model import Bucket, Depends, Matcher, Rule, Treatment
from flagpost.flags.split_wire_format import (
    Spec,
    flag_json,
    flag_tombstone,
    rule_based_segment_json,
    rule_based_segment_tombstone,
    segments_downloaded,
)
from flagpost.flags.targeting import KeySegment, RuleBasedSegment, SegmentKind, Targeting
from tests.flags.cases import Case, world
from tests.flags.official import OfficialEvaluator
from tests.flags.test_evaluation import ALL_OFF, ALL_ON, GERMANS, PLAIN, flag, in_segment

KINDS = {"staff": SegmentKind.STANDARD, "beta": SegmentKind.RULE_BASED, "everyone": SegmentKind.LARGE}
UNSUPPORTED = "targeting rule type unsupported by sdk"


def labels(written: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["conditionType"], one["label"]) for one in written["conditions"]]


COUNTRY = {"trafficType": "user", "attribute": "country"}
KEY = {"trafficType": "user", "attribute": None}
SPLIT_JSON: dict[str, Any] = {
    "changeNumber": 17, "trafficTypeName": "user", "name": "new_checkout", "trafficAllocation": 100,
    "trafficAllocationSeed": -554128485, "seed": 1569859022, "status": "ACTIVE", "killed": False,
    "defaultTreatment": "off", "algo": 2,
    "conditions": [
        {
            "conditionType": "WHITELIST", "label": "whitelisted",
            "matcherGroup": {"combiner": "AND", "matchers": [
                {"keySelector": KEY, "matcherType": "WHITELIST", "negate": False,
                 "whitelistMatcherData": {"whitelist": ["bob"]}}]},
            "partitions": [{"treatment": "on", "size": 100}],
        },
        {
            "conditionType": "ROLLOUT", "label": "country in list [DE]",
            "matcherGroup": {"combiner": "AND", "matchers": [
                {"keySelector": COUNTRY, "matcherType": "WHITELIST", "negate": False,
                 "whitelistMatcherData": {"whitelist": ["DE"]}}]},
            "partitions": [{"treatment": "on", "size": 100}],
        },
        {
            "conditionType": "ROLLOUT", "label": "default rule",
            "matcherGroup": {"combiner": "AND", "matchers": [
                {"keySelector": KEY, "matcherType": "ALL_KEYS", "negate": False}]},
            "partitions": [{"treatment": "on", "size": 10}, {"treatment": "off", "size": 90}],
        },
    ],
    "configurations": {"on": '{"color":"blue"}'}, "sets": ["backend"], "impressionsDisabled": False,
    "prerequisites": [{"n": "other_flag", "ts": ["on"]}],
}  # fmt: skip


def test_a_flag_is_written_as_split_writes_it() -> None:
    """The example of Split's definition JSON, member by member."""
    definition = replace(
        PLAIN,
        treatments=(Treatment("on", configurations='{"color":"blue"}', keys=("bob",)), Treatment("off")),
        rules=(GERMANS,),
        default_rule=(Bucket("on", 10), Bucket("off", 90)),
        prerequisites=(Depends("other_flag", ("on",)),),
    )
    one = flag(definition=definition, seeds=Seeds(1569859022, -554128485), change_number=17, flag_sets=("backend",))
    assert json.loads(json.dumps(flag_json(one, {}))) == SPLIT_JSON


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("staff", ("IN_SEGMENT", {"userDefinedSegmentMatcherData": {"segmentName": "staff"}})),
        ("beta", ("IN_RULE_BASED_SEGMENT", {"userDefinedSegmentMatcherData": {"segmentName": "beta"}})),
        ("everyone", ("IN_LARGE_SEGMENT", {"userDefinedLargeSegmentMatcherData": {"largeSegmentName": "everyone"}})),
        ("nowhere", ("IN_SEGMENT", {"userDefinedSegmentMatcherData": {"segmentName": "nowhere"}})),
    ],
)
def test_a_segment_s_kind_decides_its_matcher(name: str, written: tuple[str, dict[str, Any]]) -> None:
    matcher = flag_json(flag(definition=in_segment(name)), KINDS)["conditions"][0]["matcherGroup"]["matchers"][0]
    assert matcher["matcherType"] == written[0]
    assert matcher.items() >= written[1].items()


@pytest.mark.parametrize(
    ("name", "spec", "supported"),
    [
        ("staff", Spec.V1_1, True),
        ("everyone", Spec.V1_1, False),
        ("everyone", Spec.V1_2, True),
        ("beta", Spec.V1_2, False),
        ("beta", Spec.V1_3, True),
    ],
)
def test_an_older_version_gets_control_for_what_it_cannot_express(name: str, spec: Spec, supported: bool) -> None:
    written = flag_json(flag(definition=in_segment(name)), KINDS, spec)
    if supported:
        assert [label for _, label in labels(written)] == [f"in segment {name}", "default rule"]
    else:
        assert labels(written) == [("ROLLOUT", UNSUPPORTED)]
        assert written["conditions"][0]["partitions"] == [{"treatment": "control", "size": 100}]


def test_an_individual_target_that_is_a_segment_counts_too() -> None:
    targeted = replace(PLAIN, treatments=(Treatment("on", segments=("beta",)), Treatment("off")))
    assert labels(flag_json(flag(definition=targeted), KINDS, Spec.V1_2)) == [("ROLLOUT", UNSUPPORTED)]


def test_the_python_sdk_does_not_support_large_segments_and_answers_control(quiet_sdk: None) -> None:
    everyone = KeySegment("everyone", frozenset({"ann"}), SegmentKind.LARGE)
    sdk = OfficialEvaluator(Targeting((flag(definition=in_segment("everyone")),), (everyone,)))
    assert sdk.evaluate(Case("new_checkout", "ann", None, None)) == ("control", UNSUPPORTED)


@pytest.mark.parametrize("other", [ALL_ON, ALL_OFF])
def test_prerequisites_apply_in_older_versions_too(other: tuple[Bucket, ...]) -> None:
    """Also for individual targets, and for traffic that limit exposure leaves out."""
    treatments = (Treatment("on", keys=("ann",)), Treatment("off"))
    dependent = replace(PLAIN, treatments=treatments, prerequisites=(Depends("other", ("on",)),), traffic_allocation=0)
    targeting = Targeting((flag(definition=dependent), flag("other", replace(PLAIN, default_rule=other))))
    answers = {
        spec: [
            OfficialEvaluator(targeting, spec).evaluate(Case("new_checkout", key, None, None)) for key in ("ann", "x")
        ]
        for spec in Spec
    }
    assert answers[Spec.V1_1] == answers[Spec.V1_2] == answers[Spec.V1_3]
    assert "prerequisites" not in flag_json(targeting.flags[0], {}, Spec.V1_2)
    assert answers[Spec.V1_1][0] == (("on", "whitelisted") if other == ALL_ON else ("off", "prerequisites not met"))


def test_an_older_version_answers_as_the_newest_where_it_can_express_everything(quiet_sdk: None) -> None:
    random, compared = Random(3), 0
    while compared < 1000:
        made = world(random, 3, strange=False)
        kinds = made.targeting.segment_kinds()
        if UNSUPPORTED not in str([flag_json(one, kinds, Spec.V1_1) for one in made.targeting.flags]):
            old, new = (OfficialEvaluator(made.targeting, spec) for spec in (Spec.V1_1, Spec.V1_3))
            assert [old.evaluate(case) for case in made.cases] == [new.evaluate(case) for case in made.cases]
            compared += len(made.cases)


def test_a_set_s_values_are_sent_once() -> None:
    twice = replace(PLAIN, rules=(Rule((Matcher("EQUAL_SET", attribute="s", strings=("a", "b", "a")),), ALL_ON),))
    matcher = flag_json(flag(definition=twice), {})["conditions"][0]["matcherGroup"]["matchers"][0]
    assert matcher["whitelistMatcherData"] == {"whitelist": ["a", "b"]}


def test_a_rule_based_segment_names_its_excluded_segments_with_their_kinds() -> None:
    segment = RuleBasedSegment(
        "beta", "user", (GERMANS.matchers,), ("ann",), ("staff", "everyone", "beta2", "nowhere"), change_number=9
    )
    written = rule_based_segment_json(segment, {**KINDS, "beta2": SegmentKind.RULE_BASED})
    assert written["excluded"] == {
        "keys": ["ann"],
        "segments": [
            {"name": "staff", "type": "standard"},
            {"name": "everyone", "type": "large"},
            {"name": "beta2", "type": "rule-based"},
        ],
    }
    assert (written["changeNumber"], written["status"]) == (9, "ACTIVE")
    assert "partitions" not in written["conditions"][0]


def test_a_tombstone_is_archived_and_newer() -> None:
    for written in (flag_tombstone("gone", "user", 12), rule_based_segment_tombstone("gone", "user", 12)):
        assert (written["status"], written["changeNumber"], written["name"]) == ("ARCHIVED", 12, "gone")


def test_server_side_sdks_request_the_keys_of_every_named_standard_segment() -> None:
    treatments = (Treatment("on", segments=("vips",)), Treatment("off"))
    targeted = replace(in_segment("nowhere"), treatments=treatments)
    segment = RuleBasedSegment("beta", "user", ((Matcher("IN_SEGMENT", string="inner"),),), (), ("staff", "gone"))
    targeting = Targeting(
        (flag(definition=targeted), flag("b", in_segment("beta")), flag("c", in_segment("everyone"))),
        (
            KeySegment("staff", frozenset()),
            KeySegment("everyone", frozenset(), SegmentKind.LARGE),
            KeySegment("unused", frozenset()),
        ),
        (segment,),
    )
    assert segments_downloaded(targeting) == {"nowhere", "vips", "inner", "staff"}
