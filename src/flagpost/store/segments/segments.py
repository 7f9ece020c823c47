"""Segments of a project, and their definitions in environments. Their keys have a module of their own.

A segment that is removed stays as a row with `removed_at` (`store.schema.targeting` says why). Only `changed_since`
returns such rows.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from flagpost.flags.targeting import SegmentKind
from flagpost.store import rows
from flagpost.store.db import Transaction
from flagpost.store.flags.change_sequence import next_change_number
from flagpost.store.locks import Lock, take
from flagpost.store.records import Page, TrafficType
from flagpost.store.schema.core import environments, traffic_types
from flagpost.store.schema.targeting import segment_definitions, segments


@dataclass(frozen=True, slots=True)
class Segment:
    """A named part of a traffic type's keys. It has a definition in each environment that it belongs to."""

    id: str
    project_id: str
    name: str
    kind: SegmentKind
    traffic_type: TrafficType
    description: str
    created_at: int


@dataclass(frozen=True, slots=True)
class SegmentDefinition:
    """A segment in one environment. A rule-based one has a `body`; one of keys has a `key_count`.

    `change_number` is that of its last change of any kind, a key's too. `removed` ones are shown to SDKs only.
    """

    id: str
    segment: Segment
    environment_id: str
    environment_name: str
    body: dict[str, Any] | None
    key_count: int
    revision: int
    change_number: int
    created_at: int
    updated_at: int
    updated_by: str
    removed: bool


_SEGMENT = sa.select(
    segments.c.id,
    segments.c.project_id,
    segments.c.name,
    segments.c.kind,
    segments.c.description,
    segments.c.created_at,
    *rows.TRAFFIC_TYPE,
).join_from(segments, traffic_types, segments.c.traffic_type_id == traffic_types.c.id)
_HERE = segments.c.removed_at.is_(None)
_DEFINITION = (
    _SEGMENT.add_columns(
        segment_definitions.c.id.label("definition_id"),
        segment_definitions.c.environment_id,
        environments.c.name.label("environment_name"),
        segment_definitions.c.body,
        segment_definitions.c.key_count,
        segment_definitions.c.revision,
        segment_definitions.c.change_number,
        segment_definitions.c.created_at.label("added_at"),
        segment_definitions.c.updated_at,
        segment_definitions.c.updated_by,
        segment_definitions.c.removed_at,
    )
    .join(segment_definitions, segment_definitions.c.segment_id == segments.c.id)
    .join(environments, segment_definitions.c.environment_id == environments.c.id)
)
_THERE = _HERE & segment_definitions.c.removed_at.is_(None)


def _segment(row: Any) -> Segment:
    return Segment(
        id=row.id,
        project_id=row.project_id,
        name=row.name,
        kind=SegmentKind(row.kind),
        traffic_type=rows.traffic_type(row),
        description=row.description,
        created_at=row.created_at,
    )


def _definition(row: Any) -> SegmentDefinition:
    return SegmentDefinition(
        id=row.definition_id,
        segment=_segment(row),
        environment_id=row.environment_id,
        environment_name=row.environment_name,
        body=row.body,
        key_count=row.key_count,
        revision=row.revision,
        change_number=row.change_number,
        created_at=row.added_at,
        updated_at=row.updated_at,
        updated_by=row.updated_by,
        removed=row.removed_at is not None,
    )


# Segments ---------------------------------------------------------------------------------------------------------


def page(
    tx: Transaction, project_id: str, kinds: Collection[SegmentKind], text: str, offset: int, limit: int
) -> Page[Segment]:
    """A project's segments of these kinds whose name contains `text`, in order of name."""
    wanted = _HERE & (segments.c.project_id == project_id) & segments.c.kind.in_([kind.value for kind in kinds])
    if text:
        wanted = wanted & sa.func.lower(segments.c.name).contains(text.lower(), autoescape=True)
    total = tx.scalar(sa.select(sa.func.count()).select_from(segments).where(wanted)) or 0
    found = tx.execute(_SEGMENT.where(wanted).order_by(segments.c.name).offset(offset).limit(limit))
    return Page([_segment(row) for row in found], offset, limit, total)


