"""Seeds that came with a flag from Split, so that everybody stays in the share they are in.

They belong to the flag and the environment, not to the definition: one that is removed and made anew deals as before.
"""

import sqlalchemy as sa

from flagpost.flags.bucketing import Seeds
from flagpost.store.db import Transaction, insert_or
from flagpost.store.schema.targeting import carried_seeds


def put(tx: Transaction, flag_id: str, environment_id: str, seeds: Seeds) -> bool:
    """Have a flag dealt out by these seeds in an environment; whether that is new. The caller notes the change."""
    here = (carried_seeds.c.flag_id == flag_id) & (carried_seeds.c.environment_id == environment_id)
    row = {"shares": seeds.shares, "exposure": seeds.exposure}
    there = tx.execute(sa.select(carried_seeds.c.shares, carried_seeds.c.exposure).where(here)).first()
    if there and Seeds(*there) == seeds:
        return False
    new = insert_or(tx, carried_seeds).values(flag_id=flag_id, environment_id=environment_id, **row)
    tx.execute(new.on_conflict_do_update(index_elements=["flag_id", "environment_id"], set_=row))
    return True
