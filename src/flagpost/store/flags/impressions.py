"""What applications were served: how often, when last, and, while somebody looks, to whom.

Sums are by environment, flag, treatment and hour; rows of single impressions are kept for those flags alone whose live
tail somebody has open, and for minutes. A flag has sums of `MOST_TREATMENTS` in an environment at most: a client-side
key is known to everybody who has the application, and must not fill the table with treatments that were made up. What
comes beyond is counted as `UNKNOWN`.

Rows are written in the order of their keys, so that processes which write the same ones wait for each other and never
in a circle.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple

import sqlalchemy as sa

from flagpost.store.db import Transaction, insert_or
from flagpost.store.schema.core import (
    environments,
    flags,
    impression_sums,
    recent_impressions,
    treatments_served,
    watched_flags,
)

UNKNOWN = ""
"""The treatment of what SDKs only count."""
CONTROL = "control"
"""What SDKs answer when they do not know the flag."""
MOST_TREATMENTS = 30
MOST_RECENT = 200
RECENT_KEPT_MS = 5 * 60_000
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
_NAMES_AT_ONCE = 500


class Served(NamedTuple):
    """Which sum an impression belongs to; the flag by its name, `hour` as the moment it begins."""

    environment_id: str
    flag: str
    treatment: str
    hour: int


@dataclass(frozen=True, slots=True)
class Sum:
    """How often, and when first and last."""

    count: int
    first_at: int
    last_at: int

    def __add__(self, other: "Sum") -> "Sum":
        """Both together."""
        first, last = min(self.first_at, other.first_at), max(self.last_at, other.last_at)
        return Sum(self.count + other.count, first, last)


class Recent(NamedTuple):
    """One impression, as the live tail shows it. `at` is by the application's clock."""

    key: str
    treatment: str
    label: str
    at: int


@dataclass(frozen=True, slots=True)
class _Flag:
    id: str
    treatments: set[str]

    def admitted(self, treatment: str) -> str:
        """The treatment to count as."""
        if treatment not in self.treatments and len(self.treatments) >= MOST_TREATMENTS:
            return UNKNOWN
        self.treatments.add(treatment)
        return treatment


def keep(tx: Transaction, heard: Mapping[Served, Sum]) -> int:
    """Add to the sums. How many impressions were of flags that are not in their environment's project."""
    sums: dict[tuple[str, str, int, str], Sum] = {}
    strange = 0
    for environment_id, group in groupby(sorted(heard), key=lambda one: one.environment_id):
        mine = list(group)
        known = _flags_named(tx, environment_id, {one.flag for one in mine})
        for one in mine:
            flag = known.get(one.flag)
            if flag is None:
                strange += heard[one].count
                continue
            key = (environment_id, flag.id, one.hour, flag.admitted(one.treatment))
            sums[key] = sums[key] + heard[one] if key in sums else heard[one]
    _add(tx, sums)
    return strange


def _flags_named(tx: Transaction, environment_id: str, names: Collection[str]) -> dict[str, _Flag]:
    found: dict[str, _Flag] = {}
    served = (treatments_served.c.flag_id == flags.c.id) & (treatments_served.c.environment_id == environments.c.id)
    query = (
        sa.select(flags.c.id, flags.c.name, treatments_served.c.treatment)
        .join_from(environments, flags, flags.c.project_id == environments.c.project_id)
        .outerjoin(treatments_served, served)
        .where(environments.c.id == environment_id)
    )
    ordered = sorted(names)
    for start in range(0, len(ordered), _NAMES_AT_ONCE):
        some = ordered[start : start + _NAMES_AT_ONCE]
        for row in tx.execute(query.where(flags.c.name.in_(some))):
            flag = found.setdefault(row.name, _Flag(row.id, set()))
            flag.treatments.update({row.treatment} - {None})
    return found


def _add(tx: Transaction, sums: Mapping[tuple[str, str, int, str], Sum]) -> None:
    rows = [
        {"environment_id": place, "flag_id": flag, "hour": hour, "treatment": treatment, "count": sums[key].count}
        for key in sorted(sums)
        for place, flag, hour, treatment in (key,)
    ]
    if not rows:
        return
    new = insert_or(tx, impression_sums)
    more = {"count": impression_sums.c.count + new.excluded.count}
    tx.execute(new.on_conflict_do_update(index_elements=list(impression_sums.primary_key), set_=more), rows)
    _note_times(tx, sums)


def _note_times(tx: Transaction, sums: Mapping[tuple[str, str, int, str], Sum]) -> None:
    times: dict[tuple[str, str, str], Sum] = {}
    for (environment_id, flag_id, _hour, treatment), one in sums.items():
        key = (flag_id, environment_id, treatment)
        times[key] = times[key] + one if key in times else one
    rows = [
        {
            "flag_id": flag,
            "environment_id": place,
            "treatment": treatment,
            "first_at": times[key].first_at,
            "last_at": times[key].last_at,
        }
        for key in sorted(times)
        for flag, place, treatment in (key,)
    ]
    new, old = insert_or(tx, treatments_served), treatments_served.c
    wider = {
        "first_at": sa.case((new.excluded.first_at < old.first_at, new.excluded.first_at), else_=old.first_at),
        "last_at": sa.case((new.excluded.last_at > old.last_at, new.excluded.last_at), else_=old.last_at),
    }
    tx.execute(new.on_conflict_do_update(index_elements=list(treatments_served.primary_key), set_=wider), rows)


