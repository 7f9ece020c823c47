"""API keys. Only the hash of a secret is stored."""

from typing import Any

import sqlalchemy as sa

from flagpost.store.db import Transaction
from flagpost.store.locks import Lock, take
from flagpost.store.records import ApiKey
from flagpost.store.schema.core import api_keys

_SHOWN = [column for column in api_keys.c if column.name != "secret_hash"]


_BY_SECRET = sa.select(*_SHOWN).where(api_keys.c.secret_hash == sa.bindparam("secret_hash"))


def _key(row: Any) -> ApiKey:
    values = row._asdict()
    return ApiKey(**{**values, "roles": tuple(values["roles"]), "environment_ids": tuple(values["environment_ids"])})


def insert(tx: Transaction, key: ApiKey, secret_hash: str) -> None:
    """Insert a key with the hash of its secret."""
    values = {column.name: getattr(key, column.name) for column in _SHOWN}
    lists = {"roles": list(key.roles), "environment_ids": list(key.environment_ids)}
    tx.execute(sa.insert(api_keys).values(**{**values, **lists}, secret_hash=secret_hash))


def find_by_secret(tx: Transaction, secret_hash: str) -> ApiKey | None:
    """The key with this secret, also where it is revoked or expired."""
    row = tx.execute(_BY_SECRET, {"secret_hash": secret_hash}).first()
    return _key(row) if row else None


def find(tx: Transaction, account_id: str, key_id: str) -> ApiKey | None:
    """The key with this id."""
    row = tx.execute(sa.select(*_SHOWN).where(api_keys.c.account_id == account_id, api_keys.c.id == key_id)).first()
    return _key(row) if row else None


def lock(tx: Transaction, account_id: str, key_id: str, strength: Lock = Lock.CHANGE) -> ApiKey | None:
    """The key with this id, locked until the commit (`store.locks`)."""
    take(tx, api_keys, [key_id], strength)
    return find(tx, account_id, key_id)


def list_of_account(tx: Transaction, account_id: str) -> list[ApiKey]:
    """An account's keys: those that are not revoked first, then in order of name."""
    query = sa.select(*_SHOWN).where(api_keys.c.account_id == account_id)
    rows = tx.execute(query.order_by(api_keys.c.revoked_at.is_not(None), api_keys.c.name, api_keys.c.created_at))
    return [_key(row) for row in rows]


def update(tx: Transaction, key_id: str, **values: Any) -> None:
    """Set columns of a key."""
    tx.execute(sa.update(api_keys).where(api_keys.c.id == key_id).values(**values))


def replace_secret(tx: Transaction, key_id: str, secret_hash: str, hint: str, now: int) -> None:
    """Give a key another secret. The key works with it, also where it was revoked; the old secret does not."""
    update(tx, key_id, secret_hash=secret_hash, hint=hint, revoked_at=None, created_at=now, last_used_at=None)
