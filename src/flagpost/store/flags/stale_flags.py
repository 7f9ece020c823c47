"""Stale flags: no application evaluates them, or every evaluation gives one treatment. Their code can be removed.

A flag is judged by a period that ends now. It can be stale only if it is active, older than the period, was not set up
in any environment within it, and does not have the rollout status *Permanent*. Its project has to have had traffic for
the whole period, because without any traffic nothing follows from a flag without.
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
class StaleFlags:
    """The stale flags of a project, judged by what has happened since a moment.

    `unused`: no traffic in any environment. `settled`: one treatment in this environment, since before that moment.
    Impressions that an SDK only counts have no treatment, and *control* is what SDKs answer before they are ready, so
    neither counts as a treatment.
    """

    project_id: str
    environment_id: str
    since: int

    def condition(self, kind: Kind) -> Condition:
        """The condition that a flag of the project is stale, of this kind."""
        shown = {"unused": self._unused(), "settled": self._settled()}
        either = sa.or_(*shown.values()) if kind == "any" else shown[kind]
        return sa.and_(self._old_enough(), either)

    def marks(self, tx: Transaction, flag_ids: Collection[str]) -> dict[str, str]:
        """The stale ones of these flags, each with its only treatment; empty for a flag without traffic."""
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
        """The condition of a treatment that was served in this environment within the period."""
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
