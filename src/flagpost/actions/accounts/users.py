"""The people of an account and their groups."""

from collections.abc import Collection
from dataclasses import dataclass

from flagpost.actions.access import RIGHTS_OF_USER_ROLE, Actor, Right
from flagpost.actions.accounts.sessions import LINK_DAYS, new_link, record_user
from flagpost.actions.audit import record
from flagpost.actions.context import Context
from flagpost.errors import Conflict, InvalidInput, NotFound, Problem
from flagpost.flags.naming_rules import email_problem, title_problem
from flagpost.store.accounts import users as people
from flagpost.store.accounts.users import Group, User
from flagpost.store.db import Transaction
from flagpost.store.records import Owner

ROLES = tuple(RIGHTS_OF_USER_ROLE)


@dataclass(frozen=True, slots=True)
class Invitation:
    """A link with which somebody chooses a password, once, within `valid_days`."""

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


def invite_user(
    ctx: Context, actor: Actor, *, email: str, name: str, role: str, groups: Collection[str] = ()
) -> Invitation:
    """Add a person, who chooses a password through the link."""
    actor.require(Right.MANAGE_PEOPLE)
    checks = (("email", email_problem(email)), ("name", title_problem(name, "person")), ("role", _role_problem(role)))
    if problems := [Problem(field, problem) for field, problem in checks if problem]:
        raise InvalidInput(problems)
    now = ctx.clock()
    with ctx.db.write() as tx:
        if people.find_user_by_email(tx, email):
            raise Conflict(f"{email} is a user already.")
        user = people.insert_user(
            tx, actor.account_id, email=email, name=name, role=role, status="PENDING", password_hash=None, now=now
        )
        people.replace_groups(tx, user.id, _own_groups(tx, actor, groups))
        record_user(tx, actor, now, user, "invited")
        return Invitation(user, new_link(ctx, tx, actor.account_id, "invitation", user.id), LINK_DAYS)


def new_password_link(ctx: Context, actor: Actor, user_id: str) -> Invitation:
    """A link for somebody who has no password yet, or forgot it."""
    actor.require(Right.MANAGE_PEOPLE)
    with ctx.db.write() as tx:
        user = _reach_user(tx, actor, user_id)
        if user.status == "DEACTIVATED":
            raise Conflict(f"{user.name} is deactivated.")
        record_user(tx, actor, ctx.clock(), user, "password_link")
        return Invitation(user, new_link(ctx, tx, actor.account_id, "invitation", user.id), LINK_DAYS)


def delete_invitation(ctx: Context, actor: Actor, user_id: str) -> None:
    """Take an invitation back that was not accepted. Conflict for anybody else: they are deactivated instead."""
    actor.require(Right.MANAGE_PEOPLE)
    now = ctx.clock()
    with ctx.db.write() as tx:
        user = _reach_user(tx, actor, user_id)
        if user.status != "PENDING":
            raise Conflict(f"{user.name} has accepted the invitation. Deactivate them instead.")
        people.delete_user(tx, user.id)
        record_user(tx, actor, now, user, "invitation_withdrawn")


def update_user(
    ctx: Context,
    actor: Actor,
    user_id: str,
    *,
    role: str | None = None,
    active: bool | None = None,
    name: str | None = None,
    groups: Collection[str] | None = None,
) -> User:
    """Change a role, name or groups; deactivate somebody (their sessions end at once) or bring them back.

    None leaves things as they are.
    """
    actor.require(Right.MANAGE_PEOPLE)
    checks = (
        ("role", role is not None and _role_problem(role)),
        ("name", name is not None and title_problem(name, "person")),
    )
    if problems := [Problem(field, problem) for field, problem in checks if problem]:
        raise InvalidInput(problems)
    now = ctx.clock()
    with ctx.db.write() as tx:
        old = _reach_user(tx, actor, user_id)
        values: dict[str, str] = {}
        if role is not None:
            values["role"] = role
        if name is not None:
            values["name"] = name
        if groups is not None:
            people.replace_groups(tx, old.id, _own_groups(tx, actor, groups))
        if active is not None:
            values["status"] = ("ACTIVE" if old.password_hash else "PENDING") if active else "DEACTIVATED"
        if values:
            people.update_user(tx, old.id, **values)
        was_admin = (old.role, old.status) == ("admin", "ACTIVE")
        if was_admin and people.count_active_admins(tx, actor.account_id) == 0:
            raise Conflict("Somebody has to be an admin. Make somebody else one first.")
        if active is False:
            people.delete_sessions(tx, old.id)
        new = _reach_user(tx, actor, user_id)
        record_user(tx, actor, now, new, "updated", before={"name": old.name, "role": old.role, "status": old.status})
    return new


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


