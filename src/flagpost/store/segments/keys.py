"""The keys of a segment in an environment, up to a hundred thousand, and their changes, for SDKs."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from flagpost.store.db import Transaction, insert_or
from flagpost.store.records import Page
from flagpost.store.schema.targeting import segment_keys
from flagpost.store.segments.segments import SegmentDefinition, change_definition

_AT_ONCE = 5000
_IN = segment_keys.c.removed.is_(sa.false())


@dataclass(frozen=True, slots=True)
class KeyChanges:
    """How a segment's keys changed after a number. `number` is that of the last change."""

    added: list[str]
    removed: list[str]
    number: int


def page(tx: Transaction, definition_id: str, text: str, offset: int, limit: int) -> Page[str]:
    """The keys of a segment that contain `text`, in order."""
    wanted = _IN & (segment_keys.c.definition_id == definition_id)
    if text:
        wanted = wanted & segment_keys.c.key.contains(text, autoescape=True)
    total = tx.scalar(sa.select(sa.func.count()).select_from(segment_keys).where(wanted)) or 0
    query = sa.select(segment_keys.c.key).where(wanted).order_by(segment_keys.c.key).offset(offset).limit(limit)
    return Page(list(tx.scalars(query)), offset, limit, total)


def present(tx: Transaction, definition_id: str) -> set[str]:
    """All keys of a segment."""
    return set(tx.scalars(sa.select(segment_keys.c.key).where(_IN, segment_keys.c.definition_id == definition_id)))


def change(
    tx: Transaction, definition: SegmentDefinition, added: Collection[str], removed: Collection[str], by: str, now: int
) -> None:
    """Add keys that a segment does not have, and remove keys that it has. The caller holds the definition's lock."""
    count = definition.key_count + len(added) - len(removed)
    number = change_definition(tx, definition, by, now, key_count=count)
    new = insert_or(tx, segment_keys)
    again = {"removed": False, "change_number": number}
    put = new.on_conflict_do_update(index_elements=["definition_id", "key"], set_=again)
    for part in _parts(added):
        tx.execute(put, [{"definition_id": definition.id, "key": key, "change_number": number} for key in part])
    for part in _parts(removed):
        gone = (segment_keys.c.definition_id == definition.id) & segment_keys.c.key.in_(part)
        tx.execute(sa.update(segment_keys).where(gone).values(removed=True, change_number=number))


def _parts(keys: Collection[str]) -> Iterator[list[str]]:
    ordered = sorted(keys)
    for start in range(0, len(ordered), _AT_ONCE):
        yield ordered[start : start + _AT_ONCE]


# For SDKs ---------------------------------------------------------------------------------------------------------


def changed_since(tx: Transaction, definition: SegmentDefinition, since: int) -> KeyChanges:
    """The keys that were added and removed after this number; all keys with -1."""
    mine = (segment_keys.c.definition_id == definition.id) & (segment_keys.c.change_number > since)
    if since < 0:
        mine = mine & _IN
    added: list[str] = []
    removed: list[str] = []
    for key, gone in tx.execute(sa.select(segment_keys.c.key, segment_keys.c.removed).where(mine)):
        (removed if gone else added).append(key)
    return KeyChanges(added, removed, definition.change_number)
