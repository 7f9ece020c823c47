"""Which person of Jira is which person of Flagpost."""

from dataclasses import dataclass

import sqlalchemy as sa

from flagpost.store.accounts.users import User
from flagpost.store.db import Condition, Transaction, insert_or
from flagpost.store.schema.core import users
from flagpost.store.schema.jira import jira_people


@dataclass(frozen=True, slots=True)
class Link:
    """An Atlassian account that acts as somebody in Flagpost."""

    atlassian_id: str
    linked_at: int


def link(tx: Transaction, account_id: str, atlassian_id: str, user_id: str, now: int) -> None:
    """From now on this person of Jira is that user; whoever it was before."""
    new = insert_or(tx, jira_people).values(
        account_id=account_id, atlassian_id=atlassian_id, user_id=user_id, linked_at=now
    )
    here = [jira_people.c.account_id, jira_people.c.atlassian_id]
    tx.execute(new.on_conflict_do_update(index_elements=here, set_={"user_id": user_id, "linked_at": now}))


def unlink(tx: Transaction, account_id: str, atlassian_id: str) -> None:
    """End a link."""
    tx.execute(sa.delete(jira_people).where(_one(account_id, atlassian_id)))


def find_user(tx: Transaction, account_id: str, atlassian_id: str) -> User | None:
    """The user of this account that a person of Jira is linked with, whether they may sign in or not."""
    query = sa.select(users).join_from(jira_people, users, jira_people.c.user_id == users.c.id)
    row = tx.execute(query.where(_one(account_id, atlassian_id))).first()
    return User(*row) if row else None


def links_of(tx: Transaction, user_id: str) -> list[Link]:
    """Somebody's Atlassian accounts, the latest linked first."""
    query = sa.select(jira_people.c.atlassian_id, jira_people.c.linked_at).where(jira_people.c.user_id == user_id)
    return [Link(*row) for row in tx.execute(query.order_by(jira_people.c.linked_at.desc()))]


def _one(account_id: str, atlassian_id: str) -> Condition:
    return (jira_people.c.account_id == account_id) & (jira_people.c.atlassian_id == atlassian_id)
