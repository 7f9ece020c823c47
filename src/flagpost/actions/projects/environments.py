"""Environments and traffic types of a project."""

from typing import Any

from flagpost.actions.access import Actor, Right
from flagpost.actions.audit import record
from flagpost.actions.context import Context
from flagpost.actions.lookup import get_visible_environment, get_visible_project, visible_projects
from flagpost.errors import Conflict, InvalidInput, NotFound
from flagpost.flags.model import JiraEnvironmentType
from flagpost.flags.naming_rules import title_problem, traffic_type_problem
from flagpost.store.db import Transaction
from flagpost.store.jira import integrations, outbox
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


def create_environment(
    ctx: Context,
    actor: Actor,
    project: str,
    name: str,
    *,
    production: bool = False,
    jira_type: str | None = None,
    permissions: dict[str, Any] | None = None,
) -> Environment:
    """A new environment. Its type in Jira follows from `production` and the name where it is not given."""
    actor.require(Right.MANAGE_PROJECTS)
    now = ctx.clock()
    with ctx.db.write() as tx:
        found = get_visible_project(tx, actor, project)
        _require_free_name(tx, found, name)
        kind = _jira_type(jira_type) if jira_type else _guessed_type(name, production)
        environment = projects.insert_environment(
            tx, found.id, name, production=production, jira_type=kind, permissions=permissions or {}, now=now
        )
        _record(tx, actor, now, environment, "created", None, _shown(environment))
    return environment


def update_environment(
    ctx: Context,
    actor: Actor,
    project: str,
    environment: str,
    *,
    name: str | None = None,
    production: bool | None = None,
    jira_type: str | None = None,
    permissions: dict[str, Any] | None = None,
) -> Environment:
    """Change an environment; None leaves things as they are. Jira hears of a new name or type."""
    actor.require(Right.MANAGE_PROJECTS)
    now = ctx.clock()
    with ctx.db.write() as tx:
        found = get_visible_project(tx, actor, project)
        old = get_visible_environment(tx, actor, found, environment)
        if name is not None and name != old.name:
            _require_free_name(tx, found, name)
        wanted = {"name": name, "production": production, "permissions": permissions}
        wanted["jira_type"] = _jira_type(jira_type).value if jira_type else None
        values = {column: value for column, value in wanted.items() if value is not None}
        if not values:
            return old
        projects.update_environment(tx, old.id, **values)
        new = get_visible_environment(tx, actor, found, old.id)
        _record(tx, actor, now, new, "updated", _shown(old), _shown(new))
        told = outbox.bump_environment(tx, old.id, now)
    if told:
        ctx.wake(actor.account_id)
    return new


def delete_environment(ctx: Context, actor: Actor, project: str, environment: str) -> None:
    """Remove an environment in which no flag is set up any more, and which is not shown in Jira."""
    actor.require(Right.MANAGE_PROJECTS)
    now = ctx.clock()
    with ctx.db.write() as tx:
        found = get_visible_project(tx, actor, project)
        old = get_visible_environment(tx, actor, found, environment)
        count = projects.count_definitions(tx, old.id)
        if count:
            raise Conflict(f"{count} feature flags are set up in {old.name}. Remove their definitions there first.")
        if integrations.shows_environment(tx, old.id):
            raise Conflict(f"{old.name} is what Jira shows of {found.name}. Choose another environment for it first.")
        projects.delete_environment(tx, old.id)
        _record(tx, actor, now, old, "deleted", _shown(old), None)


# Traffic types ----------------------------------------------------------------------------------------------------


def list_traffic_types(ctx: Context, actor: Actor, project: str) -> list[TrafficType]:
    """A project's traffic types, by name."""
    with ctx.db.read() as tx:
        return projects.list_traffic_types(tx, get_visible_project(tx, actor, project).id)


def create_traffic_type(ctx: Context, actor: Actor, project: str, name: str) -> TrafficType:
    """A new traffic type."""
    actor.require(Right.MANAGE_PROJECTS)
    if problem := traffic_type_problem(name):
        raise InvalidInput(problem, "name")
    now = ctx.clock()
    with ctx.db.write() as tx:
        found = get_visible_project(tx, actor, project)
        if projects.find_traffic_type(tx, found.id, name):
            raise Conflict(f"There is a traffic type “{name}” already.")
        new = projects.insert_traffic_type(tx, found.id, name, now)
        _record_traffic_type(tx, actor, now, new, "created")
    return new


def delete_traffic_type(ctx: Context, actor: Actor, traffic_type: str) -> None:
    """Remove a traffic type, named by its id, that no flag is for."""
    actor.require(Right.MANAGE_PROJECTS)
    now = ctx.clock()
    with ctx.db.write() as tx:
        old = projects.find_visible_traffic_type(tx, visible_projects(actor), traffic_type)
        if old is None:
            raise NotFound(f"Could not find the traffic type “{traffic_type}”.")
        if projects.traffic_type_is_used(tx, old.id):
            raise Conflict(f"There are feature flags for “{old.name}”. Delete them first.")
        if segments.traffic_type_is_used(tx, old.id):
            raise Conflict(f"There are segments for “{old.name}”. Delete them first.")
        projects.delete_traffic_type(tx, old.id)
        _record_traffic_type(tx, actor, now, old, "deleted")


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


def _record(
    tx: Transaction,
    actor: Actor,
    now: int,
    environment: Environment,
    change: str,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
) -> None:
    record(
        tx,
        actor,
        now,
        change,
        object_type="environment",
        object_id=environment.id,
        object_name=environment.name,
        project_id=environment.project_id,
        environment_id=environment.id,
        before=before,
        after=after,
    )


def _record_traffic_type(tx: Transaction, actor: Actor, now: int, traffic_type: TrafficType, change: str) -> None:
    record(
        tx,
        actor,
        now,
        change,
        object_type="traffic_type",
        object_id=traffic_type.id,
        object_name=traffic_type.name,
        project_id=traffic_type.project_id,
    )
