"""Seeds that were imported with a flag from Split, so that every key stays in the share that it is in.

A seed belongs to a flag and an environment and not to the definition there: a definition that is removed and created
again shuffles keys as before.
"""

import sqlalchemy as sa

from flagpost.flags.bucketing import Seeds
from flagpost.store.db import Transaction, insert_or
from flagpost.store.schema.targeting import seed_overrides


def put(tx: Transaction, flag_id: str, environment_id: str, seeds: Seeds) -> bool:
    """Shuffle a flag's keys by these seeds in an environment. Whether that differs; the caller records the change."""
    here = (seed_overrides.c.flag_id == flag_id) & (seed_overrides.c.environment_id == environment_id)
    row = {"shares": seeds.shares, "exposure": seeds.exposure}
    there = tx.execute(sa.select(seed_overrides.c.shares, seed_overrides.c.exposure).where(here)).first()
    if there and Seeds(*there) == seeds:
        return False
    new = insert_or(tx, seed_overrides).values(flag_id=flag_id, environment_id=environment_id, **row)
    tx.execute(new.on_conflict_do_update(index_elements=["flag_id", "environment_id"], set_=row))
    return True