def find(tx: Transaction, project_id: str, ref: str) -> Segment | None:
    """The segment with this name or id."""
    either = sa.or_(segments.c.name == ref, segments.c.id == ref)
    query = _SEGMENT.where(_HERE, segments.c.project_id == project_id, either).order_by(segments.c.name != ref)
    row = tx.execute(query.limit(1)).first()
    return _segment(row) if row else None


def lock(tx: Transaction, project_id: str, ref: str, strength: Lock = Lock.CHANGE) -> Segment | None:
    """The segment with this name or id, locked until the commit (`store.locks`)."""
    found = find(tx, project_id, ref)
    if found is None:
        return None
    take(tx, segments, [found.id], strength)
    return find(tx, project_id, found.id)


def insert(
    tx: Transaction, project_id: str, name: str, kind: SegmentKind, traffic_type_id: str, description: str, now: int
) -> Segment:
    """Insert a segment that belongs to no environment. A removed segment of this name becomes the new one."""
    values = {"kind": kind.value, "traffic_type_id": traffic_type_id, "description": description, "created_at": now}
    gone = (segments.c.project_id == project_id) & (segments.c.name == name)
    if not tx.execute(sa.update(segments).where(gone).values(**values, removed_at=None)).rowcount:
        tx.execute(sa.insert(segments).values(id=str(uuid4()), project_id=project_id, name=name, **values))
    new = find(tx, project_id, name)
    assert new is not None  # noqa: S101 - written a line above
    return new


def update(tx: Transaction, segment_id: str, description: str) -> None:
    """Replace the description of a segment."""
    tx.execute(sa.update(segments).where(segments.c.id == segment_id).values(description=description))


def remove(tx: Transaction, segment_id: str, now: int) -> None:
    """Mark a segment as removed. It must not belong to any environment."""
    tx.execute(sa.update(segments).where(segments.c.id == segment_id).values(removed_at=now))


def traffic_type_is_used(tx: Transaction, traffic_type_id: str) -> bool:
    """Whether any segment has this traffic type."""
    return bool(tx.scalar(sa.select(sa.exists().where(_HERE, segments.c.traffic_type_id == traffic_type_id))))


# In an environment ------------------------------------------------------------------------------------------------


def definitions_page(
    tx: Transaction, environment_id: str, kinds: Collection[SegmentKind], offset: int, limit: int
) -> Page[SegmentDefinition]:
    """The segments of these kinds in an environment, in order of name."""
    wanted = _THERE & (segment_definitions.c.environment_id == environment_id)
    wanted = wanted & segments.c.kind.in_([kind.value for kind in kinds])
    count = sa.select(sa.func.count()).select_from(segment_definitions.join(segments)).where(wanted)
    found = tx.execute(_DEFINITION.where(wanted).order_by(segments.c.name).offset(offset).limit(limit))
    return Page([_definition(row) for row in found], offset, limit, tx.scalar(count) or 0)


def definitions_of(tx: Transaction, segment_id: str) -> list[SegmentDefinition]:
    """A segment's definitions, in order of the environments' names."""
    query = _DEFINITION.where(_THERE, segments.c.id == segment_id).order_by(environments.c.name)
    return [_definition(row) for row in tx.execute(query)]


def find_definition(tx: Transaction, environment_id: str, name: str) -> SegmentDefinition | None:
    """The segment of this name (or id) in an environment."""
    either = sa.or_(segments.c.name == name, segments.c.id == name)
    query = _DEFINITION.where(_THERE, segment_definitions.c.environment_id == environment_id, either)
    row = tx.execute(query.order_by(segments.c.name != name).limit(1)).first()
    return _definition(row) if row else None


