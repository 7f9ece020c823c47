"""OAuth credentials of an account, which connect a Jira site without the app. Every secret here is encrypted."""

from dataclasses import dataclass, fields
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from flagpost.store.accounts import accounts
from flagpost.store.db import Condition, Transaction
from flagpost.store.schema.jira import jira_credentials, jira_installations


@dataclass(frozen=True, slots=True)
class Credentials:
    """OAuth credentials for one site, and beside them an API token and the webhook's secret, where entered.

    `delete_refusal`, `api_refusal`: Jira's message when it refused to delete flags with the credentials, or refused
    the API token. Both are None until Jira refuses, and again after newer ones were entered.
    """

    id: str
    account_id: str
    site_url: str
    cloud_id: str
    client_id: str
    client_secret: bytes
    delete_refusal: str | None
    api_email: str | None
    api_token: bytes | None
    api_base_url: str | None
    api_refusal: str | None
    webhook_secret: bytes | None
    webhook_seen_at: int | None
    webhook_refused_at: int | None
    created_at: int
    created_by: str

    @property
    def may_look_up(self) -> bool:
        """Whether issues can be looked up with the API token."""
        return self.api_token is not None and not self.api_refusal


@dataclass(frozen=True, slots=True)
class NewCredentials:
    """OAuth credentials as an admin entered them, for the site that they work at. The secret is encrypted."""

    site_url: str
    cloud_id: str
    client_id: str
    client_secret: bytes


_COLUMNS = [jira_credentials.c[field.name] for field in fields(Credentials)]


def of_account(tx: Transaction, account_id: str) -> Credentials | None:
    """An account's credentials."""
    return _find(tx, jira_credentials.c.account_id == account_id)


def find(tx: Transaction, credentials_id: str) -> Credentials | None:
    """The credentials with this id, which the webhook's address carries."""
    return _find(tx, jira_credentials.c.id == credentials_id)


def _find(tx: Transaction, condition: Condition) -> Credentials | None:
    row = tx.execute(sa.select(*_COLUMNS).where(condition)).first()
    return Credentials(*row) if row else None


def save(tx: Transaction, account_id: str, new: NewCredentials, now: int, by: str) -> Credentials:
    """Store credentials in place of the account's earlier ones, and return them.

    Where they are for the same site, the API token and the webhook stay.
    """
    values: dict[str, Any] = {one.name: getattr(new, one.name) for one in fields(NewCredentials)}
    values |= {"created_at": now, "created_by": by, "delete_refusal": None}
    accounts.lock(tx, account_id)
    old = of_account(tx, account_id)
    if old and old.cloud_id == new.cloud_id:
        move(tx, account_id, old.site_url, new.site_url)
        update(tx, old.id, **values)
    else:
        delete(tx, account_id)
        tx.execute(sa.insert(jira_credentials).values(id=str(uuid4()), account_id=account_id, **values))
    saved = of_account(tx, account_id)
    assert saved is not None  # noqa: S101 - written a line above
    return saved


def update(tx: Transaction, credentials_id: str, **values: Any) -> None:
    """Set columns of credentials."""
    tx.execute(sa.update(jira_credentials).where(jira_credentials.c.id == credentials_id).values(**values))


def move(tx: Transaction, account_id: str, old_url: str, new_url: str) -> None:
    """Note the new address of the site that an account's credentials are for."""
    mine = jira_credentials.c.account_id == account_id
    api = sa.case((jira_credentials.c.api_base_url == old_url, new_url), else_=jira_credentials.c.api_base_url)
    tx.execute(sa.update(jira_credentials).where(mine).values(site_url=new_url, api_base_url=api))


def delete(tx: Transaction, account_id: str) -> None:
    """Delete an account's credentials."""
    tx.execute(sa.delete(jira_credentials).where(jira_credentials.c.account_id == account_id))


_ENCRYPTED = (
    jira_credentials.c.client_secret,
    jira_credentials.c.api_token,
    jira_credentials.c.webhook_secret,
    jira_installations.c.system_token,
)


def encrypted(tx: Transaction) -> list[tuple[sa.Column[Any], str, bytes]]:
    """Every stored secret: its column, its row's id, and the encrypted bytes."""
    return [
        (column, id, stored)
        for column in _ENCRYPTED
        for id, stored in tx.execute(sa.select(column.table.c.id, column).where(column.is_not(None)))
    ]


def replace_encrypted(tx: Transaction, column: sa.Column[Any], id: str, old: bytes, new: bytes) -> None:
    """Store a secret encrypted with another key, unless the secret was replaced in the meantime."""
    table = column.table
    tx.execute(sa.update(table).where(table.c.id == id, column == old).values({column: new}))
