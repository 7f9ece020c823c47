"""The REST API's route for a flag's traffic: the treatments that applications were served."""

from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from flagpost.actions.flags.impressions import Period, get_traffic
from flagpost.web.guard import KeyHolder
from flagpost.web.state import Ctx

router = APIRouter()
_Moment = Annotated[int | None, Query(ge=0, lt=1 << 53)]


@dataclass(frozen=True, slots=True)
class PeriodQuery:
    """The time to count over, in milliseconds, and whether by the hour or the day."""

    by: Literal["hour", "day"] = "hour"
    start: _Moment = None
    end: _Moment = None


class ServedTreatment(BaseModel):
    """How often a treatment was served in the step that begins at `start`; null where an SDK sent counts only."""

    start: int
    treatment: str | None
    count: int


class FlagTraffic(BaseModel):
    """The traffic from `start` to `end`, in steps of `step` milliseconds (UTC); steps without traffic are left out."""

    environment: str
    environment_id: str
    start: int
    end: int
    step: int
    last_traffic: int | None
    served: list[ServedTreatment]


@router.get("/projects/{project}/flags/{flag}/traffic")
def show_traffic(
    ctx: Ctx,
    actor: KeyHolder,
    project: str,
    flag: str,
    environment: str,
    period: Annotated[PeriodQuery, Depends()],
) -> FlagTraffic:
    """How often each treatment was served in an environment, by the hour or the day."""
    found = get_traffic(ctx, actor, project, flag, environment, Period(period.by, period.start, period.end))
    served = [
        ServedTreatment(start=one.start, treatment=one.treatment or None, count=one.count) for one in found.columns
    ]
    return FlagTraffic(
        environment=found.environment.name,
        environment_id=found.environment.id,
        start=found.start,
        end=found.end,
        step=found.step,
        last_traffic=found.last_at,
        served=served,
    )
