"""The flags that other flags ask for as prerequisites, read level by level: no query where no flag has any."""

from collections.abc import Iterable

import sqlalchemy as sa

from flagpost.flags.definition_json import load
from flagpost.flags.model import Definition, FlagStatus
from flagpost.flags.prerequisites import PrerequisiteState
from flagpost.store.db import Transaction
from flagpost.store.schema.core import definitions, flags

_BY_NAME = (
    sa.select(definitions.c.environment_id, flags.c.name, definitions.c.body, definitions.c.killed)
    .join_from(definitions, flags, definitions.c.flag_id == flags.c.id)
    .where(flags.c.status == FlagStatus.ACTIVE.value)
    .where(definitions.c.environment_id.in_(sa.bindparam("environments", expanding=True)))
    .where(flags.c.name.in_(sa.bindparam("names", expanding=True)))
)

States = dict[str, PrerequisiteState]


def load_prerequisites(tx: Transaction, asking: Iterable[tuple[str, Definition]]) -> dict[str, States]:
    """By environment id and name, the flags that these definitions ask for, and those that these ask for in turn.

    `asking` are pairs of an environment's id and a definition there. A flag without a definition there is left out.
    """
    found: dict[str, States] = {}
    wanted = _names(asking)
    while wanted:
        names = sorted(set().union(*wanted.values()))
        rows = list(tx.execute(_BY_NAME, {"environments": list(wanted), "names": names}))
        for row in rows:
            state = PrerequisiteState(load(row.body), row.killed)
            found.setdefault(row.environment_id, {}).setdefault(row.name, state)
        new = _names((row.environment_id, found[row.environment_id][row.name].definition) for row in rows)
        unread = {place: some - found[place].keys() for place, some in new.items()}
        wanted = {place: some for place, some in unread.items() if some}
    return found


def _names(asking: Iterable[tuple[str, Definition]]) -> dict[str, set[str]]:
    """The names of the flags that are asked for, by environment."""
    names: dict[str, set[str]] = {}
    for environment, definition in asking:
        if definition.prerequisites:
            names.setdefault(environment, set()).update(one.flag for one in definition.prerequisites)
    return names
