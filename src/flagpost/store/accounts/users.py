"""Users, groups, sessions and one-time links."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from flagpost.store.db import Transaction
from flagpost.store.locks import Lock, take
from flagpost.store.schema.core import group_members, groups, one_time_links, sessions, users


@dataclass(frozen=True, slots=True)
class User:
    """A person who may sign in once `status` is ACTIVE. The password is stored as a hash, None until it is chosen."""

    id: str
    account_id: str
    email: str
    name: str
    role: str
    status: str
    password_hash: str | None
    created_at: int


@dataclass(frozen=True, slots=True)
class Group:
    """Users who are named together. `members` is how many they are."""

    id: str
    account_id: str
    name: str
    description: str
    created_at: int
    members: int


@dataclass(frozen=True, slots=True)
class Session:
    """A user signed in with one browser. Its token is stored as a hash."""

    id: str
    user_id: str
    created_at: int
    last_seen_at: int
    expires_at: int
    user_agent: str


@dataclass(frozen=True, slots=True)
class OneTimeLink:
    """A link that works once, and its purpose. Its token is stored as a hash."""

    token_hash: str
    account_id: str
    purpose: str
    user_id: str | None
    expires_at: int


# Users ------------------------------------------------------------------------------------------------------------


def insert_user(
    tx: Transaction,
    account_id: str,
    *,
    email: str,
    name: str,
    role: str,
    password_hash: str | None,
    now: int,
) -> User:
    """Insert a user, ACTIVE with a password and PENDING without. The email is stored in lower case."""
    status = "PENDING" if password_hash is None else "ACTIVE"
    user = User(str(uuid4()), account_id, email.lower(), name, role, status, password_hash, now)
    tx.execute(sa.insert(users).values({column.name: getattr(user, column.name) for column in users.c}))
    return user


def find_user(tx: Transaction, user_id: str) -> User | None:
    """The user with this id."""
    row = tx.execute(sa.select(users).where(users.c.id == user_id)).first()
    return User(*row) if row else None


def lock_user(tx: Transaction, user_id: str, strength: Lock = Lock.CHANGE) -> User | None:
    """The user with this id, locked until the commit (`store.locks`)."""
    take(tx, users, [user_id], strength)
    return find_user(tx, user_id)


def find_user_by_email(tx: Transaction, email: str) -> User | None:
    """The user with this email, in any case."""
    row = tx.execute(sa.select(users).where(users.c.email == email.lower())).first()
    return User(*row) if row else None


def list_users(tx: Transaction, account_id: str) -> list[User]:
    """An account's users, in order of name."""
    query = sa.select(users).where(users.c.account_id == account_id).order_by(users.c.name, users.c.email)
    return [User(*row) for row in tx.execute(query)]


def page_users(
    tx: Transaction, account_id: str, status: str | None, group_id: str | None, after: str, limit: int
) -> list[User]:
    """Users in order of id, from the first one after an id; of a status and of a group where these are not None."""
    query = sa.select(users).where(users.c.account_id == account_id, users.c.id > after)
    if status is not None:
        query = query.where(users.c.status == status)
    if group_id is not None:
        inside = sa.select(group_members.c.user_id).where(group_members.c.group_id == group_id)
        query = query.where(users.c.id.in_(inside))
    return [User(*row) for row in tx.execute(query.order_by(users.c.id).limit(limit))]


def update_user(tx: Transaction, user_id: str, **values: Any) -> None:
    """Set columns of a user."""
    tx.execute(sa.update(users).where(users.c.id == user_id).values(**values))


def delete_user(tx: Transaction, user_id: str) -> None:
    """Delete a user."""
    tx.execute(sa.delete(users).where(users.c.id == user_id))


def has_active_user(tx: Transaction) -> bool:
    """Whether any account has an active user."""
    return bool(tx.scalar(sa.select(sa.exists().where(users.c.status == "ACTIVE"))))


def count_active_admins(tx: Transaction, account_id: str) -> int:
    """How many active admins an account has."""
    admins = (users.c.account_id == account_id) & (users.c.role == "admin") & (users.c.status == "ACTIVE")
    return tx.scalar(sa.select(sa.func.count()).select_from(users).where(admins)) or 0


# Groups -----------------------------------------------------------------------------------------------------------


def list_groups(tx: Transaction, account_id: str) -> list[Group]:
    """An account's groups, in order of name."""
    members = sa.select(sa.func.count()).where(group_members.c.group_id == groups.c.id).scalar_subquery()
    query = sa.select(groups, members).where(groups.c.account_id == account_id).order_by(groups.c.name)
    return [Group(*row) for row in tx.execute(query)]


def find_group(tx: Transaction, account_id: str, ref: str) -> Group | None:
    """The group with this id or name."""
    return next((group for group in list_groups(tx, account_id) if ref in (group.id, group.name)), None)


def insert_group(tx: Transaction, account_id: str, name: str, description: str, now: int) -> str:
    """Insert a group without members. Returns its id."""
    group_id = str(uuid4())
    values = {"id": group_id, "account_id": account_id, "name": name, "description": description, "created_at": now}
    tx.execute(sa.insert(groups).values(values))
    return group_id


def delete_group(tx: Transaction, group_id: str) -> None:
    """Delete a group."""
    tx.execute(sa.delete(groups).where(groups.c.id == group_id))


