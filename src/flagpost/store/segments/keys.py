"""The keys of a segment in an environment, up to a hundred thousand, and their changes, for SDKs.

*Problem*: SDKs ask for the keys that changed after a change number. A change takes its number last, because every other
change in the environment, a kill among them, waits for it until the commit (`store.flags.change_sequence`). If each key
had the number, writing a hundred thousand keys would come after it, and a kill would wait for seconds. *Solution*: a
key has the revision of its segment, which is known from the start, and a row in `segment_revisions` says which number
that revision got.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from flagpost.store.db import Transaction, insert_or
from flagpost.store.records import Page
from flagpost.store.schema.targeting import segment_keys, segment_revisions
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
    revision = definition.revision + 1
    put = insert_or(tx, segment_keys).on_conflict_do_update(
        index_elements=["definition_id", "key"], set_={"removed": False, "revision": revision}
    )
    for part in _parts(added):
        tx.execute(put, [{"definition_id": definition.id, "key": key, "revision": revision} for key in part])
    for part in _parts(removed):
        gone = (segment_keys.c.definition_id == definition.id) & segment_keys.c.key.in_(part)
        tx.execute(sa.update(segment_keys).where(gone).values(removed=True, revision=revision))
    count = definition.key_count + len(added) - len(removed)
    number = change_definition(tx, definition, by, now, key_count=count, revision=revision)
    row = {"definition_id": definition.id, "revision": revision, "change_number": number}
    tx.execute(sa.insert(segment_revisions).values(row))


def _parts(keys: Collection[str]) -> Iterator[list[str]]:
    ordered = sorted(keys)
    for start in range(0, len(ordered), _AT_ONCE):
        yield ordered[start : start + _AT_ONCE]


# For SDKs ---------------------------------------------------------------------------------------------------------


def changed_since(tx: Transaction, definition: SegmentDefinition, since: int) -> KeyChanges:
    """The keys that were added and removed after this number; all keys with -1."""
    mine = segment_keys.c.definition_id == definition.id
    mine = mine & (_IN if since < 0 else segment_keys.c.revision > _revision_at(tx, definition, since))
    added: list[str] = []
    removed: list[str] = []
    for key, gone in tx.execute(sa.select(segment_keys.c.key, segment_keys.c.removed).where(mine)):
        (removed if gone else added).append(key)
    return KeyChanges(added, removed, definition.change_number)


def _revision_at(tx: Transaction, definition: SegmentDefinition, number: int) -> int:
    """The newest revision with a change number up to this one; 0 before the first."""
    revisions = segment_revisions.c
    known = (revisions.definition_id == definition.id) & (revisions.change_number <= number)
    return tx.scalar(sa.select(sa.func.max(revisions.revision)).where(known)) or 0
