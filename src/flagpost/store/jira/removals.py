"""Removals: all flags of a project, or of the account, are to disappear from Jira; and how each removal ended."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from flagpost.store.db import Condition, Transaction
from flagpost.store.jira import outbox
from flagpost.store.schema.jira import jira_removals, outbox_entries

SAMPLE = 20


@dataclass(frozen=True, slots=True)
class Removal:
    """One removal. `project_id` is None for everything of the account. `flags`: how many Jira may have held.

    `sample`: ids of flags to compare. `outcome`: None while the removal runs; `gone`, Jira showed the whole sample
    before and shows none of it now; `unproven`, the comparison gave no proof; `left`, Jira still shows some.
    """

    id: str
    account_id: str
    project_id: str | None
    name: str
    requested_at: int
    requested_by: str
    flags: int
    sample: list[str]
    swept_at: int | None
    outcome: str | None
    message: str
    finished_at: int | None


def request(tx: Transaction, account_id: str, project_id: str | None, name: str, now: int, by: str) -> str | None:
    """Request the removal of a project's flags, or of all flags of the account; None where Jira holds none of them.

    Returns the id of the removal.
    """
    remaining = _remaining(account_id, project_id)
    count = tx.scalar(sa.select(sa.func.count()).select_from(outbox_entries).where(remaining)) or 0
    if not count:
        return None
    some = sa.select(outbox_entries.c.flag_id).where(remaining).order_by(sa.func.random()).limit(SAMPLE)
    sample = list(tx.scalars(some))
    row = {"account_id": account_id, "project_id": project_id, "name": name, "requested_at": now, "requested_by": by}
    removal_id = str(uuid4())
    tx.execute(sa.insert(jira_removals).values(id=removal_id, flags=count, sample=sample, **row))
    return removal_id


def _remaining(account_id: str, project_id: str | None) -> Condition:
    condition = (outbox_entries.c.account_id == account_id) & outbox_entries.c.may_exist_remotely
    return condition if project_id is None else condition & (outbox_entries.c.project_id == project_id)


def remaining_flags(tx: Transaction, removal: Removal) -> list[tuple[str, int]]:
    """The flags of a removal that Jira may still hold, each with its latest version."""
    query = sa.select(outbox_entries.c.flag_id, outbox_entries.c.latest_version).where(
        _remaining(removal.account_id, removal.project_id)
    )
    return [(flag_id, version) for flag_id, version in tx.execute(query)]


def mark_deleted(tx: Transaction, removal: Removal, now: int) -> None:
    """Note that Jira was asked to delete these flags. It may do so a little later, whatever is sent meanwhile."""
    remaining = _remaining(removal.account_id, removal.project_id)
    outbox.lock_entries(tx, remaining)
    tx.execute(sa.update(outbox_entries).where(remaining).values(deleted_at=now))


def unfinished(tx: Transaction, account_id: str) -> list[Removal]:
    """The removals of an account that still run, the oldest first."""
    mine = (jira_removals.c.account_id == account_id) & jira_removals.c.outcome.is_(None)
    return [Removal(*row) for row in tx.execute(sa.select(jira_removals).where(mine).order_by("requested_at"))]


def accounts_with_unfinished(tx: Transaction) -> list[str]:
    """The accounts with a removal that still runs."""
    return list(tx.scalars(sa.select(jira_removals.c.account_id).where(jira_removals.c.outcome.is_(None)).distinct()))


def latest(tx: Transaction, account_id: str, limit: int) -> list[Removal]:
    """The latest removals of an account, the newest first."""
    query = sa.select(jira_removals).where(jira_removals.c.account_id == account_id)
    return [Removal(*row) for row in tx.execute(query.order_by(jira_removals.c.requested_at.desc()).limit(limit))]


def update(tx: Transaction, removal_id: str, **values: Any) -> None:
    """Set columns of a removal."""
    tx.execute(sa.update(jira_removals).where(jira_removals.c.id == removal_id).values(**values))


def finish_all(tx: Transaction, account_id: str, outcome: str, message: str, now: int) -> None:
    """End the removals that still run: there is no site any more that could delete anything."""
    mine = (jira_removals.c.account_id == account_id) & jira_removals.c.outcome.is_(None)
    tx.execute(sa.update(jira_removals).where(mine).values(outcome=outcome, message=message, finished_at=now))
