"""Change requests: what somebody wants to become of a flag or segment, until others have decided."""

import sqlalchemy as sa

from flagpost.store.change_request_tables import OPEN, change_requests
from flagpost.store.db import Transaction

_OPEN = change_requests.c.status.in_(OPEN)


def open_id(tx: Transaction, object_id: str, environment_id: str) -> str | None:
    """The id of the change request that locks a flag or segment in an environment."""
    here = (change_requests.c.object_id == object_id) & (change_requests.c.environment_id == environment_id)
    found: str | None = tx.scalar(sa.select(change_requests.c.id).where(here, _OPEN))
    return found