def lock_definition(
    tx: Transaction, environment_id: str, ref: str, strength: Lock = Lock.CHANGE
) -> SegmentDefinition | None:
    """The segment of this name or id in an environment, locked there until the commit (`store.locks`)."""
    found = find_definition(tx, environment_id, ref)
    if found is None:
        return None
    take(tx, segment_definitions, [found.id], strength)
    return find_definition(tx, environment_id, found.segment.id)


def kinds_of(tx: Transaction, environment_id: str, names: Collection[str]) -> dict[str, SegmentKind]:
    """The kinds of the segments with these names in an environment, by name."""
    here = _THERE & (segment_definitions.c.environment_id == environment_id) & segments.c.name.in_(list(names))
    query = sa.select(segments.c.name, segments.c.kind).select_from(segments.join(segment_definitions)).where(here)
    return {row.name: SegmentKind(row.kind) for row in tx.execute(query)}


def lock_named(tx: Transaction, environment_id: str, names: Collection[str]) -> dict[str, SegmentDefinition]:
    """The segments with these names in an environment, by name, for a definition that is to name them.

    None of them is removed before the commit (`store.locks`): removing one takes a stronger lock of the same row, so
    the removal or the save comes first, and the other one sees it.
    """
    here = _THERE & (segment_definitions.c.environment_id == environment_id) & segments.c.name.in_(list(names))
    ids = sa.select(segment_definitions.c.id).join_from(segment_definitions, segments).where(here)
    take(tx, segment_definitions, list(tx.scalars(ids)) if names else (), Lock.SHARE)
    found = tx.execute(_DEFINITION.where(here)) if names else ()
    return {row.name: _definition(row) for row in found}


def add_definition(
    tx: Transaction, segment: Segment, environment_id: str, body: dict[str, Any] | None, by: str, now: int
) -> None:
    """Give a segment a definition in an environment, without keys. The caller holds the segment's lock."""
    table = segment_definitions
    here = (table.c.segment_id == segment.id) & (table.c.environment_id == environment_id)
    removed: str | None = tx.scalar(sa.select(table.c.id).where(here))
    if removed:
        take(tx, table, [removed], Lock.CHANGE)  # before the change number, by the lock order
    values = {"body": body, "key_count": 0, "created_at": now, "updated_at": now, "updated_by": by, "removed_at": None}
    values["change_number"] = next_change_number(tx, environment_id, now)
    if removed:
        tx.execute(sa.update(table).where(table.c.id == removed).values(values))
    else:
        new = {"id": str(uuid4()), "segment_id": segment.id, "environment_id": environment_id}
        tx.execute(sa.insert(table).values(new | values))


def change_definition(tx: Transaction, definition: SegmentDefinition, by: str, now: int, **values: Any) -> int:
    """Set columns of a segment's definition. Returns the number of this change."""
    number = next_change_number(tx, definition.environment_id, now)
    changed = {"updated_at": now, "updated_by": by, "change_number": number, **values}
    tx.execute(sa.update(segment_definitions).where(segment_definitions.c.id == definition.id).values(changed))
    return number


def changed_since(tx: Transaction, environment_id: str, kind: SegmentKind, since: int) -> Sequence[SegmentDefinition]:
    """The segments of a kind that changed in an environment after this number, removed ones too, for SDKs."""
    wanted = (segment_definitions.c.environment_id == environment_id) & (segments.c.kind == kind.value)
    query = _DEFINITION.where(wanted, segment_definitions.c.change_number > since)
    return [_definition(row) for row in tx.execute(query.order_by(segment_definitions.c.change_number))]


# Rule-based segments ----------------------------------------------------------------------------------------------


def rule_based_in(tx: Transaction, environment_id: str) -> list[SegmentDefinition]:
    """Every rule-based segment of an environment."""
    here = _THERE & (segment_definitions.c.environment_id == environment_id)
    query = _DEFINITION.where(here, segments.c.kind == SegmentKind.RULE_BASED.value)
    return [_definition(row) for row in tx.execute(query.order_by(segments.c.name))]