# Looking ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Column:
    """How often a treatment was served in the time that begins at `start`."""

    start: int
    treatment: str
    count: int


def sums(tx: Transaction, environment_id: str, flag_id: str, start: int, end: int, step: int) -> list[Column]:
    """What was served from `start` up to `end`, each in steps of this many milliseconds (whole hours, from 1970 on)."""
    begins = (impression_sums.c.hour - impression_sums.c.hour % step).label("begins")
    query = (
        sa.select(begins, impression_sums.c.treatment, sa.func.sum(impression_sums.c.count))
        .where(impression_sums.c.environment_id == environment_id, impression_sums.c.flag_id == flag_id)
        .where(impression_sums.c.hour >= start, impression_sums.c.hour < end)
        .group_by(begins, impression_sums.c.treatment)
        .order_by(begins, impression_sums.c.treatment)
    )
    return [Column(begin, treatment, int(count)) for begin, treatment, count in tx.execute(query)]


def last_traffic(tx: Transaction, flag_id: str) -> dict[str, int]:
    """When a flag was served last, by the id of the environment."""
    mine = treatments_served.c
    query = sa.select(mine.environment_id, sa.func.max(mine.last_at).label("last_at")).where(mine.flag_id == flag_id)
    return {row.environment_id: row.last_at for row in tx.execute(query.group_by(mine.environment_id))}


# The live tail ----------------------------------------------------------------------------------------------------


def watch(tx: Transaction, environment_id: str, flag_id: str, until: int) -> None:
    """Somebody looks at a flag's impressions, until then at least."""
    new = insert_or(tx, watched_flags).values(environment_id=environment_id, flag_id=flag_id, until=until)
    tx.execute(new.on_conflict_do_update(index_elements=list(watched_flags.primary_key), set_={"until": until}))


def watched(tx: Transaction, now: int) -> dict[tuple[str, str], str]:
    """The ids of the flags that somebody looks at, by environment and the flag's name."""
    query = sa.select(watched_flags.c.environment_id, flags.c.name, flags.c.id).join_from(
        watched_flags, flags, flags.c.id == watched_flags.c.flag_id
    )
    return {(row.environment_id, row.name): row.id for row in tx.execute(query.where(watched_flags.c.until > now))}


def keep_recent(tx: Transaction, environment_id: str, flag_id: str, impressions: Iterable[Recent], now: int) -> None:
    """Add to a flag's live tail; its oldest give way."""
    place = {"environment_id": environment_id, "flag_id": flag_id, "kept_at": now}
    rows = [{**one._asdict(), **place} for one in impressions]
    if not rows:
        return
    tx.execute(sa.insert(recent_impressions), rows)
    mine = (recent_impressions.c.environment_id == environment_id) & (recent_impressions.c.flag_id == flag_id)
    newest = sa.select(recent_impressions.c.id).where(mine).order_by(recent_impressions.c.id.desc())
    last_to_go = newest.offset(MOST_RECENT).limit(1).scalar_subquery()
    tx.execute(sa.delete(recent_impressions).where(mine, recent_impressions.c.id <= last_to_go))


def recent(tx: Transaction, environment_id: str, flag_id: str, kept_since: int, limit: int) -> list[Recent]:
    """The newest of a flag's live tail, of those that were kept since a moment."""
    mine = (recent_impressions.c.environment_id == environment_id) & (recent_impressions.c.flag_id == flag_id)
    columns = [recent_impressions.c[name] for name in Recent._fields]
    query = sa.select(*columns).where(mine, recent_impressions.c.kept_at >= kept_since)
    query = query.order_by(recent_impressions.c.id.desc()).limit(limit)
    return [Recent(*row) for row in tx.execute(query)]


def forget_recent(tx: Transaction, kept_before: int, now: int) -> None:
    """Drop what was kept of live tails before a moment, and watches that have ended."""
    tx.execute(sa.delete(recent_impressions).where(recent_impressions.c.kept_at < kept_before))
    tx.execute(sa.delete(watched_flags).where(watched_flags.c.until < now))


def forget_sums(tx: Transaction, before: int) -> bool:
    """Drop the oldest hour of the sums, if it is from before a moment, and what was not served since then.

    Whether there was one: an hour at a time, so that nobody waits for long.
    """
    oldest: Any = tx.scalar(sa.select(sa.func.min(impression_sums.c.hour)))
    tx.execute(sa.delete(treatments_served).where(treatments_served.c.last_at < before))
    if oldest is None or oldest >= before:
        return False
    tx.execute(sa.delete(impression_sums).where(impression_sums.c.hour == oldest))
    return True
