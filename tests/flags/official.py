"""The evaluator of Split's own Python SDK, on the flags and segments that Flagpost sends to SDKs."""

import json
from typing import Any

from splitio.engine.evaluator import EvaluationContext, Evaluator
from splitio.engine.splitters import Splitter
from splitio.models import rule_based_segments, splits
from splitio.models.fallback_config import FallbackTreatmentCalculator

from flagpost.flags.split_wire_format import Spec, flag_json, rule_based_segment_json, segments_downloaded
from flagpost.flags.targeting import Targeting
from tests.flags.cases import Case


class OfficialEvaluator:
    """Evaluates like `splitio.client.Client.get_treatment`, without its queues of impressions and its validation."""

    def __init__(self, targeting: Targeting, spec: Spec = Spec.V1_3) -> None:
        kinds = targeting.segment_kinds()
        sent = json.loads(json.dumps([flag_json(flag, kinds, spec) for flag in targeting.flags]))
        self.flags = {one["name"]: splits.from_raw(one) for one in sent}
        segments = [rule_based_segment_json(one, kinds) for one in targeting.rule_based_segments]
        self.rule_based = {one["name"]: rule_based_segments.from_raw(one) for one in json.loads(json.dumps(segments))}
        keys = {one.name: one.keys for one in targeting.key_segments}
        self.segments = {name: keys.get(name, frozenset()) for name in segments_downloaded(targeting)}
        self.evaluator = Evaluator(Splitter(), FallbackTreatmentCalculator(None))

    def evaluate(self, case: Case) -> tuple[str, str]:
        """Treatment and label."""
        member = {name: case.key in keys for name, keys in self.segments.items()}
        context = EvaluationContext(self.flags, member, self.rule_based)
        attributes = with_dates_in_seconds(case.attributes)
        try:
            answer = self.evaluator.eval_with_context(case.key, case.bucketing_key, case.flag, attributes, context)
        except Exception:
            return "control", "exception"  # as the client does
        return answer["treatment"], answer["impression"]["label"]


def with_dates_in_seconds(attributes: dict[str, Any] | None) -> dict[str, Any] | None:
    """The attributes for the Python SDK, the only one of Split's that reads dates in seconds."""
    if attributes is None or "d" not in attributes:
        return attributes
    return {**attributes, "d": _seconds(attributes["d"])}


def _seconds(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | str):
        return value
    try:
        number = int(value) // 1000
    except ValueError:
        return value
    return number if isinstance(value, int) else str(number)
