"""What definitions refer to: other flags, segments and flag sets, and which definitions refer to one of these.

A definition keeps these references in its JSON. The table here is an index of them: `store.flags.definitions` writes it
with every definition, so that it never differs, and a reference is found by one look at an index however many
definitions there are.

*Problem*: of two saves at once, one makes A depend on B and the other makes B depend on A. Neither sees the other's, so
both are allowed, and neither flag could be decided. *Solution*: a save locks the flags that it depends on beside its
own (`store.flags.flags.lock_with_dependencies`). The second save waits, and then sees what the first one saved. The
lock also keeps a flag from being archived while a save makes another flag depend on it.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

import sqlalchemy as sa

from flagpost.flags.definition_json import load
from flagpost.flags.dependency_graph import flag_dependencies
from flagpost.flags.segment_rules import segments_named
from flagpost.store.db import Transaction
from flagpost.store.schema.core import definition_dependencies, definitions, environments, flags

Kind = Literal["flag", "segment", "flag_set"]
Reference = tuple[str, str]
"""A kind, and the name of the flag or segment or the id of the flag set."""

_THOSE = sa.select(definition_dependencies.c.kind, definition_dependencies.c.target).where(
    definition_dependencies.c.definition_id == sa.bindparam("definition")
)


def references_in(body: Mapping[str, Any]) -> set[Reference]:
    """The flags and segments that a definition refers to, in the shape that is stored."""
    flags_named = {("flag", name) for _, name in flag_dependencies(load(body))}
    return flags_named | {("segment", name) for name in segments_named(body)}


def replace(tx: Transaction, definition_id: str, new: set[Reference], kinds: Collection[str]) -> None:
    """A definition refers to exactly these, of the kinds that are named."""
    old = {(kind, target) for kind, target in tx.execute(_THOSE, {"definition": definition_id}) if kind in kinds}
    mine = definition_dependencies.c.definition_id == definition_id
    for kind, target in sorted(old - new):
        one = (definition_dependencies.c.kind == kind) & (definition_dependencies.c.target == target)
        tx.execute(sa.delete(definition_dependencies).where(mine, one))
    insert(tx, definition_id, new - old)


def insert(tx: Transaction, definition_id: str, new: set[Reference]) -> None:
    """A definition refers to these too."""
    if new:
        found = [{"definition_id": definition_id, "kind": kind, "target": target} for kind, target in sorted(new)]
        tx.execute(sa.insert(definition_dependencies), found)


def _referring_to(kind: Kind, targets: Sequence[str]) -> sa.Select[Any]:
    """Rows of the flags and environments whose definitions refer to one of these."""
    return (
        sa.select(
            flags.c.id.label("flag_id"),
            flags.c.name.label("flag"),
            environments.c.id.label("environment_id"),
            environments.c.name.label("environment"),
            definition_dependencies.c.target,
        )
        .join_from(definition_dependencies, definitions)
        .join(flags, flags.c.id == definitions.c.flag_id)
        .join(environments, environments.c.id == definitions.c.environment_id)
        .where(definition_dependencies.c.kind == kind, definition_dependencies.c.target.in_(targets))
        .order_by(flags.c.name, environments.c.name)
    )


def places_referring_to(tx: Transaction, project_id: str, kind: Kind, targets: Sequence[str]) -> list[Any]:
    """Where a project's definitions refer to one of these, by the names of flag and environment.

    Rows of (flag_id, flag, environment_id, environment, target). Definitions of archived flags count.
    """
    return list(tx.execute(_referring_to(kind, targets).where(flags.c.project_id == project_id)))


def dependents_of(tx: Transaction, project_id: str, name: str) -> list[str]:
    """The names of the active flags that depend on this flag, in any environment."""
    query = _referring_to("flag", [name]).where(flags.c.project_id == project_id, flags.c.status == "active")
    return list(dict.fromkeys(row.flag for row in tx.execute(query)))


def ids_of_dependents(tx: Transaction, project_id: str, name: str, environment_id: str | None = None) -> set[str]:
    """The ids of the flags that depend on this flag, directly or through others, in one environment or in any."""
    found: set[str] = set()
    seen, names = {name}, [name]
    while names:
        rows = places_referring_to(tx, project_id, "flag", names)
        here = [row for row in rows if environment_id in (None, row.environment_id)]
        found.update(row.flag_id for row in here)
        names = sorted({row.flag for row in here} - seen)
        seen.update(names)
    return found


def dependencies_of(tx: Transaction, project_id: str, environment_id: str, names: Collection[str]) -> set[str]:
    """The names of the flags that these active flags depend on in an environment."""
    query = (
        sa.select(definition_dependencies.c.target)
        .join_from(flags, definitions, definitions.c.flag_id == flags.c.id)
        .join(definition_dependencies, definition_dependencies.c.definition_id == definitions.c.id)
        .where(flags.c.project_id == project_id, flags.c.name.in_(list(names)), flags.c.status == "active")
        .where(definitions.c.environment_id == environment_id, definition_dependencies.c.kind == "flag")
    )
    return set(tx.scalars(query)) if names else set()
