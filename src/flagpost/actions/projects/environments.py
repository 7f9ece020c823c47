"""Environments and traffic types of a project."""

from collections.abc import Callable
from typing import Any, TypedDict, Unpack

from flagpost.actions.access import Actor, Right
from flagpost.actions.context import Context
from flagpost.actions.lookup import get_visible_environment, get_visible_project, visible_projects
from flagpost.actions.unit_of_work import Change, Subject, transactional
from flagpost.errors import Conflict, InvalidInput, NotFound
from flagpost.flags.model import JiraEnvironmentType
from flagpost.flags.naming_rules import title_problem, traffic_type_problem
from flagpost.store.db import Transaction
from flagpost.store.jira import integrations
from flagpost.store.locks import Lock
from flagpost.store.projects import projects
from flagpost.store.records import Environment, Project, TrafficType
from flagpost.store.segments import segments


def list_environments(ctx: Context, actor: Actor, project: str) -> list[Environment]:
    """A project's environments; for a key bound to some of them, those."""
    with ctx.db.read() as tx:
        found = projects.list_environments(tx, get_visible_project(tx, actor, project).id)
    return [one for one in found if not actor.environment_ids or one.id in actor.environment_ids]


def get_environment(ctx: Context, actor: Actor, project: str, environment: str) -> Environment:
    """One environment, by id or name."""
    with ctx.db.read() as tx:
        return get_visible_environment(tx, actor, get_visible_project(tx, actor, project), environment)


@transactional
def create_environment(
    change: Change,
    project: str,
    name: str,
    *,
    production: bool = False,
    jira_type: str | None = None,
    permissions: dict[str, Any] | None = None,
) -> Environment:
    """A new environment. Its type in Jira follows from `production` and the name where it is not given."""
    change.actor.require(Right.MANAGE_PROJECTS)
    found = get_visible_project(change.tx, change.actor, project, lock=Lock.CHANGE)
    _require_free_name(change.tx, found, name)
    kind = _jira_type(jira_type) if jira_type else _guessed_type(name, production)
    new = projects.insert_environment(
        change.tx,
        found.id,
        name,
        production=production,
        jira_type=kind,
        permissions=permissions or {},
        now=change.now,
    )
    change.saved("created", _subject(new), after=_shown(new))
    return new


class EnvironmentChanges(TypedDict, total=False):
    """What is to be changed about an environment; permissions that are not named, and all that is None, stay."""

    name: str | None
    production: bool | None
    jira_type: str | None
    permissions: dict[str, Any] | None


@transactional
def update_environment(
    change: Change, project: str, environment: str, **changes: Unpack[EnvironmentChanges]
) -> Environment:
    """Change an environment. Jira is sent a new name or type."""
    found, old = _lock_environment(change, project, environment)
    return _update(change, found, old, **changes)


@transactional
def edit_environment(
    change: Change, project: str, environment: str, edit: Callable[[Environment], EnvironmentChanges]
) -> Environment:
    """Change an environment as `edit` says, which is called with the locked environment (see `users.edit_user`)."""
    found, old = _lock_environment(change, project, environment)
    return _update(change, found, old, **edit(old))


def _lock_environment(change: Change, project: str, environment: str) -> tuple[Project, Environment]:
    change.actor.require(Right.MANAGE_PROJECTS)
    found = get_visible_project(change.tx, change.actor, project, lock=Lock.CHANGE)
    return found, get_visible_environment(change.tx, change.actor, found, environment, lock=Lock.CHANGE)


def _update(change: Change, found: Project, old: Environment, **changes: Unpack[EnvironmentChanges]) -> Environment:
    tx, actor = change.tx, change.actor
    name, kind, permissions = changes.get("name"), changes.get("jira_type"), changes.get("permissions")
    if name is not None and name != old.name:
        _require_free_name(tx, found, name)
    wanted: dict[str, Any] = {"name": name, "production": changes.get("production")}
    wanted["permissions"] = {**old.permissions, **permissions} if permissions else None
    wanted["jira_type"] = _jira_type(kind).value if kind else None
    values = {column: value for column, value in wanted.items() if value is not None}
    if not values:
        return old
    projects.update_environment(tx, old.id, **values)
    new = get_visible_environment(tx, actor, found, old.id)
    change.saved("updated", _subject(new), before=_shown(old), after=_shown(new))
    change.resend_environment(old.id)
    return new


