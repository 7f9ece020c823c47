"""Split's own SDKs, set up as in an application, give the treatments and labels that the evaluator gives.

They download from a stand-in, which serves what `flagpost.flags.split_wire_format` writes.
"""

import json
import subprocess
from pathlib import Path
from random import Random
from threading import Event
from typing import Any

import pytest
from splitio import get_factory
from splitio.client.key import Key

from flagpost.flags.evaluation import Snapshot
from tests.commands.forge_app.node import packages
from tests.flags.cases import Case, World, world
from tests.flags.official import OfficialEvaluator, with_dates_in_seconds
from tests.flags.stand_in import serving

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quiet_sdk")]

SDK = Path(__file__).parent / "sdk"


def worlds(seed: int, many: int, keys: int) -> list[World]:
    """Random environments without blank keys, which SDKs refuse before evaluating, and without unknown flags."""
    random = Random(seed)
    made = [world(random, keys, strange=False) for _ in range(many)]
    return [World(one.targeting, tuple(case for case in one.cases if _is_evaluated(case))) for one in made]


def _is_evaluated(case: Case) -> bool:
    return (
        case.flag != "nowhere"
        and bool(case.key.strip())
        and (case.bucketing_key is None or bool(case.bucketing_key.strip()))
    )


def ours(made: World) -> list[list[str]]:
    snapshot = Snapshot(made.targeting)
    answers = (snapshot.evaluate(one.flag, one.key, one.attributes, one.bucketing_key) for one in made.cases)
    return [[one.treatment, one.label] for one in answers]


def compare(made: World, theirs: list[list[str]]) -> None:
    for case, here, there in zip(made.cases, ours(made), theirs, strict=True):
        assert here == there, f"{case} of {[one for one in made.targeting.flags if one.name == case.flag]}"


class Listener:
    def __init__(self) -> None:
        self.given: list[list[str]] = []

    def log_impression(self, data: dict[str, Any]) -> None:
        self.given.append([data["impression"].treatment, data["impression"].label])


def evaluate_in_python(base: str, made: World) -> list[list[str]]:
    listener, gone = Listener(), Event()
    where = {f"{name}_api_base_url": f"{base}/{name}" for name in ("sdk", "events", "auth", "telemetry")}
    config = {"streamingEnabled": False, "impressionListener": listener, "impressionsMode": "DEBUG"}
    factory = get_factory("an-sdk-key", config=config, **where)
    factory.block_until_ready(20)
    client = factory.client()
    for case in made.cases:
        key = case.key if case.bucketing_key is None else Key(case.key, case.bucketing_key)
        client.get_treatment(key, case.flag, with_dates_in_seconds(case.attributes))
    factory.destroy(gone)
    assert gone.wait(20)
    return listener.given


@pytest.mark.filterwarnings("ignore:setDaemon:DeprecationWarning")  # the SDK's own threads
def test_the_python_sdk_gives_the_same_treatments() -> None:
    (made,) = worlds(11, 1, 100)
    with serving([made.targeting]) as address:
        compare(made, evaluate_in_python(f"{address}/0", made))


def test_the_javascript_sdk_gives_the_same_treatments(npm_cache: Path, tmp_path: Path) -> None:
    made = worlds(12, 40, 60)
    file, answers = tmp_path / "cases.json", tmp_path / "answers.json"
    file.write_text(json.dumps([[as_json(case) for case in one.cases] for one in made]))
    (tmp_path / "evaluate.cjs").write_text((SDK / "evaluate.cjs").read_text())
    (tmp_path / "node_modules").symlink_to(packages(SDK / "package.json", npm_cache))
    with serving([one.targeting for one in made]) as address:
        command = ["node", str(tmp_path / "evaluate.cjs"), address, str(file), str(answers)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    for one, theirs in zip(made, json.loads(answers.read_text()), strict=True):
        compare(one, theirs)
        python = OfficialEvaluator(one.targeting)
        assert [list(python.evaluate(case)) for case in one.cases] == theirs


def as_json(case: Case) -> dict[str, Any]:
    return {"flag": case.flag, "key": case.key, "bucketing": case.bucketing_key, "attributes": case.attributes}
