"""What applications were served: how often, when last, and, while a live tail is open, to whom.

Sums are by environment, flag, treatment and hour. Rows of single impressions are kept for minutes, and only for flags
whose live tail is open. A flag has sums of at most `MAX_TREATMENTS` treatments in an environment: everyone who has the
application knows its client-side key, and must not be able to fill the table with invented treatments. Further
treatments are counted as `UNKNOWN`.

Rows are written in the order of their keys. So two processes that write the same rows can wait for each other, but
never in a cycle.
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
"""The treatment of impressions that an SDK only counted."""
CONTROL = "control"
"""What SDKs answer when they do not know the flag."""
MAX_TREATMENTS = 30
MAX_RECENT = 200
RECENT_KEPT_MS = 5 * 60_000
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
_NAMES_PER_QUERY = 500


class SumKey(NamedTuple):
    """Which sum an impression belongs to: the flag by its name, the hour by the moment at which it begins."""

    environment_id: str
    flag: str
    treatment: str
    hour: int


@dataclass(frozen=True, slots=True)
class Sum:
    """How often a treatment was served, and when first and last, in milliseconds."""

    count: int
    first_at: int
    last_at: int

    def __add__(self, other: "Sum") -> "Sum":
        """The sum over both."""
        first, last = min(self.first_at, other.first_at), max(self.last_at, other.last_at)
        return Sum(self.count + other.count, first, last)


class RecentImpression(NamedTuple):
    """One impression, as the live tail shows it. `at` is by the application's clock."""

    key: str
    treatment: str
    label: str
    at: int


@dataclass(frozen=True, slots=True)
class _Flag:
    id: str
    treatments: set[str]

    def admit(self, treatment: str) -> str:
        """The treatment to count an impression as."""
        if treatment not in self.treatments and len(self.treatments) >= MAX_TREATMENTS:
            return UNKNOWN
        self.treatments.add(treatment)
        return treatment


def add(tx: Transaction, sums: Mapping[SumKey, Sum]) -> int:
    """Add to the stored sums. Returns the number of impressions of flags that the environment's project lacks."""
    rows: dict[tuple[str, str, int, str], Sum] = {}
    unknown = 0
    for environment_id, group in groupby(sorted(sums), key=lambda one: one.environment_id):
        keys = list(group)
        known = _flags_named(tx, environment_id, {one.flag for one in keys})
        for one in keys:
            flag = known.get(one.flag)
            if flag is None:
                unknown += sums[one].count
                continue
            row = (environment_id, flag.id, one.hour, flag.admit(one.treatment))
            rows[row] = rows[row] + sums[one] if row in rows else sums[one]
    _add_counts(tx, rows)
    return unknown


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
    for start in range(0, len(ordered), _NAMES_PER_QUERY):
        some = ordered[start : start + _NAMES_PER_QUERY]
        for row in tx.execute(query.where(flags.c.name.in_(some))):
            flag = found.setdefault(row.name, _Flag(row.id, set()))
            flag.treatments.update({row.treatment} - {None})
    return found


def _add_counts(tx: Transaction, sums: Mapping[tuple[str, str, int, str], Sum]) -> None:
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
    _widen_times(tx, sums)


def _widen_times(tx: Transaction, sums: Mapping[tuple[str, str, int, str], Sum]) -> None:
    """Move when each treatment was served first and last, where these sums begin earlier or end later."""
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


# Reading ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Column:
    """How often a treatment was served in the time step that begins at `start`."""

    start: int
    treatment: str
    count: int


def sums(tx: Transaction, environment_id: str, flag_id: str, start: int, end: int, step: int) -> list[Column]:
    """What was served from `start` up to `end`, in steps of `step` milliseconds (whole hours, counted from 1970)."""
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
    served = treatments_served.c
    query = sa.select(served.environment_id, sa.func.max(served.last_at).label("last_at")).where(
        served.flag_id == flag_id
    )
    return {row.environment_id: row.last_at for row in tx.execute(query.group_by(served.environment_id))}


# The live tail ----------------------------------------------------------------------------------------------------


def watch(tx: Transaction, environment_id: str, flag_id: str, until: int) -> None:
    """Have every process keep a flag's impressions for its live tail, until this moment at least."""
    new = insert_or(tx, watched_flags).values(environment_id=environment_id, flag_id=flag_id, until=until)
    tx.execute(new.on_conflict_do_update(index_elements=list(watched_flags.primary_key), set_={"until": until}))


def watched(tx: Transaction, now: int) -> dict[tuple[str, str], str]:
    """The ids of the flags whose live tail is open, by environment and the flag's name."""
    query = sa.select(watched_flags.c.environment_id, flags.c.name, flags.c.id).join_from(
        watched_flags, flags, flags.c.id == watched_flags.c.flag_id
    )
    return {(row.environment_id, row.name): row.id for row in tx.execute(query.where(watched_flags.c.until > now))}


def add_recent(
    tx: Transaction, environment_id: str, flag_id: str, impressions: Iterable[RecentImpression], now: int
) -> None:
    """Add to a flag's live tail, and delete the oldest beyond `MAX_RECENT`."""
    place = {"environment_id": environment_id, "flag_id": flag_id, "kept_at": now}
    rows = [{**one._asdict(), **place} for one in impressions]
    if not rows:
        return
    tx.execute(sa.insert(recent_impressions), rows)
    of_flag = (recent_impressions.c.environment_id == environment_id) & (recent_impressions.c.flag_id == flag_id)
    newest = sa.select(recent_impressions.c.id).where(of_flag).order_by(recent_impressions.c.id.desc())
    newest_surplus = newest.offset(MAX_RECENT).limit(1).scalar_subquery()
    tx.execute(sa.delete(recent_impressions).where(of_flag, recent_impressions.c.id <= newest_surplus))


def recent(tx: Transaction, environment_id: str, flag_id: str, kept_since: int, limit: int) -> list[RecentImpression]:
    """The newest impressions of a flag's live tail, of those that were stored since a moment."""
    of_flag = (recent_impressions.c.environment_id == environment_id) & (recent_impressions.c.flag_id == flag_id)
    columns = [recent_impressions.c[name] for name in RecentImpression._fields]
    query = sa.select(*columns).where(of_flag, recent_impressions.c.kept_at >= kept_since)
    query = query.order_by(recent_impressions.c.id.desc()).limit(limit)
    return [RecentImpression(*row) for row in tx.execute(query)]


def delete_recent(tx: Transaction, kept_before: int, now: int) -> None:
    """Delete the impressions of live tails that were stored before a moment, and the watches that have ended."""
    tx.execute(sa.delete(recent_impressions).where(recent_impressions.c.kept_at < kept_before))
    tx.execute(sa.delete(watched_flags).where(watched_flags.c.until < now))


def delete_sums(tx: Transaction, before: int) -> bool:
    """Delete the oldest hour of the sums, if it is before a moment, and treatments that were last served before it.

    Whether there was such an hour. The caller repeats it: one hour a transaction, so that no other writer waits long.
    """
    oldest: Any = tx.scalar(sa.select(sa.func.min(impression_sums.c.hour)))
    tx.execute(sa.delete(treatments_served).where(treatments_served.c.last_at < before))
    if oldest is None or oldest >= before:
        return False
    tx.execute(sa.delete(impression_sums).where(impression_sums.c.hour == oldest))
    return True
