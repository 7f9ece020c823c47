"""Signing in and out, and the links that work once: the first admin's, invitations, forgotten passwords.

Passwords are hashed with argon2 (the library's defaults, which follow RFC 9106). Session tokens and links are 256
random bits and stored as SHA-256. Guessing is slowed down by account and by address.
"""

import secrets
from dataclasses import dataclass
from functools import cache

import argon2

from flagpost.actions.access import RIGHTS_OF_USER_ROLE, Actor, ActorType, system
from flagpost.actions.accounts.api_keys import hash_of
from flagpost.actions.accounts.rate_limit import FailedAttempts
from flagpost.actions.context import Context
from flagpost.actions.unit_of_work import Change, Subject, transactional
from flagpost.errors import InvalidInput, NotFound, NotSignedIn, Problem
from flagpost.flags.naming_rules import email_problem, title_problem
from flagpost.store.accounts import accounts, users
from flagpost.store.accounts.users import OneTimeLink, Session, User

MIN_PASSWORD = 10
MAX_PASSWORD = 1000
LINK_DAYS = 7
_DAY_MS = 86_400_000
_SEEN_EVERY_MS = 5 * 60_000
_WRONG = "That email and password do not fit together."

_hasher = argon2.PasswordHasher()


@cache
def _unmatched_hash() -> str:
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
    """A session token for this user. NotSignedIn where email and password do not fit together."""
    now = ctx.clock()
    by_email, by_address = f"{ctx.db.url}:{email.lower()}", f"{ctx.db.url}@{address}"
    _attempts.require_allowed(now, by_email, by_address)
    with ctx.db.read() as tx:
        user = users.find_user_by_email(tx, email.strip())
    known = user.password_hash if user and user.status == "ACTIVE" else None
    if not _fits(known or _unmatched_hash(), password) or known is None or user is None:
        _attempts.record(now, by_email, by_address)
        raise NotSignedIn(_WRONG)
    _attempts.reset(by_email)
    rehashed = _hasher.hash(password) if _hasher.check_needs_rehash(known) else None
    return _begin_session(ctx, actor_of(user, []), user.id, known, rehashed, user_agent)


@transactional
def _begin_session(change: Change, user_id: str, known: str, rehashed: str | None, user_agent: str) -> str:
    """A session for the user whose password was just compared. NotSignedIn where it was changed, or the user
    deactivated, since: the user's row is locked before it is looked at.
    """
    user = users.lock_user(change.tx, user_id)
    if user is None or user.status != "ACTIVE" or user.password_hash != known:
        raise NotSignedIn(_WRONG)
    users.delete_expired(change.tx, change.now)
    if rehashed:
        users.update_user(change.tx, user.id, password_hash=rehashed)
    return _new_session(change, user, user_agent)


def signed_in(ctx: Context, token: str | None) -> SignedIn | None:
    """The user of a session; None where the token is unknown, or the session has ended."""
    if not token or len(token) > 200:
        return None
    now = ctx.clock()
    with ctx.db.read() as tx:
        found = users.find_session(tx, hash_of(token))
        if found is None or found[0].expires_at <= now or found[1].status != "ACTIVE":
            return None
        session, user = found
        groups = users.groups_of(tx, user.id)
    actor = actor_of(user, groups)
    if now - session.last_seen_at > _SEEN_EVERY_MS:
        _touch(ctx, actor, session.id)
    return SignedIn(actor, user, session.id)


@transactional
def _touch(change: Change, session_id: str) -> None:
    """Note that a session was used, which prolongs it."""
    until = change.now + change.ctx.settings.session_days * _DAY_MS
    users.touch_session(change.tx, session_id, change.now, until)


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
    """The sessions of a user."""
    with ctx.db.read() as tx:
        return users.list_sessions(tx, who.user.id)


def end_session(ctx: Context, who: SignedIn, session_id: str) -> None:
    """End one of one's own sessions at once."""
    _end_session(ctx, who.actor, session_id)


@transactional
def _end_session(change: Change, session_id: str) -> None:
    if not users.delete_session(change.tx, change.actor.id, session_id):
        raise NotFound("That session has ended already.")


def change_password(ctx: Context, who: SignedIn, old: str, new: str) -> None:
    """A new password, for a user who knows the old one; every other session ends."""
    _attempts.require_allowed(ctx.clock(), who.user.id)
    if not _fits(who.user.password_hash or _unmatched_hash(), old):
        _attempts.record(ctx.clock(), who.user.id)
        raise InvalidInput("That is not your present password.", "old_password")
    _require_good_password(new, "new_password")
    _set_password(ctx, who.actor, _hasher.hash(new), who.session_id)


@transactional
def _set_password(change: Change, hashed: str, session_id: str) -> None:
    users.update_user(change.tx, change.actor.id, password_hash=hashed)
    users.delete_sessions(change.tx, change.actor.id, but=session_id)


