"""Which flags to compare with Jira, and what to do about the outbox entries of those that differ."""

from collections.abc import Collection
from dataclasses import dataclass, field, fields
from typing import Any

import sqlalchemy as sa

from flagpost.store.db import Transaction
from flagpost.store.jira import outbox
from flagpost.store.jira.delivery_results import LATE_DELETE_MS
from flagpost.store.jira.outbox import OutboxEntry
from flagpost.store.schema.jira import connections, issues, outbox_entries


@dataclass(frozen=True, slots=True)
class Candidate:
    """A flag to compare with Jira. `deleted_at`: when Jira was last asked to delete it, in milliseconds.

    `names`: everything that an issue of the flag is called (its numeric id and its key), by each of these names.
    """

    entry: OutboxEntry
    deleted_at: int | None
    names: dict[str, set[str]] = field(default_factory=dict)


_CANDIDATE = sa.select(*(outbox_entries.c[one.name] for one in fields(OutboxEntry)), outbox_entries.c.deleted_at)
_MAY_BE_THERE = outbox_entries.c.may_exist_remotely | outbox_entries.c.deleted_at.is_not(None)


# Reading ----------------------------------------------------------------------------------------------------------


def after(tx: Transaction, account_id: str, flag_id: str, until: str, limit: int) -> list[Candidate]:
    """The next flags that Jira holds or held, by their ids, after this one; `until`: the last one, or empty."""
    query = _CANDIDATE.where(
        outbox_entries.c.account_id == account_id, outbox_entries.c.flag_id > flag_id, _MAY_BE_THERE
    )
    if until:
        query = query.where(outbox_entries.c.flag_id <= until)
    return _candidates(tx, query.order_by(outbox_entries.c.flag_id).limit(limit))


def of_flag(tx: Transaction, flag_id: str) -> list[Candidate]:
    """One flag; empty where it was never connected."""
    return _candidates(tx, _CANDIDATE.where(outbox_entries.c.flag_id == flag_id))


def accounts_with_due(tx: Transaction, now: int) -> set[str]:
    """The accounts with a flag whose comparison after a delete is due."""
    query = sa.select(outbox_entries.c.account_id).where(outbox_entries.c.compare_at <= now)
    return set(tx.scalars(query.distinct()))


def due(tx: Transaction, account_id: str, now: int, limit: int) -> list[Candidate]:
    """Up to `limit` flags whose comparison after a delete is due, the longest due first."""
    query = _CANDIDATE.where(outbox_entries.c.compare_at <= now, outbox_entries.c.account_id == account_id)
    return _candidates(tx, query.order_by(outbox_entries.c.compare_at).limit(limit))


def _candidates(tx: Transaction, query: sa.Select[Any]) -> list[Candidate]:
    rows = [(OutboxEntry(*row[:-1]), row.deleted_at) for row in tx.execute(query)]
    names = _names(tx, [entry.flag_id for entry, _ in rows])
    return [Candidate(entry, deleted_at, names.get(entry.flag_id, {})) for entry, deleted_at in rows]


def _names(tx: Transaction, flag_ids: Collection[str]) -> dict[str, dict[str, set[str]]]:
    query = sa.select(connections.c.flag_id, issues.c.jira_id, issues.c.key)
    query = query.join_from(connections, issues).where(connections.c.flag_id.in_(flag_ids))
    found: dict[str, dict[str, set[str]]] = {}
    for flag_id, jira_id, key in tx.execute(query) if flag_ids else ():
        names = {name for name in (jira_id, key) if name}
        found.setdefault(flag_id, {}).update(dict.fromkeys(names, names))
    return found


def count(tx: Transaction, account_id: str) -> int:
    """How many flags a run over all flags reads."""
    mine = outbox_entries.c.account_id == account_id
    return tx.scalar(sa.select(sa.func.count()).select_from(outbox_entries).where(mine, _MAY_BE_THERE)) or 0


# Deciding ---------------------------------------------------------------------------------------------------------


def lock(tx: Transaction, found: Collection[Candidate]) -> None:
    """Lock the entries of these flags, before a transaction decides on several of them."""
    outbox.lock_entries(tx, outbox_entries.c.flag_id.in_([one.entry.flag_id for one in found]))


def repair(tx: Transaction, seen: OutboxEntry, now: int, *, above: int = 0, may_exist_remotely: bool) -> bool:
    """Have a flag sent, or deleted, once more, in a version higher than `above`.

    False where it changed since it was seen: then delivery does it anyway.
    """
    version = max(now, seen.latest_version + 1, above + 1)
    return outbox.bump_unchanged(tx, seen, version, now, may_exist_remotely=may_exist_remotely, compare_at=None)


def compare_again(tx: Transaction, seen: OutboxEntry, when: int | None) -> bool:
    """Set when to compare a flag again; None: no more. False where the flag changed since it was seen."""
    mine = outbox.unchanged(seen)
    return tx.execute(sa.update(outbox_entries).where(mine).values(compare_at=when)).rowcount == 1


def postpone(tx: Transaction, found: Collection[Candidate], when: int | None) -> None:
    """Compare these flags later, or no more (None), in whatever version: they cannot be compared now."""
    mine = outbox_entries.c.flag_id.in_([one.entry.flag_id for one in found])
    outbox.lock_entries(tx, mine)
    tx.execute(sa.update(outbox_entries).where(mine).values(compare_at=when))


def note_gone(tx: Transaction, seen: OutboxEntry, now: int) -> None:
    """Note that Jira holds nothing of a deleted flag. Once its delete cannot be late, no run reads it again."""
    long_ago = outbox_entries.c.deleted_at < now - LATE_DELETE_MS
    tx.execute(sa.update(outbox_entries).where(outbox.unchanged(seen), long_ago).values(deleted_at=None))