def members_of(tx: Transaction, group_id: str) -> list[str]:
    """The ids of a group's members."""
    return list(tx.scalars(sa.select(group_members.c.user_id).where(group_members.c.group_id == group_id)))


def replace_members(tx: Transaction, group_id: str, user_ids: Collection[str]) -> None:
    """Give a group exactly these members."""
    tx.execute(sa.delete(group_members).where(group_members.c.group_id == group_id))
    if user_ids:
        tx.execute(sa.insert(group_members), [{"group_id": group_id, "user_id": one} for one in set(user_ids)])


def groups_of(tx: Transaction, user_id: str) -> list[str]:
    """The ids of the groups that a user is in."""
    return list(tx.scalars(sa.select(group_members.c.group_id).where(group_members.c.user_id == user_id)))


def groups_of_many(tx: Transaction, user_ids: Collection[str]) -> dict[str, list[str]]:
    """The ids of the groups that each of these users is in."""
    found: dict[str, list[str]] = {user_id: [] for user_id in user_ids}
    query = sa.select(group_members.c.user_id, group_members.c.group_id).order_by(group_members.c.group_id)
    for user_id, group_id in tx.execute(query.where(group_members.c.user_id.in_(list(user_ids)))):
        found[user_id].append(group_id)
    return found


def replace_groups(tx: Transaction, user_id: str, group_ids: Collection[str]) -> None:
    """Put a user into exactly these groups."""
    tx.execute(sa.delete(group_members).where(group_members.c.user_id == user_id))
    if group_ids:
        tx.execute(sa.insert(group_members), [{"group_id": one, "user_id": user_id} for one in set(group_ids)])


def update_group(tx: Transaction, group_id: str, **values: Any) -> None:
    """Set columns of a group."""
    tx.execute(sa.update(groups).where(groups.c.id == group_id).values(**values))


# Sessions and links -----------------------------------------------------------------------------------------------

_SESSION = [sessions.c[name] for name in Session.__slots__]


def insert_session(tx: Transaction, token_hash: str, user_id: str, user_agent: str, now: int, expires_at: int) -> None:
    """Insert a session."""
    tx.execute(
        sa.insert(sessions).values(
            token_hash=token_hash,
            id=str(uuid4()),
            user_id=user_id,
            created_at=now,
            last_seen_at=now,
            expires_at=expires_at,
            user_agent=user_agent[:255],
        )
    )


def find_session(tx: Transaction, token_hash: str) -> tuple[Session, User] | None:
    """The session with this token, and its user; expired sessions too."""
    query = sa.select(*_SESSION, users).join_from(sessions, users, sessions.c.user_id == users.c.id)
    row = tx.execute(query.where(sessions.c.token_hash == token_hash)).first()
    return (Session(*row[: len(_SESSION)]), User(*row[len(_SESSION) :])) if row else None


def list_sessions(tx: Transaction, user_id: str) -> list[Session]:
    """A user's sessions, the last used first."""
    query = sa.select(*_SESSION).where(sessions.c.user_id == user_id).order_by(sessions.c.last_seen_at.desc())
    return [Session(*row) for row in tx.execute(query)]


def touch_session(tx: Transaction, session_id: str, now: int, expires_at: int) -> None:
    """Record that a session was used, and move its end."""
    values = {"last_seen_at": now, "expires_at": expires_at}
    tx.execute(sa.update(sessions).where(sessions.c.id == session_id).values(values))


def delete_session(tx: Transaction, user_id: str, session_id: str) -> bool:
    """End one session of a user; False where it does not exist."""
    mine = (sessions.c.user_id == user_id) & (sessions.c.id == session_id)
    return tx.execute(sa.delete(sessions).where(mine)).rowcount == 1


def delete_sessions(tx: Transaction, user_id: str, but: str | None = None) -> None:
    """End a user's sessions; all of them, or (with `but`) all but one."""
    tx.execute(sa.delete(sessions).where(sessions.c.user_id == user_id, sessions.c.id != (but or "")))


def delete_expired(tx: Transaction, now: int) -> None:
    """Delete the sessions and links that have expired."""
    tx.execute(sa.delete(sessions).where(sessions.c.expires_at <= now))
    tx.execute(sa.delete(one_time_links).where(one_time_links.c.expires_at <= now))


def insert_link(tx: Transaction, link: OneTimeLink, now: int) -> None:
    """Insert a link. It replaces an earlier one with the same account, purpose and user."""
    same = (one_time_links.c.account_id == link.account_id) & (one_time_links.c.purpose == link.purpose)
    tx.execute(sa.delete(one_time_links).where(same, one_time_links.c.user_id.is_not_distinct_from(link.user_id)))
    values = {name: getattr(link, name) for name in OneTimeLink.__slots__}
    tx.execute(sa.insert(one_time_links).values(**values, created_at=now))


def find_link(tx: Transaction, token_hash: str, now: int) -> OneTimeLink | None:
    """The link with this token; None where it does not exist or has expired."""
    columns = [one_time_links.c[name] for name in OneTimeLink.__slots__]
    working = (one_time_links.c.token_hash == token_hash) & (one_time_links.c.expires_at > now)
    row = tx.execute(sa.select(*columns).where(working)).first()
    return OneTimeLink(*row) if row else None


def delete_link(tx: Transaction, token_hash: str) -> bool:
    """Delete a link that is used. False where another transaction has used it."""
    return tx.execute(sa.delete(one_time_links).where(one_time_links.c.token_hash == token_hash)).rowcount == 1