# Links that work once ---------------------------------------------------------------------------------------------


def first_admin_link(ctx: Context) -> str | None:
    """The address where the first admin is created; None once a user exists."""
    with ctx.db.read() as tx:
        account_id = accounts.first(tx)
    return None if account_id is None else _first_admin_link(ctx, system(account_id))


@transactional
def _first_admin_link(change: Change) -> str | None:
    return None if users.has_active_user(change.tx) else new_link(change, "first_admin", None)


def new_link(change: Change, purpose: str, user_id: str | None) -> str:
    """Within a change: the address of a new link."""
    token = secrets.token_urlsafe(32)
    account_id = change.actor.account_id
    link = OneTimeLink(hash_of(token), account_id, purpose, user_id, change.now + LINK_DAYS * _DAY_MS)
    users.insert_link(change.tx, link, change.now)
    page = "setup" if purpose == "first_admin" else "invite"
    return f"{change.ctx.settings.public_url}/{page}/{token}"


def look_at_link(ctx: Context, token: str) -> tuple[OneTimeLink, User | None]:
    """What a link is for, and for whom. NotFound where it was used, has expired, or never was."""
    with ctx.db.read() as tx:
        link = users.find_link(tx, hash_of(token), ctx.clock())
        if link is None:
            raise _used_up()
        return link, users.find_user(tx, link.user_id) if link.user_id else None


def create_first_admin(ctx: Context, token: str, *, email: str, name: str, password: str, user_agent: str = "") -> str:
    """Use the first link up: create the admin, and sign them in; the session token."""
    _require_valid(email, name, password)
    link = _require_link(ctx, token, "first_admin")
    return _create_first_admin(ctx, system(link.account_id), link, _NewPerson(email, name, password), user_agent)


@dataclass(frozen=True, slots=True)
class _NewPerson:
    """What a form says of a user who begins."""

    email: str
    name: str
    password: str


@transactional
def _create_first_admin(change: Change, link: OneTimeLink, person: _NewPerson, user_agent: str) -> str:
    accounts.lock(change.tx, link.account_id)
    _use_up(change, link)
    if users.has_active_user(change.tx):
        raise NotFound("There is an admin already. Ask them for an invitation.")
    user = users.insert_user(
        change.tx,
        link.account_id,
        email=person.email,
        name=person.name,
        role="admin",
        password_hash=_hasher.hash(person.password),
        now=change.now,
    )
    change.acting_as(actor_of(user, [])).saved("created", user_subject(user), after=shown_user(user))
    return _new_session(change, user, user_agent)


def accept_invitation(ctx: Context, token: str, *, name: str, password: str, user_agent: str = "") -> str:
    """Use an invitation or a password link up: set name and password, and sign in; the session token."""
    _require_valid("user@example.com", name, password)
    link = _require_link(ctx, token, "invitation")
    return _accept_invitation(ctx, system(link.account_id), link, name, _hasher.hash(password), user_agent)


@transactional
def _accept_invitation(change: Change, link: OneTimeLink, name: str, hashed: str, user_agent: str) -> str:
    tx = change.tx
    user = users.lock_user(tx, link.user_id or "")
    _use_up(change, link)
    if user is None or user.status == "DEACTIVATED":
        raise NotFound("This account is not active any more.")
    users.update_user(tx, user.id, name=name, status="ACTIVE", password_hash=hashed)
    users.delete_sessions(tx, user.id)
    new = users.find_user(tx, user.id)
    assert new is not None  # noqa: S101 - it is locked
    change.acting_as(actor_of(new, [])).saved("accepted_invitation", user_subject(new), after=shown_user(new))
    return _new_session(change, new, user_agent)


def _require_link(ctx: Context, token: str, purpose: str) -> OneTimeLink:
    with ctx.db.read() as tx:
        link = users.find_link(tx, hash_of(token), ctx.clock())
    if link is None or link.purpose != purpose:
        raise _used_up()
    return link


def _use_up(change: Change, link: OneTimeLink) -> None:
    """Delete the link. Of two who use it at once, one finds it deleted."""
    if not users.delete_link(change.tx, link.token_hash):
        raise _used_up()


def _used_up() -> NotFound:
    return NotFound("This link has been used or has expired. Ask an admin for a new one.")


def _new_session(change: Change, user: User, user_agent: str) -> str:
    token = secrets.token_urlsafe(32)
    expires = change.now + change.ctx.settings.session_days * _DAY_MS
    users.insert_session(change.tx, hash_of(token), user.id, user_agent, change.now, expires)
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


def user_subject(user: User) -> Subject:
    """The subject of what happens to a user."""
    return Subject("user", user.id, user.email)


def shown_user(user: User) -> dict[str, object]:
    """A user as the audit log shows one."""
    return {"email": user.email, "name": user.name, "role": user.role, "status": user.status}
