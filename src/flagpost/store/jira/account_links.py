"""Which Atlassian account acts as which user."""

from dataclasses import dataclass

import sqlalchemy as sa

from flagpost.store.accounts.users import User
from flagpost.store.db import Condition, Transaction, insert_or
from flagpost.store.schema.core import users
from flagpost.store.schema.jira import jira_account_links


@dataclass(frozen=True, slots=True)
class AccountLink:
    """An Atlassian account that acts as a user, and since when."""

    atlassian_id: str
    linked_at: int


def link(tx: Transaction, account_id: str, atlassian_id: str, user_id: str, now: int) -> None:
    """Have this Atlassian account act as that user from now on, in place of any user before."""
    new = insert_or(tx, jira_account_links).values(
        account_id=account_id, atlassian_id=atlassian_id, user_id=user_id, linked_at=now
    )
    here = [jira_account_links.c.account_id, jira_account_links.c.atlassian_id]
    tx.execute(new.on_conflict_do_update(index_elements=here, set_={"user_id": user_id, "linked_at": now}))


def unlink(tx: Transaction, account_id: str, atlassian_id: str) -> None:
    """End a link."""
    tx.execute(sa.delete(jira_account_links).where(_one(account_id, atlassian_id)))


def find_user(tx: Transaction, account_id: str, atlassian_id: str) -> User | None:
    """The user that an Atlassian account acts as, whether that user may sign in or not; None where it has no link."""
    query = sa.select(users).join_from(jira_account_links, users, jira_account_links.c.user_id == users.c.id)
    row = tx.execute(query.where(_one(account_id, atlassian_id))).first()
    return User(*row) if row else None


def links_of(tx: Transaction, user_id: str) -> list[AccountLink]:
    """The Atlassian accounts that act as this user, the latest linked first."""
    query = sa.select(jira_account_links.c.atlassian_id, jira_account_links.c.linked_at).where(
        jira_account_links.c.user_id == user_id
    )
    return [AccountLink(*row) for row in tx.execute(query.order_by(jira_account_links.c.linked_at.desc()))]


def _one(account_id: str, atlassian_id: str) -> Condition:
    return (jira_account_links.c.account_id == account_id) & (jira_account_links.c.atlassian_id == atlassian_id)
