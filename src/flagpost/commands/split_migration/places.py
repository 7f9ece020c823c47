"""What a project's flags stand on: who may view it, before anything is in it; its environments, traffic types with
their attributes, and flag sets; and at the end what has to be approved there.
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
from flagpost.commands.split_migration.move import Move
from flagpost.commands.split_migration.people import WhoIsWho
from flagpost.commands.split_migration.project import MovedProject
from flagpost.store.projects.attributes import Attribute
from flagpost.store.records import Environment, Project

_WHO = ("approvers", "editors", "approvalSkippableBy")


def find_or_make_project(move: Move, who: WhoIsWho, there: Workspace) -> MovedProject | None:
    """The project to move into: the one of the same name, or a new one. None where that is refused."""
    found: list[Project] = []
    if not move.report.attempt("project", there.name, _bring_project, move, there, found):
        return None
    return MovedProject(move, who, there, found[0])


def _bring_project(move: Move, there: Workspace, found: list[Project]) -> Outcome:
    found += projects.list_projects(move.ctx, move.actor, name=there.name, limit=1).items
    if found:
        return Outcome.UNCHANGED
    asks = bool(there.requiresTitleAndComments)
    new = projects.create_project(
        move.ctx, move.actor, there.name, requires_title_and_comments=asks, with_defaults=False
    )
    found.append(new)
    return Outcome.CREATED


def bring_environments(project: MovedProject) -> None:
    """Its environments, by name."""
    ctx, actor = project.move.ctx, project.move.actor
    here = {one.name: one for one in environments.list_environments(ctx, actor, project.here.id)}
    for one in project.unless_refused("environments", lambda: project.move.account.environments(project.there)) or ():
        if project.attempt("environment", one.name, _bring_environment, project, one, here):
            project.places.append((one, here[one.name]))


def _bring_environment(project: MovedProject, there: SplitEnvironment, here: dict[str, Environment]) -> Outcome:
    if there.name in here:
        return Outcome.UNCHANGED
    ctx, actor = project.move.ctx, project.move.actor
    here[there.name] = environments.create_environment(
        ctx, actor, project.here.id, there.name, production=bool(there.production)
    )
    return Outcome.CREATED


def bring_traffic_types(project: MovedProject) -> None:
    """Its traffic types, by name, each with its attributes."""
    move = project.move
    here = {one.name for one in environments.list_traffic_types(move.ctx, move.actor, project.here.id)}
    for one in project.unless_refused("traffic types", lambda: move.account.traffic_types(project.there)) or ():
        if project.attempt("traffic type", one.name, _bring_traffic_type, project, one, one.name in here):
            _bring_attributes(project, one)


def _bring_traffic_type(project: MovedProject, there: Named, is_here: bool) -> Outcome:
    if is_here:
        return Outcome.UNCHANGED
    environments.create_traffic_type(project.move.ctx, project.move.actor, project.here.id, there.name)
    return Outcome.CREATED


def _bring_attributes(project: MovedProject, traffic_type: Named) -> None:
    move, name = project.move, traffic_type.name
    here = {one.id for one in attributes.list_attributes(move.ctx, move.actor, project.here.id, name)}
    there = project.unless_refused(
        f"attributes of {name}", lambda: move.account.attributes(project.there, traffic_type)
    )
    for one in there or ():
        project.attempt("attribute", f"{name} / {one.id}", _bring_attribute, project, name, one, one.id in here)


def _bring_attribute(project: MovedProject, traffic_type: str, there: SplitAttribute, is_here: bool) -> Outcome:
    if is_here:
        return Outcome.UNCHANGED
    new = Attribute(
        traffic_type_id="",
        id=there.id,
        display_name=there.displayName or there.id,
        description=there.description or "",
        data_type=there.dataType.upper() if there.dataType else None,
        is_searchable=bool(there.isSearchable),
        suggested_values=there.suggestedValues or [],
    )
    attributes.save_attributes(project.move.ctx, project.move.actor, project.here.id, traffic_type, [new])
    return Outcome.CREATED


def bring_flag_sets(project: MovedProject) -> None:
    """Its flag sets, by name."""
    move = project.move
    here = {one.name: one.id for one in flag_sets.list_flag_sets(move.ctx, move.actor, project.here.id, limit=None)}
    there = project.unless_refused("flag sets", lambda: move.account.flag_sets(project.there))
    if there is None:
        return
    project.flag_sets = {}
    for one in there:
        if project.attempt("flag set", one.name, _bring_flag_set, project, one, here):
            project.flag_sets[one.id] = here[one.name]


def _bring_flag_set(project: MovedProject, there: SplitFlagSet, here: dict[str, str]) -> Outcome:
    if there.name in here:
        return Outcome.UNCHANGED
    move = project.move
    here[there.name] = flag_sets.create_flag_set(
        move.ctx, move.actor, project.here.id, name=there.name, description=there.description or ""
    ).id
    return Outcome.CREATED


def bring_approvals(project: MovedProject) -> None:
    """Where changes have to be approved, and by whom, as far as Split's API shows it."""
    for there, here in project.places:
        permissions = there.changePermissions
        if permissions is None:
            project.look_at(
                f"environment {there.name}: Split does not show whether changes need approval. Look, and set it here."
            )
        elif permissions.get("areApprovalsRequired") is True:
            project.attempt("approval rule", there.name, _bring_approval_rule, project, permissions, here)


def _bring_approval_rule(project: MovedProject, there: Mapping[str, Any], here: Environment) -> Outcome:
    wanted = {**there, **{name: _somebody(project, there.get(name)) for name in _WHO}}
    present = here.permissions.get("changePermissions")
    if present == wanted:
        return Outcome.UNCHANGED
    ctx, actor = project.move.ctx, project.move.actor
    if present and was_changed_here(ctx, actor, here.id, here.id):
        return Outcome.KEPT
    permissions = {**here.permissions, "changePermissions": wanted}
    environments.update_environment(ctx, actor, project.here.id, here.id, permissions=permissions)
    return Outcome.UPDATED


def _somebody(project: MovedProject, listed: Any) -> list[dict[str, str]]:
    people = [one for one in listed or [] if isinstance(one, dict) and isinstance(one.get("id"), str)]
    found = project.who.find(Reference(id=one["id"], type=str(one.get("type") or "user")) for one in people)
    return [{"type": kind, "id": id} for kind, id in found]


def bring_view(project: MovedProject) -> None:
    """Who may view it, where not everybody may."""
    move = project.move
    for view in project.unless_refused("view permissions", lambda: [move.account.view_of(project.there)]) or ():
        if view.restricted is None:
            project.look_at("view permissions: Split does not say who may view it. Everybody may, here.")
        elif view.restricted:
            project.attempt("view permission", "", _bring_view, project, view.grants)


def _bring_view(project: MovedProject, there: list[Reference]) -> Outcome:
    ctx, actor, home = project.move.ctx, project.move.actor, project.here.id
    wanted = sorted(project.who.find(there))
    present = projects.get_restriction(ctx, actor, home)
    if present.restricted and sorted((one.type, one.id) for one in present.grants) == wanted:
        return Outcome.UNCHANGED
    grants_unknown = present.restricted and not project.who.is_known
    if grants_unknown or was_changed_here(ctx, actor, home, change="view_permissions"):
        return Outcome.KEPT
    projects.set_restriction(ctx, actor, home, restricted=True, grants=wanted)
    return Outcome.UPDATED
