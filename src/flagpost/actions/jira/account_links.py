"""Which Atlassian account is which user of Flagpost: confirmed once, with a code that only that user is shown.

`docs/decisions/0008-linking-people-of-jira.md` says why the code goes from Flagpost to Jira. A code has 50 random bits,
works once and for minutes, and only its hash is stored. Links are made and ended under the lock of the account, so of
two that are made at once for one Atlassian account the second replaces the first, and the audit log says so.
"""

import secrets
from dataclasses import dataclass, replace

from flagpost.actions.access import Actor, ActorType, Right
from flagpost.actions.accounts.api_keys import hash_of
from flagpost.actions.accounts.rate_limit import FailedAttempts
from flagpost.actions.accounts.sessions import actor_of, user_subject
from flagpost.actions.context import Context
from flagpost.actions.unit_of_work import Change, transactional
from flagpost.errors import InvalidInput, NotFound
from flagpost.store.accounts import accounts, users
from flagpost.store.accounts.users import OneTimeLink, User
from flagpost.store.db import Transaction
from flagpost.store.jira import account_links
from flagpost.store.jira.account_links import AccountLink
from flagpost.store.jira.integrations import Site

CODE_MINUTES = 10
_PURPOSE = "jira_person"
_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # 32 characters, none of which is taken for another
_HALF = 5
_WRONG = f"Flagpost does not know this code. A code works once, for {CODE_MINUTES} minutes; get a new one in Flagpost."

_by_person, _by_site = FailedAttempts(10), FailedAttempts(100)


@dataclass(frozen=True, slots=True)
class Visitor:
    """An Atlassian account that looks at an issue, and its user of Flagpost. Without one it may change nothing."""

    actor: Actor
    user: User | None


def visitor(tx: Transaction, account_id: str, atlassian_id: str) -> Visitor:
    """The user that an Atlassian account acts as. Its name in the audit log says that it was in Jira."""
    user = account_links.find_user(tx, account_id, atlassian_id)
    if user is None or user.status != "ACTIVE":
        return Visitor(_unlinked(account_id, atlassian_id), None)
    actor = actor_of(user, users.groups_of(tx, user.id))
    return Visitor(replace(actor, name=f"{user.name} (in Jira)"), user)


def _unlinked(account_id: str, atlassian_id: str) -> Actor:
    looks_only = frozenset({Right.VIEW_FLAGS})
    return Actor(account_id, ActorType.JIRA, atlassian_id, "Unlinked account in Jira", looks_only)


def new_code(ctx: Context, actor: Actor) -> str:
    """A code to enter in Jira, to be shown to this user only, and once. An earlier one ends."""
    halves = ["".join(secrets.choice(_ALPHABET) for _ in range(_HALF)) for _ in range(2)]
    _insert_code(ctx, actor, _hash("".join(halves)))
    return "-".join(halves)


@transactional
def _insert_code(change: Change, code_hash: str) -> None:
    """The user's row is locked, so that of two codes made at once the second ends the first."""
    actor = change.actor
    users.lock_user(change.tx, actor.id)
    code = OneTimeLink(code_hash, actor.account_id, _PURPOSE, actor.id, change.now + CODE_MINUTES * 60_000)
    users.insert_link(change.tx, code, change.now)


def link(ctx: Context, site: Site, atlassian_id: str, code: str) -> None:
    """Link an Atlassian account with the user whose code this is, in place of the user it was linked with before.

    InvalidInput where the code does not work, TooManyRequests after too many that did not.
    """
    now, person = ctx.clock(), f"{site.id}:{atlassian_id}"
    _by_person.require_allowed(now, person)
    _by_site.require_allowed(now, site.id)
    if not _link(ctx, _unlinked(site.account_id, atlassian_id), atlassian_id, _hash(code)):
        _by_person.record(now, person)
        _by_site.record(now, site.id)
        raise InvalidInput(_WRONG, "code")


@transactional
def _link(change: Change, atlassian_id: str, code_hash: str) -> bool:
    """Use a code up and link; False where the code does not work, or works for another account than the site's."""
    tx, account_id = change.tx, change.actor.account_id
    if users.find_link(tx, code_hash, change.now) is None:
        return False  # a guess locks nothing
    accounts.lock(tx, account_id)
    user = _use_up(change, code_hash)
    if user is None:
        return False
    _end(_visiting(change, atlassian_id), atlassian_id)
    account_links.link(tx, account_id, atlassian_id, user.id, change.now)
    after = {"atlassianAccount": atlassian_id}
    _visiting(change, atlassian_id).saved("linked_with_jira", user_subject(user), after=after)
    return True


def _use_up(change: Change, code_hash: str) -> User | None:
    """The user whose code this is; the code is deleted. None where it was used before, or the user may not sign in.

    The account is locked, so no admin deactivates the user meanwhile.
    """
    found = users.find_link(change.tx, code_hash, change.now)
    if found is None or found.account_id != change.actor.account_id:
        return None
    user = users.find_user(change.tx, found.user_id or "")
    works = user is not None and user.status == "ACTIVE" and users.delete_link(change.tx, code_hash)
    return user if works else None


def unlink(ctx: Context, site: Site, atlassian_id: str) -> None:
    """In Jira: end the link of this Atlassian account. Without one, nothing changes."""
    _unlink(ctx, _unlinked(site.account_id, atlassian_id), atlassian_id)


@transactional
def _unlink(change: Change, atlassian_id: str) -> None:
    accounts.lock(change.tx, change.actor.account_id)
    _end(_visiting(change, atlassian_id), atlassian_id)


def links_of(ctx: Context, actor: Actor) -> list[AccountLink]:
    """The Atlassian accounts that act as this user."""
    with ctx.db.read() as tx:
        return account_links.links_of(tx, actor.id)


@transactional
def end_link(change: Change, atlassian_id: str) -> None:
    """In Flagpost: end a link of the user's own. NotFound where it has ended already."""
    accounts.lock(change.tx, change.actor.account_id)
    user = account_links.find_user(change.tx, change.actor.account_id, atlassian_id)
    if user is None or user.id != change.actor.id:
        raise NotFound("That link has ended already.")
    _end(change, atlassian_id)


def _visiting(change: Change, atlassian_id: str) -> Change:
    """The change, made by the user that this Atlassian account is linked with now."""
    return change.acting_as(visitor(change.tx, change.actor.account_id, atlassian_id).actor)


def _end(change: Change, atlassian_id: str) -> None:
    """Within a change that holds the account's lock: end the link, where there is one."""
    account_id = change.actor.account_id
    if user := account_links.find_user(change.tx, account_id, atlassian_id):
        account_links.unlink(change.tx, account_id, atlassian_id)
        change.saved("unlinked_from_jira", user_subject(user), before={"atlassianAccount": atlassian_id})


def _hash(code: str) -> str:
    """What is stored of a code. Its purpose is hashed with it, so that no other one-time token passes for a code."""
    typed = "".join(code.split()).replace("-", "").upper()
    return hash_of(f"{_PURPOSE} {typed}")
