"""Who somebody in Jira is in Flagpost: confirmed once, with a code that only the person signed in here is shown.

`docs/decisions/0008-linking-people-of-jira.md` says why it goes that way round. A code has 50 random bits, works once
and for minutes, and only its hash is stored.
"""

import secrets
from dataclasses import dataclass, replace

from flagpost.actions.access import Actor, ActorType, Right
from flagpost.actions.accounts.api_keys import hash_of
from flagpost.actions.accounts.rate_limit import FailedAttempts
from flagpost.actions.accounts.sessions import actor_of
from flagpost.actions.audit import record
from flagpost.actions.context import Context
from flagpost.errors import InvalidInput, NotFound
from flagpost.store.accounts import users
from flagpost.store.accounts.users import OneTimeLink, User
from flagpost.store.db import Transaction
from flagpost.store.jira import account_links
from flagpost.store.jira.account_links import Link
from flagpost.store.jira.integrations import Site

CODE_MINUTES = 10
_PURPOSE = "jira_person"
_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # 32 characters, none of which is taken for another
_HALF = 5
_WRONG = f"Flagpost does not know this code. A code works once, for {CODE_MINUTES} minutes; get a new one in Flagpost."

_by_person, _by_site = FailedAttempts(10), FailedAttempts(100)


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody in Jira, and the user of Flagpost that they are; None: nobody, who may look and change nothing."""

    actor: Actor
    user: User | None


def visitor(tx: Transaction, account_id: str, atlassian_id: str) -> Visitor:
    """Whom this person of Jira acts as. The audit log says of what they do that it was in Jira."""
    user = account_links.find_user(tx, account_id, atlassian_id)
    if user is None or user.status != "ACTIVE":
        looks_only = frozenset({Right.VIEW_FLAGS})
        return Visitor(Actor(account_id, ActorType.JIRA, atlassian_id, "Somebody in Jira", looks_only), None)
    actor = actor_of(user, users.groups_of(tx, user.id))
    return Visitor(replace(actor, name=f"{user.name} (in Jira)"), user)


def new_code(ctx: Context, actor: Actor) -> str:
    """A code to enter in Jira, to be shown to this user only, and once. An earlier one ends."""
    halves = ["".join(secrets.choice(_ALPHABET) for _ in range(_HALF)) for _ in range(2)]
    now = ctx.clock()
    code = OneTimeLink(_hash("".join(halves)), actor.account_id, _PURPOSE, actor.id, now + CODE_MINUTES * 60_000)
    with ctx.db.write() as tx:
        users.insert_link(tx, code, now)
    return "-".join(halves)


def link(ctx: Context, site: Site, atlassian_id: str, code: str) -> None:
    """Whoever enters a user's code in Jira is that user from now on, whoever they were before.

    InvalidInput where the code does not work, TooManyRequests after too many that did not.
    """
    now, person = ctx.clock(), f"{site.id}:{atlassian_id}"
    _by_person.require_allowed(now, person)
    _by_site.require_allowed(now, site.id)
    with ctx.db.write() as tx:
        user = _use(tx, site, code, now)
        if user:
            _link(tx, site, atlassian_id, user, now)
    if user is None:
        _by_person.record(now, person)
        _by_site.record(now, site.id)
        raise InvalidInput(_WRONG, "code")


def unlink(ctx: Context, site: Site, atlassian_id: str) -> None:
    """In Jira: be nobody in Flagpost any more."""
    with ctx.db.write() as tx:
        _unlink(tx, visitor(tx, site.account_id, atlassian_id).actor, atlassian_id, ctx.clock())


def links_of(ctx: Context, actor: Actor) -> list[Link]:
    """The Atlassian accounts that act as this user."""
    with ctx.db.read() as tx:
        return account_links.links_of(tx, actor.id)


def end_link(ctx: Context, actor: Actor, atlassian_id: str) -> None:
    """In Flagpost: end one of one's own links."""
    with ctx.db.write() as tx:
        user = account_links.find_user(tx, actor.account_id, atlassian_id)
        if user is None or user.id != actor.id:
            raise NotFound("That link has ended already.")
        _unlink(tx, actor, atlassian_id, ctx.clock())


def _hash(code: str) -> str:
    """What is stored. Its purpose is in it, so that no other link's token passes for a code, nor a code for one."""
    typed = "".join(code.split()).replace("-", "").upper()
    return hash_of(f"{_PURPOSE} {typed}")


def _use(tx: Transaction, site: Site, code: str, now: int) -> User | None:
    """Use a code up; whose it is. None where it does not work, or works for another account than the site's."""
    found = users.find_link(tx, _hash(code), now)
    if found is None or found.account_id != site.account_id:
        return None
    user = users.find_user(tx, found.user_id or "")
    works = user is not None and user.status == "ACTIVE" and users.delete_link(tx, found.token_hash)
    return user if works else None


def _link(tx: Transaction, site: Site, atlassian_id: str, user: User, now: int) -> None:
    _unlink(tx, visitor(tx, site.account_id, atlassian_id).actor, atlassian_id, now)
    account_links.link(tx, site.account_id, atlassian_id, user.id, now)
    _record(tx, visitor(tx, site.account_id, atlassian_id).actor, now, user, "linked_with_jira", atlassian_id)


def _unlink(tx: Transaction, actor: Actor, atlassian_id: str, now: int) -> None:
    """Where there is a link, end it."""
    user = account_links.find_user(tx, actor.account_id, atlassian_id)
    if user:
        account_links.unlink(tx, actor.account_id, atlassian_id)
        _record(tx, actor, now, user, "unlinked_from_jira", atlassian_id)


def _record(tx: Transaction, actor: Actor, now: int, user: User, change: str, atlassian_id: str) -> None:
    about = {"atlassianAccount": atlassian_id}
    linked = change == "linked_with_jira"
    record(
        tx,
        actor,
        now,
        change,
        object_type="user",
        object_id=user.id,
        object_name=user.email,
        before=None if linked else about,
        after=about if linked else None,
    )
