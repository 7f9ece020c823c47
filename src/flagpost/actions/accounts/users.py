"""The people of an account and their groups."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TypedDict, Unpack

from flagpost.actions.access import RIGHTS_OF_USER_ROLE, Actor, Right
from flagpost.actions.accounts.sessions import LINK_DAYS, new_link, shown_user, user_subject
from flagpost.actions.context import Context
from flagpost.actions.unit_of_work import Change, Subject, transactional
from flagpost.errors import Conflict, InvalidInput, NotFound, Problem
from flagpost.flags.naming_rules import email_problem, title_problem
from flagpost.store.accounts import accounts
from flagpost.store.accounts import users as people
from flagpost.store.accounts.users import Group, User
from flagpost.store.db import Transaction
from flagpost.store.records import Owner

ROLES = tuple(RIGHTS_OF_USER_ROLE)


@dataclass(frozen=True, slots=True)
class Invitation:
    """A link with which a user chooses a password, once, within `valid_days`."""

    user: User
    url: str
    valid_days: int


def list_users(ctx: Context, actor: Actor) -> list[User]:
    """Everybody of the account, by name."""
    actor.require(Right.MANAGE_PEOPLE)
    with ctx.db.read() as tx:
        return people.list_users(tx, actor.account_id)


def page_users(
    ctx: Context, actor: Actor, *, status: str | None, group: str | None, after: str, limit: int
) -> list[User]:
    """Users by id, those after the id `after`, of a status (Split's words) and a group where they are given."""
    actor.require(Right.MANAGE_PEOPLE)
    if status not in (None, "ACTIVE", "PENDING", "DEACTIVATED"):
        raise InvalidInput("Choose one of ACTIVE, PENDING, DEACTIVATED.", "status")
    with ctx.db.read() as tx:
        group_id = _reach_group(tx, actor, group).id if group else None
        return people.page_users(tx, actor.account_id, status, group_id, after, limit)


def get_user(ctx: Context, actor: Actor, user: str) -> User:
    """One user, by id or email."""
    actor.require(Right.MANAGE_PEOPLE)
    with ctx.db.read() as tx:
        return _reach_user(tx, actor, user)


def groups_of_users(ctx: Context, actor: Actor, user_ids: Collection[str]) -> dict[str, list[str]]:
    """The ids of the groups that each of these users is in."""
    actor.require(Right.MANAGE_PEOPLE)
    with ctx.db.read() as tx:
        return people.groups_of_many(tx, user_ids)


def possible_owners(ctx: Context, actor: Actor) -> list[Owner]:
    """Users and groups that a flag can belong to, by name."""
    actor.require(Right.VIEW_FLAGS)
    with ctx.db.read() as tx:
        return read_possible_owners(tx, actor.account_id)


def read_possible_owners(tx: Transaction, account_id: str) -> list[Owner]:
    """Within a transaction: the active users and the groups that a flag can belong to, by name."""
    users = [Owner("user", one.id, one.name) for one in people.list_users(tx, account_id) if _works(one)]
    groups = [Owner("group", one.id, one.name) for one in people.list_groups(tx, account_id)]
    return [*users, *groups]


@transactional
def invite_user(change: Change, *, email: str, name: str, role: str, groups: Collection[str] = ()) -> Invitation:
    """Add a user, who chooses a password through the link."""
    change.actor.require(Right.MANAGE_PEOPLE)
    checks = (("email", email_problem(email)), ("name", title_problem(name, "person")), ("role", _role_problem(role)))
    if problems := [Problem(field, problem) for field, problem in checks if problem]:
        raise InvalidInput(problems)
    tx, account_id = change.tx, change.actor.account_id
    if people.find_user_by_email(tx, email):
        raise Conflict(f"{email} is a user already.")
    user = people.insert_user(tx, account_id, email=email, name=name, role=role, password_hash=None, now=change.now)
    people.replace_groups(tx, user.id, _own_groups(change, groups))
    change.saved("invited", user_subject(user), after=shown_user(user))
    return Invitation(user, new_link(change, "invitation", user.id), LINK_DAYS)


@transactional
def new_password_link(change: Change, user_id: str) -> Invitation:
    """A link for a user who has no password yet, or forgot it."""
    change.actor.require(Right.MANAGE_PEOPLE)
    user = _lock_user(change, user_id)
    if user.status == "DEACTIVATED":
        raise Conflict(f"{user.name} is deactivated.")
    change.saved("password_link", user_subject(user), after=shown_user(user))
    return Invitation(user, new_link(change, "invitation", user.id), LINK_DAYS)


@transactional
def delete_invitation(change: Change, user_id: str) -> None:
    """Withdraw an invitation that was not accepted. Conflict for other users: deactivate them instead."""
    change.actor.require(Right.MANAGE_PEOPLE)
    user = _lock_user(change, user_id)
    if user.status != "PENDING":
        raise Conflict(f"{user.name} has accepted the invitation. Deactivate them instead.")
    people.delete_user(change.tx, user.id)
    change.saved("invitation_withdrawn", user_subject(user), after=shown_user(user))


class UserChanges(TypedDict, total=False):
    """What is to be changed about a user; `groups` are ids. What is missing, or None, stays as it is."""

    role: str | None
    active: bool | None
    name: str | None
    groups: Collection[str] | None


@transactional
def update_user(change: Change, user_id: str, **changes: Unpack[UserChanges]) -> User:
    """Change a role, name or groups; deactivate a user (their sessions end at once) or bring them back.

    Conflict where the account would have no active admin left: the account is locked first, so of two admins who demote
    each other at once the second counts after the first.
    """
    change.actor.require(Right.MANAGE_PEOPLE)
    return _update(change, _lock_user(change, user_id), **changes)


@transactional
def edit_user(change: Change, user_id: str, edit: Callable[[User, list[str]], UserChanges]) -> User:
    """Change a user as `edit` says, which is called with the locked user and the ids of their groups.

    An edit that is worked out from what is stored, such as a patch, is worked out here: from an older user, it would
    write back what another change has replaced since.
    """
    change.actor.require(Right.MANAGE_PEOPLE)
    old = _lock_user(change, user_id)
    return _update(change, old, **edit(old, people.groups_of_many(change.tx, [old.id])[old.id]))


def _update(change: Change, old: User, **changes: Unpack[UserChanges]) -> User:
    tx, actor = change.tx, change.actor
    role, name, active, groups = changes.get("role"), changes.get("name"), changes.get("active"), changes.get("groups")
    _require_valid_update(role, name)
    if groups is not None:
        people.replace_groups(tx, old.id, _own_groups(change, groups))
    values = {"role": role, "name": name}
    if active is not None:
        values["status"] = ("ACTIVE" if old.password_hash else "PENDING") if active else "DEACTIVATED"
    if given := {column: value for column, value in values.items() if value is not None}:
        people.update_user(tx, old.id, **given)
    if _is_active_admin(old) and people.count_active_admins(tx, actor.account_id) == 0:
        raise Conflict("An account needs an active admin. Make another user an admin first.")
    if active is False:
        people.delete_sessions(tx, old.id)
    new = _reach_user(tx, actor, old.id)
    before = {"name": old.name, "role": old.role, "status": old.status}
    change.saved("updated", user_subject(new), before=before, after=shown_user(new))
    return new


def _require_valid_update(role: str | None, name: str | None) -> None:
    problems = [Problem("role", problem)] if role is not None and (problem := _role_problem(role)) else []
    if name is not None and (problem := title_problem(name, "person")):
        problems.append(Problem("name", problem))
    if problems:
        raise InvalidInput(problems)


def _is_active_admin(user: User) -> bool:
    return (user.role, user.status) == ("admin", "ACTIVE")


def list_groups(ctx: Context, actor: Actor) -> list[Group]:
    """The account's groups, by name."""
    actor.require(Right.MANAGE_PEOPLE)
    with ctx.db.read() as tx:
        return people.list_groups(tx, actor.account_id)


def get_group(ctx: Context, actor: Actor, group: str) -> tuple[Group, list[str]]:
    """A group and the ids of its members."""
    actor.require(Right.MANAGE_PEOPLE)
    with ctx.db.read() as tx:
        found = _reach_group(tx, actor, group)
        return found, people.members_of(tx, found.id)


@transactional
def create_group(change: Change, name: str, description: str = "", members: Collection[str] = ()) -> Group:
    """A new group."""
    tx, actor = change.tx, change.actor
    actor.require(Right.MANAGE_PEOPLE)
    if problem := title_problem(name, "group"):
        raise InvalidInput(problem, "name")
    if people.find_group(tx, actor.account_id, name):
        raise Conflict(f"There is a group “{name}” already.")
    group_id = people.insert_group(tx, actor.account_id, name, description, change.now)
    people.replace_members(tx, group_id, _own_users(change, members))
    group = _reach_group(tx, actor, group_id)
    change.saved("created", _group_subject(group))
    return group


@transactional
def update_group(change: Change, group: str, *, name: str | None = None, description: str | None = None) -> Group:
    """Rename a group, or replace its description; None leaves things as they are."""
    tx, actor = change.tx, change.actor
    actor.require(Right.MANAGE_PEOPLE)
    if name is not None and (problem := title_problem(name, "group")):
        raise InvalidInput(problem, "name")
    old = _lock_group(change, group)
    other = people.find_group(tx, actor.account_id, name) if name else None
    if other and other.id != old.id:
        raise Conflict(f"There is a group “{name}” already.")
    wanted = {"name": name, "description": description}
    if values := {column: value for column, value in wanted.items() if value is not None}:
        people.update_group(tx, old.id, **values)
    new = _reach_group(tx, actor, old.id)
    change.saved("updated", _group_subject(new))
    return new


@transactional
def set_members(change: Change, group: str, members: Collection[str]) -> Group:
    """Give a group exactly these members."""
    change.actor.require(Right.MANAGE_PEOPLE)
    found = _lock_group(change, group)
    people.replace_members(change.tx, found.id, _own_users(change, members))
    new = _reach_group(change.tx, change.actor, found.id)
    change.saved("updated", _group_subject(new))
    return new


@transactional
def delete_group(change: Change, group: str) -> None:
    """Remove a group; flags that it owned lose that owner."""
    change.actor.require(Right.MANAGE_PEOPLE)
    found = _lock_group(change, group)
    people.delete_group(change.tx, found.id)
    change.saved("deleted", _group_subject(found))


def _works(user: User) -> bool:
    return user.status != "DEACTIVATED"


def _role_problem(role: str) -> str | None:
    return None if role in ROLES else f"Choose one of {', '.join(ROLES)}."


def _reach_user(tx: Transaction, actor: Actor, user_id: str) -> User:
    user = people.find_user(tx, user_id) or people.find_user_by_email(tx, user_id)
    if user is None or user.account_id != actor.account_id:
        raise NotFound("There is no such user.")
    return user


def _reach_group(tx: Transaction, actor: Actor, ref: str) -> Group:
    group = people.find_group(tx, actor.account_id, ref)
    if group is None:
        raise NotFound("There is no such group.")
    return group


def _lock_user(change: Change, user_id: str) -> User:
    """A user, held with the account until the commit: who is an admin is decided for the account as a whole."""
    accounts.lock(change.tx, change.actor.account_id)
    return _reach_user(change.tx, change.actor, user_id)


def _lock_group(change: Change, ref: str) -> Group:
    accounts.lock(change.tx, change.actor.account_id)
    return _reach_group(change.tx, change.actor, ref)


def _own_users(change: Change, members: Collection[str]) -> list[str]:
    own = {user.id for user in people.list_users(change.tx, change.actor.account_id)}
    if unknown := [one for one in members if one not in own]:
        raise InvalidInput(f"There is no user {unknown[0]}.", "members")
    return list(members)


def _own_groups(change: Change, wanted: Collection[str]) -> list[str]:
    own = {group.id for group in people.list_groups(change.tx, change.actor.account_id)} if wanted else set()
    if unknown := [one for one in wanted if one not in own]:
        raise InvalidInput(f"There is no group {unknown[0]}.", "groups")
    return list(wanted)


def _group_subject(group: Group) -> Subject:
    return Subject("group", group.id, group.name)
