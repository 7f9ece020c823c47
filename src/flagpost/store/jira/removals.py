"""What Jira was asked to forget as a whole: a project of the integration, or everything; and how that ended."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from flagpost.store.db import Condition, Transaction
from flagpost.store.schema.jira import jira_removals, outbox_entries

SAMPLE = 20


@dataclass(frozen=True, slots=True)
class Removal:
    """One removal. `project_id` None: everything of the account. `flags`: how many Jira may have held.

    `sample`: ids to read back. `outcome`: None while it is under way; `gone`, each of the sample was there before and
    is not there any more; `unproven`, reading back did not tell; `left`, Jira still shows some.
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
    words: str
    finished_at: int | None


def request(tx: Transaction, account_id: str, project_id: str | None, name: str, now: int, by: str) -> str | None:
    """Have Jira forget the flags it may hold of a project, or of the account; None where it holds none."""
    held = _held(account_id, project_id)
    count = tx.scalar(sa.select(sa.func.count()).select_from(outbox_entries).where(held)) or 0
    if not count:
        return None
    sample = list(tx.scalars(sa.select(outbox_entries.c.flag_id).where(held).order_by(sa.func.random()).limit(SAMPLE)))
    row = {"account_id": account_id, "project_id": project_id, "name": name, "requested_at": now, "requested_by": by}
    removal_id = str(uuid4())
    tx.execute(sa.insert(jira_removals).values(id=removal_id, flags=count, sample=sample, **row))
    return removal_id


def _held(account_id: str, project_id: str | None) -> Condition:
    condition = (outbox_entries.c.account_id == account_id) & outbox_entries.c.held
    return condition if project_id is None else condition & (outbox_entries.c.project_id == project_id)


def held_flags(tx: Transaction, removal: Removal) -> list[tuple[str, int]]:
    """The flags of a removal that Jira may still hold, each with the version it should hear of."""
    query = sa.select(outbox_entries.c.flag_id, outbox_entries.c.wanted).where(
        _held(removal.account_id, removal.project_id)
    )
    return [(flag_id, wanted) for flag_id, wanted in tx.execute(query)]


def note_asked(tx: Transaction, removal: Removal, now: int) -> None:
    """Jira was asked to delete these as a whole, and may do so a little later, whatever is sent meanwhile."""
    held = _held(removal.account_id, removal.project_id)
    tx.execute(sa.update(outbox_entries).where(held).values(deleted_at=now))


def unfinished(tx: Transaction, account_id: str) -> list[Removal]:
    """Those under way, the oldest first."""
    mine = (jira_removals.c.account_id == account_id) & jira_removals.c.outcome.is_(None)
    return [Removal(*row) for row in tx.execute(sa.select(jira_removals).where(mine).order_by("requested_at"))]


def accounts_with_unfinished(tx: Transaction) -> list[str]:
    """The accounts that have any under way."""
    return list(tx.scalars(sa.select(jira_removals.c.account_id).where(jira_removals.c.outcome.is_(None)).distinct()))


def latest(tx: Transaction, account_id: str, limit: int) -> list[Removal]:
    """The newest first."""
    query = sa.select(jira_removals).where(jira_removals.c.account_id == account_id)
    return [Removal(*row) for row in tx.execute(query.order_by(jira_removals.c.requested_at.desc()).limit(limit))]


def update(tx: Transaction, removal_id: str, **values: Any) -> None:
    """Set columns of a removal."""
    tx.execute(sa.update(jira_removals).where(jira_removals.c.id == removal_id).values(**values))


def finish_all(tx: Transaction, account_id: str, outcome: str, words: str, now: int) -> None:
    """End those under way: there is nobody left to ask."""
    mine = (jira_removals.c.account_id == account_id) & jira_removals.c.outcome.is_(None)
    tx.execute(sa.update(jira_removals).where(mine).values(outcome=outcome, words=words, finished_at=now))
