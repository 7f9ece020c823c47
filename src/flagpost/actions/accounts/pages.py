"""What the console shows on the pages of users, groups, API keys and one's own profile: one read each."""

from dataclasses import dataclass

from flagpost.actions.access import Actor, Right
from flagpost.actions.console import ConsolePage, read_shell
from flagpost.actions.context import Context
from flagpost.store.accounts import api_keys, users
from flagpost.store.accounts.users import Group, Session, User
from flagpost.store.projects import projects
from flagpost.store.records import ApiKey, Environment


@dataclass(frozen=True, slots=True)
class ProfilePage(ConsolePage):
    """The browsers in which a person is signed in."""

    sessions: list[Session]


def load_profile(ctx: Context, actor: Actor) -> ProfilePage:
    """The page *Profile* of the signed-in person."""
    with ctx.db.read() as tx:
        return ProfilePage(read_shell(tx, actor), users.list_sessions(tx, actor.id))


@dataclass(frozen=True, slots=True)
class ApiKeysPage(ConsolePage):
    """The account's API keys, and the environments that a new key can be bound to, by project id."""

    keys: list[ApiKey]
    environments: dict[str, list[Environment]]


def load_api_keys(ctx: Context, actor: Actor) -> ApiKeysPage:
    """The page *API keys* of the admin settings."""
    actor.require(Right.MANAGE_KEYS)
    with ctx.db.read() as tx:
        shell = read_shell(tx, actor)
        environments = projects.environments_of(tx, [one.id for one in shell.projects])
        return ApiKeysPage(shell, api_keys.list_of_account(tx, actor.account_id), environments)


@dataclass(frozen=True, slots=True)
class UsersPage(ConsolePage):
    """The users of the account, by name."""

    users: list[User]


def load_users(ctx: Context, actor: Actor) -> UsersPage:
    """The page *Users* of the admin settings."""
    actor.require(Right.MANAGE_PEOPLE)
    with ctx.db.read() as tx:
        return UsersPage(read_shell(tx, actor), users.list_users(tx, actor.account_id))


@dataclass(frozen=True, slots=True)
class GroupsPage(ConsolePage):
    """The groups of the account, each with the ids of its members, and the users who could be members."""

    groups: list[tuple[Group, list[str]]]
    users: list[User]


def load_groups(ctx: Context, actor: Actor) -> GroupsPage:
    """The page *Groups* of the admin settings."""
    actor.require(Right.MANAGE_PEOPLE)
    with ctx.db.read() as tx:
        groups = [(one, users.members_of(tx, one.id)) for one in users.list_groups(tx, actor.account_id)]
        return GroupsPage(read_shell(tx, actor), groups, users.list_users(tx, actor.account_id))