@transactional
def delete_environment(change: Change, project: str, environment: str) -> None:
    """Remove an environment in which no flag is set up any more, and which is not shown in Jira."""
    tx, actor = change.tx, change.actor
    actor.require(Right.MANAGE_PROJECTS)
    found = get_visible_project(tx, actor, project, lock=Lock.CHANGE)
    old = get_visible_environment(tx, actor, found, environment, lock=Lock.DELETE)
    count = projects.count_definitions(tx, old.id)
    if count:
        raise Conflict(f"{count} feature flags are set up in {old.name}. Remove their definitions there first.")
    if integrations.shows_environment(tx, old.id):
        raise Conflict(f"{old.name} is what Jira shows of {found.name}. Choose another environment for it first.")
    projects.delete_environment(tx, old.id)
    change.saved("deleted", _subject(old), before=_shown(old))


# Traffic types ----------------------------------------------------------------------------------------------------


def list_traffic_types(ctx: Context, actor: Actor, project: str) -> list[TrafficType]:
    """A project's traffic types, by name."""
    with ctx.db.read() as tx:
        return projects.list_traffic_types(tx, get_visible_project(tx, actor, project).id)


@transactional
def create_traffic_type(change: Change, project: str, name: str) -> TrafficType:
    """A new traffic type."""
    change.actor.require(Right.MANAGE_PROJECTS)
    if problem := traffic_type_problem(name):
        raise InvalidInput(problem, "name")
    found = get_visible_project(change.tx, change.actor, project, lock=Lock.CHANGE)
    if projects.find_traffic_type(change.tx, found.id, name):
        raise Conflict(f"There is a traffic type “{name}” already.")
    new = projects.insert_traffic_type(change.tx, found.id, name, change.now)
    change.saved("created", _traffic_type_subject(new))
    return new


@transactional
def delete_traffic_type(change: Change, traffic_type: str) -> None:
    """Remove a traffic type, named by its id, that no flag and no segment is for.

    The project is locked first, and the traffic type is read again: another change may have removed it meanwhile. A new
    flag or segment holds the project too, so none begins between the look and the removal.
    """
    change.actor.require(Right.MANAGE_PROJECTS)
    tx = change.tx
    seen = projects.find_visible_traffic_type(tx, visible_projects(change.actor), traffic_type)
    if seen is not None:
        get_visible_project(tx, change.actor, seen.project_id, lock=Lock.CHANGE)
    old = projects.find_traffic_type(tx, seen.project_id, seen.id) if seen else None
    if old is None:
        raise NotFound(f"Could not find the traffic type “{traffic_type}”.")
    if projects.traffic_type_is_used(tx, old.id):
        raise Conflict(f"There are feature flags for “{old.name}”. Delete them first.")
    if segments.traffic_type_is_used(tx, old.id):
        raise Conflict(f"There are segments for “{old.name}”. Delete them first.")
    projects.delete_traffic_type(tx, old.id)
    change.saved("deleted", _traffic_type_subject(old))


def _require_free_name(tx: Transaction, project: Project, name: str) -> None:
    if problem := title_problem(name, "environment"):
        raise InvalidInput(problem, "name")
    if projects.find_environment(tx, project.id, name):
        raise Conflict(f"There is an environment “{name}” in {project.name} already.")


def _jira_type(text: str) -> JiraEnvironmentType:
    try:
        return JiraEnvironmentType(text)
    except ValueError:
        raise InvalidInput(f"Choose one of {', '.join(JiraEnvironmentType)}.", "jiraType") from None


def _guessed_type(name: str, production: bool) -> JiraEnvironmentType:
    if production:
        return JiraEnvironmentType.PRODUCTION
    words = {
        "dev": JiraEnvironmentType.DEVELOPMENT,
        "test": JiraEnvironmentType.TESTING,
        "qa": JiraEnvironmentType.TESTING,
    }
    return next((kind for word, kind in words.items() if word in name.lower()), JiraEnvironmentType.STAGING)


def _shown(environment: Environment) -> dict[str, Any]:
    shown = {"name": environment.name, "production": environment.production, "jiraType": environment.jira_type.value}
    return {**shown, **environment.permissions}


def _subject(environment: Environment) -> Subject:
    return Subject("environment", environment.id, environment.name, environment.project_id, environment.id)


def _traffic_type_subject(traffic_type: TrafficType) -> Subject:
    return Subject("traffic_type", traffic_type.id, traffic_type.name, traffic_type.project_id)
