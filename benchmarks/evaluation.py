"""Evaluations in one process, in turn with Split's Python SDK in localhost mode with the same flags."""

import json
import logging
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from threading import Event
from typing import Any

from splitio import get_factory

from flagpost.flags.bucketing import seeds_of
from flagpost.flags.evaluation import compile_environment
from flagpost.flags.model import Bucket, Definition, Matcher, Rule, Treatment
from flagpost.flags.split_wire_format import flag_json
from flagpost.flags.targeting import TargetedFlag, Targeting

TURNS = 9
EVALUATIONS = 2000  # in a turn
ROLLOUT = (Bucket("on", 10), Bucket("off", 90))
ON = (Bucket("on", 100),)


def _flag(name: str, *rules: Rule, exposure: int = 100) -> TargetedFlag:
    treatments = (Treatment("on", configurations='{"color": "blue"}', keys=("ann", "bob")), Treatment("off"))
    return TargetedFlag(name, "user", Definition(treatments, "off", ROLLOUT, rules, exposure), seeds_of(name, "bench"))


def flags() -> tuple[TargetedFlag, ...]:
    """Flags from a plain percentage to five rules."""
    country = Matcher("IN_LIST_STRING", attribute="country", strings=("DE", "FR", "IT", "ES"))
    age = Matcher("GREATER_THAN_OR_EQUAL_NUMBER", attribute="age", number=18)
    version = Matcher("GREATER_THAN_OR_EQUAL_TO_SEMVER", attribute="version", string="2.10.0")
    mail = Matcher("ENDS_WITH_STRING", attribute="email", strings=("@example.com", "@example.org"))
    plan = Matcher("ANY_OF_SET", attribute="plans", strings=("gold", "silver"))
    rules = (
        Rule((country, age), ON),
        Rule((version,), ROLLOUT),
        Rule((mail,), ON),
        Rule((plan,), ON),
        Rule((age,), ON),
    )
    return _flag("share"), _flag("one_rule", rules[0], exposure=50), _flag("five_rules", *rules)


def evaluations() -> list[tuple[str, dict[str, Any]]]:
    """Keys with many kinds of attributes."""
    return [
        (
            f"user_{number}",
            {
                "country": ("DE", "US", "FR", "JP")[number % 4],
                "age": number % 60,
                "version": f"2.{number % 20}.0",
                "email": f"user{number}@example.{('com', 'net')[number % 2]}",
                "plans": [("gold", "free")[number % 2]],
            },
        )
        for number in range(EVALUATIONS)
    ]


def _per_second(
    evaluate: Callable[[str, dict[str, Any]], object], inputs: Sequence[tuple[str, dict[str, Any]]]
) -> float:
    begin = time.perf_counter()
    for key, attributes in inputs:
        evaluate(key, attributes)
    return len(inputs) / (time.perf_counter() - begin)


def bench_evaluation(report: Callable[[str, str, str, str, str], None]) -> None:
    """Measure each flag with both, in turn. The results are compared first."""
    logging.getLogger("splitio").setLevel(logging.CRITICAL)
    targeting, inputs = Targeting(flags()), evaluations()
    snapshot = compile_environment(targeting)
    with tempfile.TemporaryDirectory(prefix="flagpost-bench-") as folder:
        file = Path(folder) / "flags.json"
        body = {"d": [flag_json(one, {}) for one in targeting.flags], "s": -1, "t": 1}
        file.write_text(json.dumps({"ff": body, "rbs": {"d": [], "s": -1, "t": 1}}))
        factory = get_factory("localhost", config={"splitFile": str(file), "localhostRefreshEnabled": False})
        factory.block_until_ready(10)
        client = factory.client()
        for name in snapshot.names():
            ours, theirs = _pair(snapshot, client, name)
            assert [ours(*one) for one in inputs] == [theirs(*one) for one in inputs], name
            rates = [(_per_second(ours, inputs), _per_second(theirs, inputs)) for _ in range(TURNS)]
            here, there = (median(column) for column in zip(*rates, strict=True))
            what, floor = f"Evaluations of a flag, {name.replace('_', ' ')}", f"Split's Python SDK: {there:,.0f} /s"
            report(what, f"{here:,.0f} /s", floor, f"{here / there:.1f} ×", "≥ 3 ×")
        gone = Event()
        factory.destroy(gone)
        gone.wait(10)


def _pair(snapshot: Any, client: Any, name: str) -> tuple[Callable[..., object], Callable[..., object]]:
    def ours(key: str, attributes: dict[str, Any]) -> object:
        found = snapshot.evaluate(name, key, attributes)
        return found.treatment, found.configuration

    def theirs(key: str, attributes: dict[str, Any]) -> object:
        return client.get_treatment_with_config(key, name, attributes)

    return ours, theirs
