"""Imports what a project's flags depend on: view permission, environments, traffic types, flag sets, approvals.

The view permission is imported first, before anything is in the project, and the approvals last.
"""

from collections.abc import Mapping
from typing import Any

from flagpost.actions.flags import flag_sets
from flagpost.actions.imports.split_account import Outcome, was_changed_here
from flagpost.actions.projects import attributes, environments, projects
from flagpost.commands.split_migration.account import (
    Named,
    Reference,
    SplitAttribute,
    SplitEnvironment,
    SplitFlagSet,
    Workspace,
)
from flagpost.commands.split_migration.migration import Migration
from flagpost.commands.split_migration.principals import PrincipalMapping
from flagpost.commands.split_migration.project import ProjectMigration
from flagpost.store.projects.attributes import Attribute
from flagpost.store.records import Environment, Project

_PRINCIPAL_FIELDS = ("approvers", "editors", "approvalSkippableBy")


def find_or_create_project(
    migration: Migration, principals: PrincipalMapping, source: Workspace
) -> ProjectMigration | None:
    """The project to import into: the one of the same name, or a new one. None if it was refused."""
    found: list[Project] = []
    if not migration.report.attempt("project", source.name, _import_project, migration, source, found):
        return None
    return ProjectMigration(migration, principals, source, found[0])


def _import_project(migration: Migration, source: Workspace, found: list[Project]) -> Outcome:
    ctx, actor = migration.ctx, migration.actor
    found += projects.list_projects(ctx, actor, name=source.name, limit=1).items
    if found:
        return Outcome.UNCHANGED
    titles = bool(source.requiresTitleAndComments)
    found.append(
        projects.create_project(ctx, actor, source.name, requires_title_and_comments=titles, with_defaults=False)
    )
    return Outcome.CREATED


def import_environments(project: ProjectMigration) -> None:
    """Import the environments, by name."""
    present = {one.name: one for one in environments.list_environments(project.ctx, project.actor, project.target.id)}
    for one in project.read("environments", lambda: project.account.environments(project.source)) or ():
        if project.attempt("environment", one.name, _import_environment, project, one, present):
            project.environments.append((one, present[one.name]))


def _import_environment(
    project: ProjectMigration, source: SplitEnvironment, present: dict[str, Environment]
) -> Outcome:
    if source.name in present:
        return Outcome.UNCHANGED
    present[source.name] = environments.create_environment(
        project.ctx, project.actor, project.target.id, source.name, production=bool(source.production)
    )
    return Outcome.CREATED


def import_traffic_types(project: ProjectMigration) -> None:
    """Import the traffic types, by name, each with its attributes."""
    present = {one.name for one in environments.list_traffic_types(project.ctx, project.actor, project.target.id)}
    for one in project.read("traffic types", lambda: project.account.traffic_types(project.source)) or ():
        if project.attempt("traffic type", one.name, _import_traffic_type, project, one, one.name in present):
            _import_attributes(project, one)


def _import_traffic_type(project: ProjectMigration, source: Named, exists: bool) -> Outcome:
    if exists:
        return Outcome.UNCHANGED
    environments.create_traffic_type(project.ctx, project.actor, project.target.id, source.name)
    return Outcome.CREATED


def _import_attributes(project: ProjectMigration, traffic_type: Named) -> None:
    name = traffic_type.name
    present = {one.id for one in attributes.list_attributes(project.ctx, project.actor, project.target.id, name)}
    found = project.read(f"attributes of {name}", lambda: project.account.attributes(project.source, traffic_type))
    for one in found or ():
        project.attempt("attribute", f"{name} / {one.id}", _import_attribute, project, name, one, one.id in present)


def _import_attribute(project: ProjectMigration, traffic_type: str, source: SplitAttribute, exists: bool) -> Outcome:
    if exists:
        return Outcome.UNCHANGED
    new = Attribute(
        traffic_type_id="",
        id=source.id,
        display_name=source.displayName or source.id,
        description=source.description or "",
        data_type=source.dataType.upper() if source.dataType else None,
        is_searchable=bool(source.isSearchable),
        suggested_values=source.suggestedValues or [],
    )
    attributes.save_attributes(project.ctx, project.actor, project.target.id, traffic_type, [new])
    return Outcome.CREATED


def import_flag_sets(project: ProjectMigration) -> None:
    """Import the flag sets, by name."""
    listed = flag_sets.list_flag_sets(project.ctx, project.actor, project.target.id, limit=None)
    present = {one.name: one.id for one in listed}
    found = project.read("flag sets", lambda: project.account.flag_sets(project.source))
    if found is None:
        return
    project.flag_sets = {}
    for one in found:
        if project.attempt("flag set", one.name, _import_flag_set, project, one, present):
            project.flag_sets[one.id] = present[one.name]


def _import_flag_set(project: ProjectMigration, source: SplitFlagSet, present: dict[str, str]) -> Outcome:
    if source.name in present:
        return Outcome.UNCHANGED
    present[source.name] = flag_sets.create_flag_set(
        project.ctx, project.actor, project.target.id, name=source.name, description=source.description or ""
    ).id
    return Outcome.CREATED


def import_approvals(project: ProjectMigration) -> None:
    """Import which environments require approvals, and whose, as far as Split's API shows it."""
    for source, target in project.environments:
        permissions = source.changePermissions
        if permissions is None:
            project.warn(f"environment {source.name}: Split does not show whether changes need approval. Set it here.")
        elif permissions.get("areApprovalsRequired") is True:
            project.attempt("approval rule", source.name, _import_approval_rule, project, permissions, target)


def _import_approval_rule(project: ProjectMigration, source: Mapping[str, Any], target: Environment) -> Outcome:
    wanted = {**source, **{name: _principals(project, source.get(name)) for name in _PRINCIPAL_FIELDS}}
    present = target.permissions.get("changePermissions")
    if present == wanted:
        return Outcome.UNCHANGED
    if present and was_changed_here(project.ctx, project.actor, target.id, target.id):
        return Outcome.KEPT
    permissions = {"changePermissions": wanted}
    environments.update_environment(project.ctx, project.actor, project.target.id, target.id, permissions=permissions)
    return Outcome.UPDATED


def _principals(project: ProjectMigration, listed: Any) -> list[dict[str, str]]:
    valid = [one for one in listed or [] if isinstance(one, dict) and isinstance(one.get("id"), str)]
    found = project.principals.resolve(Reference(id=one["id"], type=str(one.get("type") or "user")) for one in valid)
    return [{"type": kind, "id": id} for kind, id in found]


def import_view_permission(project: ProjectMigration) -> None:
    """Import who may view the project, if it is restricted."""
    for view in project.read("view permissions", lambda: [project.account.view_of(project.source)]) or ():
        if view.restricted is None:
            project.warn("view permissions: Split does not say who may view it. Every user may view it here.")
        elif view.restricted:
            project.attempt("view permission", "", _import_view_permission, project, view.grants)


def _import_view_permission(project: ProjectMigration, source: list[Reference]) -> Outcome:
    ctx, actor, id = project.ctx, project.actor, project.target.id
    wanted = sorted(project.principals.resolve(source))
    present = projects.get_restriction(ctx, actor, id)
    if present.restricted and sorted((one.type, one.id) for one in present.grants) == wanted:
        return Outcome.UNCHANGED
    grants_unknown = present.restricted and not project.principals.complete
    if grants_unknown or was_changed_here(ctx, actor, id, change="view_permissions"):
        return Outcome.KEPT
    projects.set_restriction(ctx, actor, id, restricted=True, grants=wanted)
    return Outcome.UPDATED
