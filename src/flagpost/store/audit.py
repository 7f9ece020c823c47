"""The audit log. An entry is written in the transaction of the change that it records, and never changed."""

from typing import Any

import sqlalchemy as sa

from flagpost.store.db import Transaction
from flagpost.store.records import AuditEntry, Page
from flagpost.store.schema.core import audit_entries

_INSERT = sa.insert(audit_entries)
_SHOWN = [column for column in audit_entries.c if column.name not in ("account_id", "actor_id")]


def write(tx: Transaction, values: dict[str, Any]) -> None:
    """Insert an entry."""
    tx.execute(_INSERT, values)


def page(tx: Transaction, account_id: str, offset: int, limit: int, **only: str | None) -> Page[AuditEntry]:
    """An account's entries, the newest first; of a project_id, environment_id or object_id that `only` names."""
    condition = audit_entries.c.account_id == account_id
    for column, value in only.items():
        if value is not None:
            condition = condition & (audit_entries.c[column] == value)
    total = tx.scalar(sa.select(sa.func.count()).select_from(audit_entries).where(condition)) or 0
    query = sa.select(*_SHOWN).where(condition).order_by(audit_entries.c.id.desc()).offset(offset).limit(limit)
    return Page([AuditEntry(**row._asdict()) for row in tx.execute(query)], offset, limit, total)


def last_actor(tx: Transaction, object_id: str, environment_id: str | None, change: str | None = None) -> str | None:
    """The id of the actor of an object's last change: in an environment, or (None) as a whole; of one kind, or any."""
    here = audit_entries.c.environment_id.is_not_distinct_from(environment_id)
    query = sa.select(audit_entries.c.actor_id).where(audit_entries.c.object_id == object_id, here)
    if change is not None:
        query = query.where(audit_entries.c.change == change)
    return tx.scalar(query.order_by(audit_entries.c.id.desc()).limit(1))