def create_group(ctx: Context, actor: Actor, name: str, description: str = "", members: Collection[str] = ()) -> Group:
    """A new group."""
    with ctx.db.write() as tx:
        return add_group(tx, actor, name, description, members, ctx.clock())


def add_group(tx: Transaction, actor: Actor, name: str, description: str, members: Collection[str], now: int) -> Group:
    """The same within a transaction that does more."""
    actor.require(Right.MANAGE_PEOPLE)
    if problem := title_problem(name, "group"):
        raise InvalidInput(problem, "name")
    if people.find_group(tx, actor.account_id, name):
        raise Conflict(f"There is a group “{name}” already.")
    group_id = people.insert_group(tx, actor.account_id, name, description, now)
    people.replace_members(tx, group_id, _own_users(tx, actor, members))
    group = _reach_group(tx, actor, group_id)
    _record_group(tx, actor, now, group, "created")
    return group


def update_group(
    ctx: Context, actor: Actor, group: str, *, name: str | None = None, description: str | None = None
) -> Group:
    """Rename a group, or describe it anew; None leaves things as they are."""
    actor.require(Right.MANAGE_PEOPLE)
    if name is not None and (problem := title_problem(name, "group")):
        raise InvalidInput(problem, "name")
    now = ctx.clock()
    with ctx.db.write() as tx:
        old = _reach_group(tx, actor, group)
        other = people.find_group(tx, actor.account_id, name) if name else None
        if other and other.id != old.id:
            raise Conflict(f"There is a group “{name}” already.")
        wanted = {"name": name, "description": description}
        if values := {column: value for column, value in wanted.items() if value is not None}:
            people.update_group(tx, old.id, **values)
        new = _reach_group(tx, actor, old.id)
        _record_group(tx, actor, now, new, "updated")
    return new


def set_members(ctx: Context, actor: Actor, group: str, members: Collection[str]) -> Group:
    """Exactly these users are in the group."""
    actor.require(Right.MANAGE_PEOPLE)
    now = ctx.clock()
    with ctx.db.write() as tx:
        found = _reach_group(tx, actor, group)
        people.replace_members(tx, found.id, _own_users(tx, actor, members))
        new = _reach_group(tx, actor, found.id)
        _record_group(tx, actor, now, new, "updated")
    return new


def delete_group(ctx: Context, actor: Actor, group: str) -> None:
    """Remove a group; flags that it owned lose that owner."""
    actor.require(Right.MANAGE_PEOPLE)
    now = ctx.clock()
    with ctx.db.write() as tx:
        found = _reach_group(tx, actor, group)
        people.delete_group(tx, found.id)
        _record_group(tx, actor, now, found, "deleted")


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


def _own_users(tx: Transaction, actor: Actor, members: Collection[str]) -> list[str]:
    own = {user.id for user in people.list_users(tx, actor.account_id)}
    if unknown := [one for one in members if one not in own]:
        raise InvalidInput(f"There is no user {unknown[0]}.", "members")
    return list(members)


def _own_groups(tx: Transaction, actor: Actor, wanted: Collection[str]) -> list[str]:
    own = {group.id for group in people.list_groups(tx, actor.account_id)} if wanted else set()
    if unknown := [one for one in wanted if one not in own]:
        raise InvalidInput(f"There is no group {unknown[0]}.", "groups")
    return list(wanted)


def _record_group(tx: Transaction, actor: Actor, now: int, group: Group, change: str) -> None:
    record(tx, actor, now, change, object_type="group", object_id=group.id, object_name=group.name)
