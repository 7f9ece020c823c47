"""Evaluating a flag over the REST API."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from flagpost.serving.explain import Subject, explain_flag
from flagpost.web.guard import KeyHolder
from flagpost.web.state import Ctx, Served

router = APIRouter()


class EvaluationRequest(BaseModel):
    """The key to evaluate a flag for, with its attributes."""

    environment: str
    key: str = Field(max_length=250)
    attributes: dict[str, Any] = Field(default_factory=dict)
    bucketing_key: str | None = Field(default=None, max_length=250)


class Evaluated(BaseModel):
    """What the key gets. The buckets are null where none decided."""

    treatment: str
    label: str
    why: str
    configuration: str | None
    rule: int | None = Field(description="The targeting rule that decided, counted from 1.")
    bucket: int | None
    exposure_bucket: int | None
    change_number: int


@router.post("/projects/{project}/flags/{flag}/evaluate")
def evaluate(ctx: Ctx, served: Served, actor: KeyHolder, project: str, flag: str, body: EvaluationRequest) -> Evaluated:
    """What a key with attributes gets from a flag in an environment, and why. Nothing is counted."""
    subject = Subject(body.key, body.attributes, body.bucketing_key)
    explained = explain_flag(ctx, served, actor, project, flag, body.environment, subject)
    found = explained.explanation.evaluation
    return Evaluated(
        treatment=found.treatment,
        label=found.label,
        why=explained.why,
        configuration=found.configuration,
        rule=None if found.rule is None else found.rule + 1,
        bucket=explained.explanation.bucket,
        exposure_bucket=explained.explanation.exposure_bucket,
        change_number=found.change_number,
    )
