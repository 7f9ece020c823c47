"""Trying a flag: what somebody would get, and why, as the applications of the environment get it now."""

import json
from dataclasses import dataclass
from typing import Any

from flagpost.actions.access import Actor, Right
from flagpost.actions.context import Context
from flagpost.actions.lookup import get_visible_environment, get_visible_flag, get_visible_project
from flagpost.errors import InvalidInput
from flagpost.flags.conditions import Reason
from flagpost.flags.evaluation import Explanation
from flagpost.serving.environments import Environments

_MOST_CHARACTERS = 250


@dataclass(frozen=True, slots=True)
class Explained:
    """The answer, and in a sentence what decided."""

    explanation: Explanation
    why: str


def explain_flag(
    ctx: Context,
    environments: Environments,
    actor: Actor,
    project: str,
    flag: str,
    environment: str,
    *,
    key: str,
    attributes: dict[str, Any],
    bucketing_key: str | None = None,
) -> Explained:
    """What this key with these attributes gets. InvalidInput where there is no key, or it is too long.

    Nothing is counted as traffic. A change that was saved a moment ago is in it.
    """
    actor.require(Right.VIEW_FLAGS)
    for name, value in (("key", key), ("bucketing_key", bucketing_key or "-")):
        if not value or len(value) > _MOST_CHARACTERS:
            raise InvalidInput(f"A key has 1 to {_MOST_CHARACTERS} characters.", name)
    with ctx.db.read() as tx:
        found = get_visible_project(tx, actor, project)
        place = get_visible_environment(tx, actor, found, environment)
        name = get_visible_flag(tx, found, flag).name
    served = environments.as_of_now(found.id, place.id)
    explanation = served.snapshot.explain(name, key, attributes, bucketing_key)
    return Explained(explanation, _why(explanation))


def read_attributes(text: str) -> dict[str, Any]:
    """Attributes as somebody types them: a JSON object, or nothing. InvalidInput for anything else."""
    if not text.strip():
        return {}
    try:
        read = json.loads(text)
    except ValueError as error:
        raise InvalidInput(f"The attributes are not JSON: {error}.", "attributes") from None
    if not isinstance(read, dict):
        raise InvalidInput('Attributes are a JSON object: {"plan": "pro"}.', "attributes")
    return read


def _why(explanation: Explanation) -> str:
    evaluation = explanation.evaluation
    match evaluation.reason:
        case Reason.NOT_FOUND:
            return "The flag is not set up in this environment, or archived. Applications get control."
        case Reason.EXCEPTION:
            return "It could not be evaluated. Do flags ask for each other's treatment in a circle?"
        case Reason.KILLED:
            return "The flag is killed: everybody gets the default treatment."
        case Reason.PREREQUISITES:
            return "A prerequisite is not met, so the default treatment is given."
        case Reason.INDIVIDUAL_TARGET:
            return "An individual target, before every rule."
        case Reason.LEFT_OUT:
            return f"Left out by limit exposure: bucket {explanation.exposure_bucket} of 100 is above it."
        case Reason.RULE:
            return f"Rule {(evaluation.rule or 0) + 1}: {evaluation.label}{_dealt(explanation)}."
        case Reason.DEFAULT_RULE:
            return f"No rule matched: the default rule{_dealt(explanation)}."


def _dealt(explanation: Explanation) -> str:
    if explanation.bucket is None:
        return ""
    return f", which gives this treatment to {explanation.evaluation.share} %; bucket {explanation.bucket} of 100"
