"""Evaluations as OpenFeature's providers read them (OFREP 0.3: serverEvaluationSuccess, evaluationFailure).

The variant is the treatment. The value is the treatment's configuration as JSON where the flag has configurations;
true or false where the flag has only the treatments on and off (or true and false); else the treatment itself. Where a
flag has configurations but its treatment has none, there is no value: the application then uses its own default, as
OFREP provides for.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from flagpost.flags.conditions import Reason
from flagpost.flags.evaluation import Evaluation
from flagpost.flags.model import Definition
from flagpost.serving.json_codec import encode

_BOOLEANS = {"on": True, "off": False, "true": True, "false": False}
_REASONS = {Reason.KILLED: "DISABLED", Reason.LEFT_OUT: "SPLIT", Reason.DEFAULT_RULE: "STATIC"}


def response(name: str, evaluation: Evaluation, definition: Definition | None) -> dict[str, Any]:
    """The response to an evaluation, or its failure; `definition` is None where the environment lacks the flag."""
    if definition is None:
        return failure("FLAG_NOT_FOUND", f"There is no feature flag “{name}” in this environment.", name)
    if evaluation.reason is Reason.EXCEPTION:
        return failure("GENERAL", f"“{name}” could not be evaluated; do flags depend on each other in a cycle?", name)
    return {
        "key": name,
        "reason": _reason(evaluation),
        "variant": evaluation.treatment,
        "metadata": {"label": evaluation.label, "changeNumber": evaluation.change_number},
        **_value(evaluation, definition),
    }


def failure(code: str, details: str, name: str | None = None) -> dict[str, Any]:
    """Why there is no evaluation, by one of OpenFeature's error codes."""
    key = {} if name is None else {"key": name}
    return {**key, "errorCode": code, "errorDetails": details}


def _reason(evaluation: Evaluation) -> str:
    if evaluation.share < 100:
        return "SPLIT"
    return _REASONS.get(evaluation.reason, "TARGETING_MATCH")


def _value(evaluation: Evaluation, definition: Definition) -> Mapping[str, Any]:
    if any(one.configurations for one in definition.treatments):
        return {} if not evaluation.configuration else {"value": _parse(evaluation.configuration)}
    names = {one.name for one in definition.treatments}
    if names <= {"on", "off"} or names <= {"true", "false"}:
        return {"value": _BOOLEANS[evaluation.treatment]}
    return {"value": evaluation.treatment}


def _parse(configuration: str) -> Any:
    """The JSON of a configuration; the text itself where it is not JSON.

    msgspec is strict: NaN and numbers beyond floating point, which Python's parser accepts, would be written into the
    response as words that no provider can read.
    """
    try:
        value = msgspec.json.decode(configuration)
        encode(value)  # values at the limit of nesting can be parsed, but not written
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return configuration
    return value
