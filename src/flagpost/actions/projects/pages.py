"""What the console shows on the pages of projects and environments: one read each."""

from dataclasses import dataclass

from flagpost.actions.access import Actor, Right
from flagpost.actions.accounts.users import read_possible_owners
from flagpost.actions.console import ConsolePage, read_environments, read_shell
from flagpost.actions.context import Context
from flagpost.actions.lookup import get_visible_project
from flagpost.actions.projects.projects import Restriction
from flagpost.store import audit
from flagpost.store.accounts import api_keys
from flagpost.store.projects import projects
from flagpost.store.records import AuditEntry, Environment, Owner, Page, Project, TrafficType


@dataclass(frozen=True, slots=True)
class EnvironmentsPage(ConsolePage):
    """The environments of a project."""

    environments: list[Environment]


def load_environments(ctx: Context, actor: Actor, project: str) -> EnvironmentsPage:
    """The page *Environments* of a project."""
    with ctx.db.read() as tx:
        found = get_visible_project(tx, actor, project)
        return EnvironmentsPage(read_shell(tx, actor, found), read_environments(tx, actor, found))


@dataclass(frozen=True, slots=True)
class AuditPage(ConsolePage):
    """A page of an audit log, the newest entry first, and the environments that its entries name."""

    page: Page[AuditEntry]
    places: list[Environment]


def load_project_audit(ctx: Context, actor: Actor, project: str, *, offset: int, limit: int) -> AuditPage:
    """The page *Audit log* of a project."""
    actor.require(Right.VIEW_FLAGS)
    with ctx.db.read() as tx:
        found = get_visible_project(tx, actor, project)
        entries = audit.page(tx, actor.account_id, offset, limit, project_id=found.id)
        return AuditPage(read_shell(tx, actor, found), entries, read_environments(tx, actor, found))


def load_account_audit(ctx: Context, actor: Actor, *, offset: int, limit: int) -> AuditPage:
    """The page *Audit log* of the admin settings: the whole account."""
    actor.require(Right.MANAGE_PEOPLE)
    with ctx.db.read() as tx:
        return AuditPage(read_shell(tx, actor), audit.page(tx, actor.account_id, offset, limit), [])


@dataclass(frozen=True, slots=True)
class ProjectsPage(ConsolePage):
    """The projects that the admin may view, who may view each (by project id), and who could be granted a view."""

    restrictions: dict[str, Restriction]
    grantees: list[Owner]


def load_projects(ctx: Context, actor: Actor) -> ProjectsPage:
    """The page *Projects* of the admin settings."""
    actor.require(Right.MANAGE_PROJECTS)
    actor.require(Right.MANAGE_KEYS)
    with ctx.db.read() as tx:
        shell = read_shell(tx, actor)
        grants = {one.id: projects.list_grants(tx, one.id) for one in shell.projects}
        keys = [one for one in api_keys.list_of_account(tx, actor.account_id) if one.revoked_at is None]
        owners = read_possible_owners(tx, actor.account_id)
    return ProjectsPage(
        shell,
        {one.id: Restriction(one.restricted, grants[one.id]) for one in shell.projects},
        [*owners, *(Owner("api_key", one.id, one.name) for one in keys)],
    )


@dataclass(frozen=True, slots=True)
class EnvironmentSettingsPage(ConsolePage):
    """The environments and traffic types of one project, to be changed."""

    chosen: Project | None
    environments: list[Environment]
    traffic_types: list[TrafficType]


def load_environment_settings(ctx: Context, actor: Actor, project: str | None) -> EnvironmentSettingsPage:
    """The page *Environments* of the admin settings; without a project, of the first one."""
    actor.require(Right.MANAGE_PROJECTS)
    with ctx.db.read() as tx:
        shell = read_shell(tx, actor, get_visible_project(tx, actor, project) if project else None)
        chosen = shell.project
        return EnvironmentSettingsPage(
            shell,
            chosen,
            read_environments(tx, actor, chosen) if chosen else [],
            projects.list_traffic_types(tx, chosen.id) if chosen else [],
        )
