"""Flags that look as if they could be removed from the code: nobody asks for them, or everybody gets the same.

Both are said only of active flags that are older than the time that is looked at, were set up nowhere within it, and
do not have the rollout status *Permanent*; and only once their project has had traffic for that long, because before
nothing can be told from there being none.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa

from flagpost.flags.model import FlagStatus
from flagpost.store.db import Condition, Transaction
from flagpost.store.flags.impressions import CONTROL, UNKNOWN
from flagpost.store.schema.core import definitions, environments, flags, rollout_statuses, treatments_served

Kind = Literal["unused", "settled", "any"]
PERMANENT = "Permanent"
_SERVED = treatments_served.c


@dataclass(frozen=True, slots=True)
class Candidates:
    """Those of a project, judged by what has happened since a moment.

    `unused`: no traffic in any environment. `settled`: one and the same treatment in this environment, from before
    that moment on. What SDKs only count has no treatment, and *control* is what they say before they are ready;
    neither tells anything.
    """

    project_id: str
    environment_id: str
    since: int

    def condition(self, kind: Kind) -> Condition:
        """That a flag of the project is one of this kind."""
        shown = {"unused": self._unused(), "settled": self._settled()}
        either = sa.or_(*shown.values()) if kind == "any" else shown[kind]
        return sa.and_(self._old_enough(), either)

    def marks(self, tx: Transaction, flag_ids: Collection[str]) -> dict[str, str]:
        """Those of these flags that are candidates, each with its only treatment; empty where there is no traffic."""
        only = sa.select(sa.func.max(_SERVED.treatment)).where(self._named()).scalar_subquery()
        shown = sa.case((self._unused(), ""), else_=only)
        query = sa.select(flags.c.id, shown.label("treatment")).where(flags.c.id.in_(flag_ids))
        return {row.id: row.treatment for row in tx.execute(query.where(self.condition("any")))}

    def _old_enough(self) -> Condition:
        permanent = sa.select(rollout_statuses.c.id).where(
            rollout_statuses.c.project_id == self.project_id, rollout_statuses.c.name == PERMANENT
        )
        set_up_since = sa.exists().where(definitions.c.flag_id == flags.c.id, definitions.c.created_at > self.since)
        places = sa.select(environments.c.id).where(environments.c.project_id == self.project_id)
        counted = sa.exists().where(_SERVED.environment_id.in_(places), _SERVED.first_at <= self.since)
        return sa.and_(
            flags.c.status != FlagStatus.ARCHIVED.value,  # no index has this: SQLite is to find `marks` by their ids
            flags.c.created_at <= self.since,
            flags.c.rollout_status_id.not_in(permanent),
            ~set_up_since,
            counted,
        )

    def _unused(self) -> Condition:
        return ~sa.exists().where(_SERVED.flag_id == flags.c.id, _SERVED.last_at > self.since)

    def _named(self) -> Condition:
        """Treatments that were served in this environment in that time."""
        return sa.and_(
            _SERVED.flag_id == flags.c.id,
            _SERVED.environment_id == self.environment_id,
            _SERVED.last_at > self.since,
            _SERVED.treatment.not_in((UNKNOWN, CONTROL)),
        )

    def _settled(self) -> Condition:
        count, first = sa.func.count(), sa.func.min(_SERVED.first_at)
        one = (
            sa.select(sa.literal(1))
            .where(self._named())
            .group_by(_SERVED.flag_id)
            .having(count == 1, first <= self.since)
        )
        return sa.exists(one.correlate(flags))
