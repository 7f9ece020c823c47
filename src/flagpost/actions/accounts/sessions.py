"""Signing in and out, and the links that work once: the first admin's, invitations, forgotten passwords.

Passwords are hashed with argon2 (the library's defaults, which follow RFC 9106). Session tokens and links are 256
random bits and stored as SHA-256. Guessing is slowed down by account and by address.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import argon2

from flagpost.actions.access import RIGHTS_OF_USER_ROLE, Actor, ActorType
from flagpost.actions.accounts.api_keys import hash_of
from flagpost.actions.accounts.rate_limit import FailedAttempts
from flagpost.actions.audit import record
from flagpost.actions.context import Context
from flagpost.errors import InvalidInput, NotFound, NotSignedIn, Problem
from flagpost.flags.naming_rules import email_problem, title_problem
from flagpost.store.accounts import accounts, users
from flagpost.store.accounts.users import OneTimeLink, Session, User
from flagpost.store.db import Transaction

MIN_PASSWORD = 10
MAX_PASSWORD = 1000
LINK_DAYS = 7
_DAY_MS = 86_400_000
_SEEN_EVERY_MS = 5 * 60_000
_WRONG = "That email and password do not fit together."

_hasher = argon2.PasswordHasher()


@cache
def _no_one() -> str:
    """A hash that no password fits, so that an unknown email takes as long as a wrong password."""
    return _hasher.hash(secrets.token_urlsafe())


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A person at a browser."""

    actor: Actor
    user: User
    session_id: str


_attempts = FailedAttempts(10)


def sign_in(ctx: Context, email: str, password: str, *, address: str = "", user_agent: str = "") -> str:
    """A session token for this person. NotSignedIn where email and password do not fit together."""
    now = ctx.clock()
    by_email, by_address = f"{ctx.db.url}:{email.lower()}", f"{ctx.db.url}@{address}"
    _attempts.require_allowed(now, by_email, by_address)
    with ctx.db.read() as tx:
        user = users.find_user_by_email(tx, email.strip())
    known = user.password_hash if user and user.status == "ACTIVE" else None
    if not _fits(known or _no_one(), password) or known is None or user is None:
        _attempts.record(now, by_email, by_address)
        raise NotSignedIn(_WRONG)
    _attempts.reset(by_email)
    with ctx.db.write() as tx:
        users.delete_expired(tx, now)
        if _hasher.check_needs_rehash(known):
            users.update_user(tx, user.id, password_hash=_hasher.hash(password))
        return _new_session(ctx, tx, user, user_agent, now)


def signed_in(ctx: Context, token: str | None) -> SignedIn | None:
    """Whose session this is; None where it is nobody's (any more)."""
    if not token or len(token) > 200:
        return None
    now = ctx.clock()
    with ctx.db.read() as tx:
        found = users.find_session(tx, hash_of(token))
        if found is None or found[0].expires_at <= now or found[1].status != "ACTIVE":
            return None
        session, user = found
        groups = users.groups_of(tx, user.id)
    if now - session.last_seen_at > _SEEN_EVERY_MS:
        with ctx.db.write() as tx:
            users.touch_session(tx, session.id, now, now + ctx.settings.session_days * _DAY_MS)
    return SignedIn(actor_of(user, groups), user, session.id)


def actor_of(user: User, groups: list[str]) -> Actor:
    """The actor that a person is."""
    return Actor(
        user.account_id,
        ActorType.USER,
        user.id,
        user.name,
        RIGHTS_OF_USER_ROLE[user.role],
        group_ids=frozenset(groups),
        sees_all_projects=user.role == "admin",
    )


def sign_out(ctx: Context, who: SignedIn) -> None:
    """End this session."""
    end_session(ctx, who, who.session_id)


def list_sessions(ctx: Context, who: SignedIn) -> list[Session]:
    """Where somebody is signed in."""
    with ctx.db.read() as tx:
        return users.list_sessions(tx, who.user.id)


def end_session(ctx: Context, who: SignedIn, session_id: str) -> None:
    """End one of one's own sessions at once."""
    with ctx.db.write() as tx:
        if not users.delete_session(tx, who.user.id, session_id):
            raise NotFound("That session has ended already.")


def change_password(ctx: Context, who: SignedIn, old: str, new: str) -> None:
    """A new password, for one who knows the old one; every other session ends."""
    _attempts.require_allowed(ctx.clock(), who.user.id)
    if not _fits(who.user.password_hash or _no_one(), old):
        _attempts.record(ctx.clock(), who.user.id)
        raise InvalidInput("That is not your present password.", "old_password")
    _require_good_password(new, "new_password")
    with ctx.db.write() as tx:
        users.update_user(tx, who.user.id, password_hash=_hasher.hash(new))
        users.delete_sessions(tx, who.user.id, but=who.session_id)


# Links that work once ---------------------------------------------------------------------------------------------


