"""API keys: who or what acts without a password. A secret is shown once and stored as a hash.

The hash is a plain SHA-256: a secret is 256 random bits, so there is nothing to guess that a slow hash would protect.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from flagpost.actions.access import RIGHTS_OF_KEY_ROLE, Actor, ActorType, Right
from flagpost.actions.context import Context
from flagpost.actions.lookup import get_visible_environment, get_visible_project
from flagpost.actions.unit_of_work import Change, Subject, transactional
from flagpost.errors import InvalidInput, NotAllowed, NotFound, NotSignedIn
from flagpost.flags.naming_rules import title_problem
from flagpost.store.accounts import api_keys
from flagpost.store.locks import Lock
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


@dataclass(frozen=True, slots=True)
class KeyScope:
    """What a key is bound to, by name or id: everything, one project, or some environments of one project."""

    project: str | None = None
    environments: Sequence[str] = ()


EVERYTHING = KeyScope()


@transactional
def create_api_key(
    change: Change,
    *,
    name: str,
    kind: str = "admin",
    roles: Sequence[str] = (),
    scope: KeyScope = EVERYTHING,
    expires_at: int | None = None,
    secret: str | None = None,
) -> tuple[ApiKey, str]:
    """A new key and its secret. SDK keys (`server_side`, `client_side`) are for exactly one environment.

    A key that may do more than the actor is refused. `secret` is for unattended set-up.
    """
    actor = change.actor
    actor.require(Right.MANAGE_KEYS)
    secret = secret or new_secret(kind)
    project_id, environment_ids = _resolve(change, scope)
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
        created_at=change.now,
        expires_at=expires_at,
        revoked_at=None,
        last_used_at=None,
    )
    api_keys.insert(change.tx, key, hash_of(secret))
    after = {"name": key.name, "kind": key.kind, "roles": list(key.roles)}
    change.saved("created", key_subject(key), after=after)
    return key, secret


def list_api_keys(ctx: Context, actor: Actor) -> list[ApiKey]:
    """The account's keys; those that work first."""
    actor.require(Right.MANAGE_KEYS)
    with ctx.db.read() as tx:
        return api_keys.list_of_account(tx, actor.account_id)


@transactional
def revoke_api_key(change: Change, key_id: str) -> None:
    """End a key at once. It stays in the list, so that the audit log's names keep their meaning."""
    change.actor.require(Right.MANAGE_KEYS)
    tx, account_id = change.tx, change.actor.account_id
    named = api_keys.find(tx, account_id, key_id) or api_keys.find_by_secret(tx, hash_of(key_id))
    key = api_keys.lock(tx, account_id, named.id) if named else None
    if key is None or key.revoked_at is not None:
        raise NotFound("Could not find the API key.")
    api_keys.update(tx, key.id, revoked_at=change.now)
    change.saved("revoked", key_subject(key))


def authenticate_key(ctx: Context, secret: str) -> Actor:
    """The actor of the key with this secret. NotSignedIn says whether it is unknown, revoked or expired."""
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
    if ctx.clock() - (key.last_used_at or 0) > _USED_EVERY_MS:
        _note_use(ctx, actor_of(key), key.id)


@transactional
def _note_use(change: Change, key_id: str) -> None:
    api_keys.update(change.tx, key_id, last_used_at=change.now)


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


def key_subject(key: ApiKey) -> Subject:
    """The subject of what happens to a key."""
    return Subject("api_key", key.id, key.name, key.project_id)


def _resolve(change: Change, scope: KeyScope) -> tuple[str | None, tuple[str, ...]]:
    """The ids of a scope. The project and its environments are held, so that none is deleted under the new key."""
    tx, actor = change.tx, change.actor
    if scope.project is None:
        if scope.environments:
            raise InvalidInput("Say which project these environments belong to.", "workspace")
        return None, ()
    found = get_visible_project(tx, actor, scope.project, lock=Lock.KEEP)
    places = [get_visible_environment(tx, actor, found, one, lock=Lock.KEEP) for one in scope.environments]
    return found.id, tuple(place.id for place in places)


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
