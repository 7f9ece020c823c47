"""Whoever asks gets the same: Split's Python SDK, fed by this server, OFREP, and the evaluator that *Try it* uses too.

Flags, segments and what depends on them are made up at random and saved as people save them. An ordinary run asks a few
thousand questions; `FLAGPOST_TEST_CASES=100000` asks so many.
"""

import json
import os
from collections import Counter
from random import Random
from typing import Any

import httpx2
import pytest
from splitio.client.key import Key

from flagpost.actions.access import Actor
from flagpost.actions.context import Context
from flagpost.flags.conditions import EXCEPTION
from flagpost.flags.evaluation import Evaluation, Snapshot
from tests.end_to_end.applications import python_sdk_at
from tests.end_to_end.saved_worlds import Saved, worlds
from tests.flags.cases import Case, World
from tests.flags.official import with_dates_in_seconds

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("quiet_sdk"),
    pytest.mark.filterwarnings("ignore:setDaemon:DeprecationWarning"),  # the SDK's own threads
]

CASES = int(os.environ.get("FLAGPOST_TEST_CASES", "3000"))
SEED = int(os.environ.get("FLAGPOST_TEST_SEED", "7"))
KEYS = 80  # that each flag of a world is asked about
ROUND = 10  # worlds in one environment: fifty flags
SLOW_REFRESH = {"featuresRefreshRate": 3600, "segmentsRefreshRate": 3600}


def ours(snapshot: Snapshot, case: Case) -> Evaluation:
    return snapshot.evaluate(case.flag, case.key, case.attributes, case.bucketing_key)


def python_sdk_s(url: str, secret: str, cases: list[Case]) -> list[tuple[str, str]]:
    """Treatment and label of each."""
    given: list[tuple[str, str]] = []

    class Listener:
        def log_impression(self, data: dict[str, Any]) -> None:
            given.append((data["impression"].treatment, data["impression"].label))

    told = {"impressionListener": Listener(), "impressionsMode": "DEBUG", **SLOW_REFRESH}
    with python_sdk_at(url, secret, **told) as client:
        for case in cases:
            key = case.key if case.bucketing_key is None else Key(case.key, case.bucketing_key)
            client.get_treatment(key, case.flag, with_dates_in_seconds(case.attributes))
    return given


def ofrep_s(http: httpx2.Client, case: Case) -> tuple[str, str]:
    context = {**(case.attributes or {}), "targetingKey": case.key}
    said = http.post(f"/ofrep/v1/evaluate/flags/{case.flag}", content=json.dumps({"context": context})).json()
    if said.get("errorCode") == "GENERAL":
        return "control", EXCEPTION
    return said["variant"], said["metadata"]["label"]


def can_be_asked_by_http(case: Case) -> bool:
    """Attributes that JSON brings over as they are; OFREP has no bucketing key."""
    if case.bucketing_key is not None:
        return False
    try:
        return bool(json.loads(json.dumps(case.attributes)) == case.attributes)
    except (TypeError, ValueError):
        return False


def test_split_s_python_sdk_and_ofrep_agree_with_the_evaluator(served_alone: tuple[Context, Actor]) -> None:
    random, labels, number = Random(SEED), Counter[str](), 0
    while labels.total() < CASES:
        made = worlds(random, ROUND, KEYS, strange=True)
        saved = Saved(*served_alone, f"Round {number}", made)
        labels += agreed(saved, made)
        number += 1
    assert min(labels.values()) > labels.total() / 1000, labels  # each reason is among them, and not by accident
    assert len(labels) == 6, labels


def agreed(saved: Saved, made: list[World]) -> Counter[str]:
    """How often each reason decided; a failure names the first case that they do not agree on."""
    cases = [case for one in made for case in one.cases]
    url, (_, secret), snapshot = saved.ctx.settings.public_url, saved.key(), saved.served().snapshot
    answers = [ours(snapshot, case) for case in cases]
    here = [(one.treatment, one.label) for one in answers]
    for case, mine, theirs in zip(cases, here, python_sdk_s(url, secret, cases), strict=True):
        assert mine == theirs, f"FLAGPOST_TEST_SEED={SEED}: {case}"
    headers = {"Authorization": f"Bearer {secret}"}
    with httpx2.Client(base_url=url, headers=headers, trust_env=False, timeout=30) as http:
        for case, mine in list(zip(cases, here, strict=True))[::10]:
            if can_be_asked_by_http(case):
                assert ofrep_s(http, case) == mine, f"FLAGPOST_TEST_SEED={SEED}: {case}"
    return Counter(one.reason for one in answers)
