"""Which requests an outbox entry carries, so that the log can name them when the entry is delivered.

A request here is whatever the log calls `request`: a call of the API or the console, or one run of a periodic task.
Every version of an entry was raised by at most one request. Delivering a version removes its row and those of all
earlier versions, so a later repair or resync never names the request of a change that Jira shows already.
"""

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa

from flagpost.store.db import Condition, Transaction
from flagpost.store.schema.jira import outbox_entries, outbox_requests

MOST_NAMED = 10
"""How many request ids a log line lists at most."""

_PENDING = (
    sa.select(outbox_requests.c.request_id, sa.func.count().over())
    .where(
        outbox_requests.c.flag_id == outbox_entries.c.flag_id,
        outbox_requests.c.version <= outbox_entries.c.latest_version,
        outbox_entries.c.flag_id.in_(sa.bindparam("flags", expanding=True)),
    )
    .group_by(outbox_requests.c.request_id)
    .order_by(sa.func.max(outbox_requests.c.version).desc())
    .limit(MOST_NAMED)
)
_DELIVERED = sa.exists().where(
    outbox_entries.c.flag_id == outbox_requests.c.flag_id,
    outbox_requests.c.version <= outbox_entries.c.delivered_version,
)


@dataclass(frozen=True, slots=True)
class CarriedRequests:
    """The requests whose changes are pending: the ids of the newest ten at most, and how many `more` there are."""

    ids: tuple[str, ...] = ()
    more: int = 0


def add(tx: Transaction, entries: Condition, request_id: str) -> None:
    """Note that this request raised the latest version of these entries, which the transaction has locked.

    An empty `request_id` notes nothing: the change was not made for a request.
    """
    if request_id:
        raised = sa.select(outbox_entries.c.flag_id, outbox_entries.c.latest_version, sa.literal(request_id))
        columns = ["flag_id", "version", "request_id"]
        tx.execute(sa.insert(outbox_requests).from_select(columns, raised.where(entries)))


def carried_by(tx: Transaction, flag_ids: Collection[str]) -> CarriedRequests:
    """The requests that the entries of these flags carry, each once."""
    rows = list(tx.execute(_PENDING, {"flags": list(flag_ids)})) if flag_ids else []
    if not rows:
        return CarriedRequests()
    return CarriedRequests(tuple(id for id, _ in rows), rows[0][1] - len(rows))


def remove_delivered(tx: Transaction, flag_ids: Collection[str]) -> None:
    """Remove the requests of the versions of these flags that Jira has answered for."""
    tx.execute(sa.delete(outbox_requests).where(outbox_requests.c.flag_id.in_(flag_ids), _DELIVERED))
