"""Explaining a flag: which treatment a key gets in an environment now, and why."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flagpost.actions.access import Actor, Right
from flagpost.actions.context import Context
from flagpost.actions.lookup import get_visible_environment, get_visible_flag, get_visible_project
from flagpost.errors import InvalidInput
from flagpost.flags.conditions import Reason
from flagpost.flags.evaluation import Explanation
from flagpost.serving.environments import Environments

_MAX_CHARACTERS = 250


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a flag is explained for: a key, its attributes, and the key that decides the bucket if that is another."""

    key: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    bucketing_key: str | None = None


@dataclass(frozen=True, slots=True)
class ExplainedFlag:
    """An explanation, and in one sentence what decided."""

    explanation: Explanation
    why: str


def explain_flag(
    ctx: Context,
    environments: Environments,
    actor: Actor,
    project: str,
    flag: str,
    environment: str,
    subject: Subject,
) -> ExplainedFlag:
    """Which treatment the subject gets, with every committed change. It is not counted as traffic.

    InvalidInput where a key is missing or too long.
    """
    actor.require(Right.VIEW_FLAGS)
    for name, key in (("key", subject.key), ("bucketing_key", subject.bucketing_key or "-")):
        if not key or len(key) > _MAX_CHARACTERS:
            raise InvalidInput(f"A key has 1 to {_MAX_CHARACTERS} characters.", name)
    with ctx.db.read() as tx:
        found = get_visible_project(tx, actor, project)
        place = get_visible_environment(tx, actor, found, environment)
        name = get_visible_flag(tx, found, flag).name
    served = environments.load_current(found.id, place.id)
    explanation = served.snapshot.explain(name, subject.key, subject.attributes, subject.bucketing_key)
    return ExplainedFlag(explanation, _why(explanation))


def read_attributes(text: str) -> dict[str, Any]:
    """Attributes from a form: a JSON object, or nothing. InvalidInput for anything else."""
    if not text.strip():
        return {}
    try:
        attributes = json.loads(text)
    except ValueError as error:
        raise InvalidInput(f"The attributes are not JSON: {error}.", "attributes") from None
    if not isinstance(attributes, dict):
        raise InvalidInput('Attributes are a JSON object: {"plan": "pro"}.', "attributes")
    return attributes


def _why(explanation: Explanation) -> str:
    evaluation = explanation.evaluation
    match evaluation.reason:
        case Reason.NOT_FOUND:
            return "The flag is not set up in this environment, or archived. Applications get control."
        case Reason.EXCEPTION:
            return "It could not be evaluated. Do flags depend on each other's treatment in a cycle?"
        case Reason.KILLED:
            return "The flag is killed: everyone gets the default treatment."
        case Reason.PREREQUISITES:
            return "A prerequisite is not met, so the default treatment is given."
        case Reason.INDIVIDUAL_TARGET:
            return "An individual target, before every rule."
        case Reason.LEFT_OUT:
            return f"Left out by limit exposure: bucket {explanation.exposure_bucket} of 100 is above it."
        case Reason.RULE:
            return f"Rule {(evaluation.rule or 0) + 1}: {evaluation.label}{_share(explanation)}."
        case Reason.DEFAULT_RULE:
            return f"No rule matched: the default rule{_share(explanation)}."


def _share(explanation: Explanation) -> str:
    if explanation.bucket is None:
        return ""
    return f", which gives this treatment to {explanation.evaluation.share} %; bucket {explanation.bucket} of 100"
