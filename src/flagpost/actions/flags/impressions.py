"""What applications were served of a flag, for those who may see the flag."""

from dataclasses import dataclass

from flagpost.actions.access import Actor, Right
from flagpost.actions.context import Context
from flagpost.actions.lookup import get_visible_environment, get_visible_flag, get_visible_project
from flagpost.actions.unit_of_work import Change, transactional
from flagpost.errors import InvalidInput
from flagpost.store.db import Transaction
from flagpost.store.flags import impressions
from flagpost.store.flags.impressions import DAY_MS, HOUR_MS, RECENT_KEPT_MS, Column, Recent
from flagpost.store.records import Environment, Flag

STEPS = {"hour": HOUR_MS, "day": DAY_MS}
MOST_STEPS = 1000
_WATCHED_MS = 15_000
_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Traffic:
    """How often each treatment of a flag was served in an environment, from `start` up to `end`.

    One column for each step (of `step` milliseconds, UTC) and treatment that there was any of. The treatment is empty
    where an SDK only counted.
    """

    environment: Environment
    start: int
    end: int
    step: int
    columns: list[Column]
    last_at: int | None


def traffic_of_flag(
    ctx: Context,
    actor: Actor,
    project: str,
    flag: str,
    environment: str,
    *,
    by: str,
    start: int | None,
    end: int | None,
) -> Traffic:
    """What was served by the `hour` or the `day`; by default the last day of hours, or the last thirty of days."""
    first, last, step = _time(ctx.clock(), by, start, end)
    with ctx.db.read() as tx:
        place, one = _reach(tx, actor, project, flag, environment)
        columns = impressions.sums(tx, place.id, one.id, first, last, step)
        return Traffic(place, first, last, step, columns, impressions.last_traffic(tx, one.id).get(place.id))


def _time(now: int, by: str, start: int | None, end: int | None) -> tuple[int, int, int]:
    """From the beginning of a step to the end of one."""
    if by not in STEPS:
        raise InvalidInput(f"Choose one of {', '.join(STEPS)}.", "by")
    step, many = STEPS[by], {"hour": 24, "day": 30}[by]
    last = -(-(now + 1 if end is None else end) // step) * step
    first = last - many * step if start is None else start // step * step
    if not 0 <= first < last < 1 << 53 or (start is not None and end is not None and end <= start):
        raise InvalidInput("The time ends before it begins.", "start")
    if last - first > MOST_STEPS * step:
        raise InvalidInput(f"Ask for {MOST_STEPS} {by}s at most.", "start")
    return first, last, step


def last_traffic(ctx: Context, actor: Actor, project: str, flag: str) -> dict[str, int]:
    """When a flag was served last, by the id of the environment; those without traffic are left out."""
    actor.require(Right.VIEW_FLAGS)
    with ctx.db.read() as tx:
        return impressions.last_traffic(tx, get_visible_flag(tx, get_visible_project(tx, actor, project), flag).id)


@transactional
def live_tail(change: Change, project: str, flag: str, environment: str) -> list[Recent]:
    """The newest impressions, from every process; they come within seconds while this is asked again and again."""
    place, one = _reach(change.tx, change.actor, project, flag, environment)
    impressions.watch(change.tx, place.id, one.id, change.now + _WATCHED_MS)
    return impressions.recent(change.tx, place.id, one.id, change.now - RECENT_KEPT_MS, _SHOWN)


def _reach(tx: Transaction, actor: Actor, project: str, flag: str, environment: str) -> tuple[Environment, Flag]:
    actor.require(Right.VIEW_FLAGS)
    home = get_visible_project(tx, actor, project)
    return get_visible_environment(tx, actor, home, environment), get_visible_flag(tx, home, flag)
