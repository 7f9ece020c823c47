"""The numbers by which SDKs ask what has changed in an environment: each is larger than every one before it.

*Problem*: an SDK that has seen number 7 asks for what came after 7. If a change took number 6 and was committed after
the one with 7, that SDK would never hear of it. So the order of the numbers has to be the order of the commits.
*Solution*: one row an environment holds the last number given out. Whoever changes something there raises it, and with
that holds the row's lock until the commit; the next one waits. On SQLite there is one writer anyway. A number is the
time in milliseconds where that is larger, so that it reads as a time, as Split's does.

Take it as the last thing before the commit, and for several environments in the order of their ids: then no two
changes wait for each other.
"""

import sqlalchemy as sa

from flagpost.store.db import Transaction, insert_or
from flagpost.store.schema.targeting import change_numbers


def next_change_number(tx: Transaction, environment_id: str, now: int) -> int:
    """The next number of an environment."""
    new = insert_or(tx, change_numbers).values(environment_id=environment_id, last=now)
    following = change_numbers.c.last + 1
    larger = sa.case((new.excluded.last > following, new.excluded.last), else_=following)
    query = new.on_conflict_do_update(index_elements=["environment_id"], set_={"last": larger})
    number: int = tx.execute(query.returning(change_numbers.c.last)).scalar_one()
    return number
