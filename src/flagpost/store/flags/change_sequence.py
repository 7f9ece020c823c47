"""The numbers by which SDKs ask what has changed in an environment: each is larger than every one before it.

*Problem*: an SDK that has seen number 7 asks for the changes after 7. If a change took number 6 and was committed after
the change with number 7, that SDK would never receive it. So the order of the numbers has to be the order of the
commits. *Solution*: one row an environment holds the last number. A change raises it, and with that holds the row's
lock until its commit; the next change waits. On SQLite there is one writer anyway. A number is the time in milliseconds
where that is larger, so that it reads as a time, as Split's numbers do.

The number is taken last in a transaction, and for several environments in the order of their ids (`store.locks`): then
no two changes wait for each other.
"""

import sqlalchemy as sa

from flagpost.store.db import Transaction, insert_or
from flagpost.store.schema.targeting import change_sequence


def next_change_number(tx: Transaction, environment_id: str, now: int) -> int:
    """Raise an environment's number. Its row stays locked until the commit."""
    new = insert_or(tx, change_sequence).values(environment_id=environment_id, last=now)
    successor = change_sequence.c.last + 1
    larger = sa.case((new.excluded.last > successor, new.excluded.last), else_=successor)
    query = new.on_conflict_do_update(index_elements=["environment_id"], set_={"last": larger})
    number: int = tx.execute(query.returning(change_sequence.c.last)).scalar_one()
    return number