def first_admin_link(ctx: Context) -> str | None:
    """The address where the first admin is created; None once anybody can sign in."""
    with ctx.db.write() as tx:
        account_id = accounts.first(tx)
        if account_id is None or users.any_user(tx):
            return None
        return new_link(ctx, tx, account_id, "first_admin", None)


def new_link(ctx: Context, tx: Transaction, account_id: str, purpose: str, user_id: str | None) -> str:
    """The address of a new link."""
    token = secrets.token_urlsafe(32)
    now = ctx.clock()
    link = OneTimeLink(hash_of(token), account_id, purpose, user_id, now + LINK_DAYS * _DAY_MS)
    users.insert_link(tx, link, now)
    page = "setup" if purpose == "first_admin" else "invite"
    return f"{ctx.settings.public_url}/{page}/{token}"


def look_at_link(ctx: Context, token: str) -> tuple[OneTimeLink, User | None]:
    """What a link is for, and for whom. NotFound where it was used, has expired, or never was."""
    with ctx.db.read() as tx:
        link = users.find_link(tx, hash_of(token), ctx.clock())
        if link is None:
            raise NotFound("This link has been used or has expired. Ask an admin for a new one.")
        return link, users.find_user(tx, link.user_id) if link.user_id else None


def create_first_admin(ctx: Context, token: str, *, email: str, name: str, password: str, user_agent: str = "") -> str:
    """Use the first link up: create the admin, and sign them in; the session token."""
    _require_valid(email, name, password)

    def create(tx: Transaction, link: OneTimeLink, now: int) -> User:
        if users.any_user(tx):
            raise NotFound("There is an admin already. Ask them for an invitation.")
        hashed = _hasher.hash(password)
        user = users.insert_user(
            tx, link.account_id, email=email, name=name, role="admin", status="ACTIVE", password_hash=hashed, now=now
        )
        record_user(tx, actor_of(user, []), now, user, "created")
        return user

    return _use_link(ctx, token, "first_admin", user_agent, create)


def accept_invitation(ctx: Context, token: str, *, name: str, password: str, user_agent: str = "") -> str:
    """Use an invitation or a password link up: set name and password, and sign in; the session token."""
    _require_valid("somebody@example.com", name, password)

    def accept(tx: Transaction, link: OneTimeLink, now: int) -> User:
        user = users.find_user(tx, link.user_id or "")
        if user is None or user.status == "DEACTIVATED":
            raise NotFound("This account is not active any more.")
        users.update_user(tx, user.id, name=name, status="ACTIVE", password_hash=_hasher.hash(password))
        users.delete_sessions(tx, user.id)
        changed = users.find_user(tx, user.id)
        assert changed is not None  # noqa: S101 - updated a line above
        record_user(tx, actor_of(changed, []), now, changed, "accepted_invitation")
        return changed

    return _use_link(ctx, token, "invitation", user_agent, accept)


def _use_link(
    ctx: Context, token: str, purpose: str, user_agent: str, act: Callable[[Transaction, OneTimeLink, int], User]
) -> str:
    now = ctx.clock()
    with ctx.db.write() as tx:
        link = users.find_link(tx, hash_of(token), now)
        if link is None or link.purpose != purpose or not users.delete_link(tx, link.token_hash):
            raise NotFound("This link has been used or has expired. Ask an admin for a new one.")
        return _new_session(ctx, tx, act(tx, link, now), user_agent, now)


def _new_session(ctx: Context, tx: Transaction, user: User, user_agent: str, now: int) -> str:
    token = secrets.token_urlsafe(32)
    expires = now + ctx.settings.session_days * _DAY_MS
    users.insert_session(tx, hash_of(token), user.id, user_agent, now, expires)
    return token


def _fits(hashed: str, password: str) -> bool:
    try:
        return _hasher.verify(hashed, password[:MAX_PASSWORD])
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False


def _require_valid(email: str, name: str, password: str) -> None:
    checks = (("email", email_problem(email)), ("name", title_problem(name, "person")))
    problems = [Problem(field, problem) for field, problem in checks if problem]
    try:
        _require_good_password(password, "password")
    except InvalidInput as error:
        problems += error.problems
    if problems:
        raise InvalidInput(problems)


def _require_good_password(password: str, field: str) -> None:
    if len(password) < MIN_PASSWORD:
        raise InvalidInput(f"Choose a password of at least {MIN_PASSWORD} characters.", field)
    if len(password) > MAX_PASSWORD:
        raise InvalidInput(f"A password has at most {MAX_PASSWORD:,} characters.", field)


def record_user(
    tx: Transaction, actor: Actor, now: int, user: User, change: str, before: dict[str, object] | None = None
) -> None:
    """Note a change of a person in the audit log."""
    after = {"email": user.email, "name": user.name, "role": user.role, "status": user.status}
    record(
        tx,
        actor,
        now,
        change,
        object_type="user",
        object_id=user.id,
        object_name=user.email,
        before=before,
        after=after,
    )
