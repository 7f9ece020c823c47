"""The evaluator and Split's own Python SDK give every key the same treatment, with the same label."""

import os
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagpost.flags.evaluation import Snapshot
from flagpost.flags.split_wire_format import Spec
from tests.flags.cases import World, world
from tests.flags.official import OfficialEvaluator

CASES = int(os.environ.get("FLAGPOST_TEST_CASES", "100000"))
SEED = int(os.environ.get("FLAGPOST_TEST_SEED", "5"))


pytestmark = pytest.mark.usefixtures("quiet_sdk")


def disagreements(made: World, spec: Spec = Spec.V1_3) -> tuple[list[str], Counter[str]]:
    """Each evaluation that differs, and how often each reason decided."""
    ours, theirs = Snapshot(made.targeting), OfficialEvaluator(made.targeting, spec)
    found, labels = [], Counter[str]()
    for case in made.cases:
        answer = ours.evaluate(case.flag, case.key, case.attributes, case.bucketing_key)
        official = theirs.evaluate(case)
        labels[answer.reason] += 1
        if (answer.treatment, answer.label) != official:
            found.append(f"{case}: {answer} here, {official} of the SDK; {theirs.flags.get(case.flag)}")
    return found, labels


@given(st.randoms(use_true_random=False))
def test_split_s_python_sdk_agrees(random: Random) -> None:
    found, _ = disagreements(world(random, 3, strange=True))
    assert not found, found[0]


@pytest.mark.slow
def test_split_s_python_sdk_agrees_on_a_hundred_thousand() -> None:
    random, labels = Random(SEED), Counter[str]()
    while labels.total() < CASES:
        found, seen = disagreements(world(random, 10, strange=True))
        assert not found, f"FLAGPOST_TEST_SEED={SEED}: {found[0]}"
        labels += seen
    assert min(labels.values()) > labels.total() / 1000, labels  # every reason decides often enough
    assert len(labels) == 8
