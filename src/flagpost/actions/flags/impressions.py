"""How often applications were served a flag, for users who may see the flag."""

from dataclasses import dataclass

from flagpost.actions.access import Actor, Right
from flagpost.actions.context import Context
from flagpost.actions.lookup import get_visible_environment, get_visible_flag, get_visible_project
from flagpost.actions.unit_of_work import Change, transactional
from flagpost.errors import InvalidInput
from flagpost.store.db import Transaction
from flagpost.store.flags import impressions
from flagpost.store.flags.impressions import DAY_MS, HOUR_MS, RECENT_KEPT_MS, Column, RecentImpression
from flagpost.store.records import Environment, Flag

STEPS = {"hour": HOUR_MS, "day": DAY_MS}
MAX_STEPS = 1000
_DEFAULT_STEPS = {"hour": 24, "day": 30}
_WATCHED_MS = 15_000
_MAX_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Period:
    """A time to count over, by the `hour` or the `day`: from `start` to `end` in milliseconds.

    Without `end` it ends now; without `start` it covers a day of hours, or thirty days.
    """

    by: str = "hour"
    start: int | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Traffic:
    """How often each treatment of a flag was served in an environment, from `start` up to `end`.

    There is one column for each step (of `step` milliseconds, UTC) and treatment that was served. The treatment is
    empty where an SDK only counted.
    """

    environment: Environment
    start: int
    end: int
    step: int
    columns: list[Column]
    last_at: int | None


def get_traffic(ctx: Context, actor: Actor, project: str, flag: str, environment: str, period: Period) -> Traffic:
    """What was served in a period, widened to whole steps. InvalidInput where it is empty or has too many steps."""
    with ctx.db.read() as tx:
        place, found = _get_visible(tx, actor, project, flag, environment)
        return read_traffic(tx, place, found.id, period, ctx.clock())


def read_traffic(tx: Transaction, place: Environment, flag_id: str, period: Period, now: int) -> Traffic:
    """Within a transaction: what was served of a flag in a period, as in `get_traffic`."""
    start, end, step = _whole_steps(period, now)
    columns = impressions.sums(tx, place.id, flag_id, start, end, step)
    return Traffic(place, start, end, step, columns, impressions.last_traffic(tx, flag_id).get(place.id))


def _whole_steps(period: Period, now: int) -> tuple[int, int, int]:
    """The beginning of the first step, the end of the last, and the length of a step."""
    if period.by not in STEPS:
        raise InvalidInput(f"Choose one of {', '.join(STEPS)}.", "by")
    step = STEPS[period.by]
    end = -(-(now + 1 if period.end is None else period.end) // step) * step
    start = end - _DEFAULT_STEPS[period.by] * step if period.start is None else period.start // step * step
    is_reversed = period.start is not None and period.end is not None and period.end <= period.start
    if is_reversed or not 0 <= start < end < 1 << 53:
        raise InvalidInput("The time ends before it begins.", "start")
    if end - start > MAX_STEPS * step:
        raise InvalidInput(f"Ask for {MAX_STEPS} {period.by}s at most.", "start")
    return start, end, step


@transactional
def live_tail(change: Change, project: str, flag: str, environment: str) -> list[RecentImpression]:
    """The newest impressions, from every process. They arrive within seconds while a page calls this repeatedly."""
    place, found = _get_visible(change.tx, change.actor, project, flag, environment)
    impressions.watch(change.tx, place.id, found.id, change.now + _WATCHED_MS)
    return impressions.recent(change.tx, place.id, found.id, change.now - RECENT_KEPT_MS, _MAX_SHOWN)


def _get_visible(tx: Transaction, actor: Actor, project: str, flag: str, environment: str) -> tuple[Environment, Flag]:
    actor.require(Right.VIEW_FLAGS)
    found = get_visible_project(tx, actor, project)
    return get_visible_environment(tx, actor, found, environment), get_visible_flag(tx, found, flag)
