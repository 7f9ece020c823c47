"""API keys: who or what acts without a password. A secret is shown once and stored as a hash.

The hash is a plain SHA-256: a secret is 256 random bits, so there is nothing to guess that a slow hash would protect.
"""

import hashlib
import secrets
from collections.abc import Sequence
from uuid import uuid4

from flagpost.actions.access import RIGHTS_OF_KEY_ROLE, Actor, ActorType, Right
from flagpost.actions.audit import record
from flagpost.actions.context import Context
from flagpost.actions.lookup import get_visible_environment, get_visible_project
from flagpost.errors import InvalidInput, NotAllowed, NotFound, NotSignedIn
from flagpost.flags.naming_rules import title_problem
from flagpost.store.accounts import api_keys
from flagpost.store.db import Transaction
from flagpost.store.records import ApiKey

KINDS = ("admin", "server_side", "client_side")
ROLES = tuple(role for role in RIGHTS_OF_KEY_ROLE if role.startswith("API_"))
_USED_EVERY_MS = 60_000  # how exact `last_used_at` is; a write with every request would make reads wait for commits


def hash_of(secret: str) -> str:
    """What is stored of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def new_secret(kind: str) -> str:
    """A secret that says what it is for, so that a leaked one is recognised."""
    return f"fp_{kind}_{secrets.token_urlsafe(32)}"


def create_api_key(
    ctx: Context,
    actor: Actor,
    *,
    name: str,
    kind: str = "admin",
    roles: Sequence[str] = (),
    project: str | None = None,
    environments: Sequence[str] = (),
    expires_at: int | None = None,
    secret: str | None = None,
) -> tuple[ApiKey, str]:
    """A new key and its secret. SDK keys (`server_side`, `client_side`) are for exactly one environment.

    Nobody can make a key that may more than they may themselves. `secret` is for unattended set-up.
    """
    actor.require(Right.MANAGE_KEYS)
    now = ctx.clock()
    secret = secret or new_secret(kind)
    with ctx.db.write() as tx:
        project_id, environment_ids = _scope(tx, actor, project, environments)
        _require_valid(name, kind, roles, environment_ids)
        _require_no_more_than(actor, roles, project_id, environment_ids)
        key = ApiKey(
            id=str(uuid4()),
            account_id=actor.account_id,
            name=name.strip(),
            kind=kind,
            roles=tuple(roles),
            project_id=project_id,
            environment_ids=environment_ids,
            hint=secret[-4:],
            created_by=actor.name,
            created_at=now,
            expires_at=expires_at,
            revoked_at=None,
            last_used_at=None,
        )
        api_keys.insert(tx, key, hash_of(secret))
        record_key(tx, actor, now, key, "created")
    return key, secret


def list_api_keys(ctx: Context, actor: Actor) -> list[ApiKey]:
    """The account's keys; those that work first."""
    actor.require(Right.MANAGE_KEYS)
    with ctx.db.read() as tx:
        return api_keys.list_of_account(tx, actor.account_id)


def revoke_api_key(ctx: Context, actor: Actor, key_id: str) -> None:
    """End a key at once. It stays in the list, so that the audit log's names keep their meaning."""
    actor.require(Right.MANAGE_KEYS)
    now = ctx.clock()
    with ctx.db.write() as tx:
        key = api_keys.find(tx, actor.account_id, key_id) or api_keys.find_by_secret(tx, hash_of(key_id))
        if key is None or key.account_id != actor.account_id or key.revoked_at is not None:
            raise NotFound("Could not find the API key.")
        api_keys.update(tx, key.id, revoked_at=now)
        record_key(tx, actor, now, key, "revoked")


def authenticate_key(ctx: Context, secret: str) -> Actor:
    """Whoever holds this secret. NotSignedIn says whether it is unknown, revoked or expired."""
    now = ctx.clock()
    with ctx.db.read() as tx:
        key = api_keys.find_by_secret(tx, hash_of(secret))
    if key is None:
        raise NotSignedIn("This API key is not known.")
    require_working(key, now)
    note_use(ctx, key)
    return actor_of(key)


def note_use(ctx: Context, key: ApiKey) -> None:
    """Note that a key was used, about once a minute."""
    now = ctx.clock()
    if now - (key.last_used_at or 0) > _USED_EVERY_MS:
        with ctx.db.write() as tx:
            api_keys.update(tx, key.id, last_used_at=now)


def require_working(key: ApiKey, now: int) -> None:
    """NotSignedIn where a key was revoked or has expired."""
    if key.revoked_at is not None:
        raise NotSignedIn("This API key was revoked.")
    if key.expires_at is not None and key.expires_at <= now:
        raise NotSignedIn("This API key has expired.")


def actor_of(key: ApiKey) -> Actor:
    """The actor that a key stands for."""
    rights = frozenset[Right]().union(*(RIGHTS_OF_KEY_ROLE.get(role, frozenset()) for role in key.roles))
    return Actor(
        key.account_id,
        ActorType.API_KEY,
        key.id,
        key.name,
        rights,
        project_id=key.project_id,
        environment_ids=frozenset(key.environment_ids),
    )


def record_key(tx: Transaction, actor: Actor, now: int, key: ApiKey, change: str) -> None:
    """Note a change of a key in the audit log."""
    after = {"name": key.name, "kind": key.kind, "roles": list(key.roles)}
    record(
        tx,
        actor,
        now,
        change,
        object_type="api_key",
        object_id=key.id,
        object_name=key.name,
        project_id=key.project_id,
        after=after if change == "created" else None,
    )


def _scope(
    tx: Transaction, actor: Actor, project: str | None, environments: Sequence[str]
) -> tuple[str | None, tuple[str, ...]]:
    if project is None:
        if environments:
            raise InvalidInput("Say which project these environments belong to.", "workspace")
        return None, ()
    found = get_visible_project(tx, actor, project)
    return found.id, tuple(get_visible_environment(tx, actor, found, one).id for one in environments)


def _require_valid(name: str, kind: str, roles: Sequence[str], environment_ids: Sequence[str]) -> None:
    if problem := title_problem(name, "key"):
        raise InvalidInput(problem, "name")
    if kind not in KINDS:
        raise InvalidInput(f"Choose one of {', '.join(KINDS)}.", "apiKeyType")
    unknown = [role for role in roles if role not in ROLES]
    if unknown:
        raise InvalidInput(f"There is no role {unknown[0]}. Choose from {', '.join(ROLES)}.", "roles")
    if kind == "admin" and not roles:
        raise InvalidInput(f"Give the key at least one role of {', '.join(ROLES)}.", "roles")
    if kind != "admin" and len(environment_ids) != 1:
        raise InvalidInput("An SDK key is for exactly one environment.", "environments")


def _require_no_more_than(
    actor: Actor, roles: Sequence[str], project_id: str | None, environment_ids: tuple[str, ...]
) -> None:
    wanted = frozenset[Right]().union(*(RIGHTS_OF_KEY_ROLE[role] for role in roles))
    wider = actor.project_id is not None and project_id != actor.project_id
    inside = bool(environment_ids) and set(environment_ids) <= actor.environment_ids
    wider = wider or bool(actor.environment_ids and not inside)
    if wanted - actor.rights or wider:
        raise NotAllowed("A key cannot be given more than you may do yourself.")
