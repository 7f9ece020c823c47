"""Projects, their rollout statuses, and who may view them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypedDict, Unpack

from flagpost.actions.access import Actor, ActorType, Right
from flagpost.actions.context import Context
from flagpost.actions.lookup import get_visible_project, visible_projects
from flagpost.actions.unit_of_work import Change, Subject, transactional
from flagpost.errors import Conflict, InvalidInput, NotFound, Problem
from flagpost.flags.model import JiraEnvironmentType
from flagpost.flags.naming_rules import title_problem
from flagpost.store.db import Transaction
from flagpost.store.locks import Lock
from flagpost.store.projects import projects
from flagpost.store.records import Owner, Page, Project, RolloutStatus

NAME_OPS = ("IS", "STARTS_WITH", "CONTAINS")
DEFAULT_ENVIRONMENTS = (
    ("Staging", False, JiraEnvironmentType.STAGING),
    ("Production", True, JiraEnvironmentType.PRODUCTION),
)


@dataclass(frozen=True, slots=True)
class Restriction:
    """Who may view a project: everybody, or where `restricted`, those in `grants` and account admins."""

    restricted: bool
    grants: list[Owner]


def list_projects(
    ctx: Context, actor: Actor, *, name: str | None = None, name_op: str = "IS", offset: int = 0, limit: int = 20
) -> Page[Project]:
    """The projects the actor can see, by name. `name_op` is IS, STARTS_WITH or CONTAINS, as in Split."""
    if name_op not in NAME_OPS:
        raise InvalidInput(f"Choose one of {', '.join(NAME_OPS)}.", "nameOp")
    with ctx.db.read() as tx:
        return projects.page(tx, visible_projects(actor), name, name_op, offset, limit)


def get_project(ctx: Context, actor: Actor, project: str) -> Project:
    """One project, by id or name."""
    with ctx.db.read() as tx:
        return get_visible_project(tx, actor, project)


@transactional
def create_project(
    change: Change, name: str, *, requires_title_and_comments: bool = False, with_defaults: bool = True
) -> Project:
    """A new project; `with_defaults` gives it Staging, Production and the traffic type `user`.

    The Admin API asks for none of these, as Split documents it.
    """
    tx, actor = change.tx, change.actor
    actor.require(Right.MANAGE_PROJECTS)
    if actor.project_id is not None:
        raise NotFound("This key is bound to one project.")
    _require_free_name(tx, actor, name)
    project = projects.insert(tx, actor.account_id, name, requires_title_and_comments, change.now)
    if with_defaults:
        _add_defaults(tx, project, change.now)
    change.saved("created", _subject(project), after={"name": name})
    return project


def _add_defaults(tx: Transaction, project: Project, now: int) -> None:
    for name, production, jira_type in DEFAULT_ENVIRONMENTS:
        projects.insert_environment(
            tx, project.id, name, production=production, jira_type=jira_type, permissions={}, now=now
        )
    projects.insert_traffic_type(tx, project.id, "user", now)


class ProjectChanges(TypedDict, total=False):
    """What is to be changed about a project. What is missing, or None, stays as it is."""

    name: str | None
    requires_title_and_comments: bool | None


@transactional
def update_project(change: Change, project: str, **changes: Unpack[ProjectChanges]) -> Project:
    """Rename a project, or say whether its saves need a title and a comment."""
    change.actor.require(Right.MANAGE_PROJECTS)
    return _update(change, get_visible_project(change.tx, change.actor, project, lock=Lock.CHANGE), **changes)


@transactional
def edit_project(change: Change, project: str, edit: Callable[[Project], ProjectChanges]) -> Project:
    """Change a project as `edit` says, which is called with the locked project (see `users.edit_user`)."""
    change.actor.require(Right.MANAGE_PROJECTS)
    old = get_visible_project(change.tx, change.actor, project, lock=Lock.CHANGE)
    return _update(change, old, **edit(old))


def _update(change: Change, old: Project, **changes: Unpack[ProjectChanges]) -> Project:
    tx, actor = change.tx, change.actor
    name, requires_title_and_comments = changes.get("name"), changes.get("requires_title_and_comments")
    values: dict[str, str | bool] = {}
    if name is not None and name != old.name:
        _require_free_name(tx, actor, name)
        values["name"] = name
    if requires_title_and_comments is not None:
        values["requires_title_and_comments"] = requires_title_and_comments
    if not values:
        return old
    projects.update(tx, old.id, **values)
    new = get_visible_project(tx, actor, old.id)
    change.saved("updated", _subject(new), before=_shown(old), after=_shown(new))
    return new


def _shown(project: Project) -> dict[str, object]:
    return {"name": project.name, "requiresTitleAndComments": project.requires_title_and_comments}


@transactional
def delete_project(change: Change, project: str) -> None:
    """Remove a project that has no flags left."""
    change.actor.require(Right.MANAGE_PROJECTS)
    found = get_visible_project(change.tx, change.actor, project, lock=Lock.DELETE)
    count = projects.count_flags(change.tx, found.id)
    if count:
        raise Conflict(f"{found.name} still has {count} feature flags. Delete them first.")
    projects.delete(change.tx, found.id)
    change.saved("deleted", _subject(found), before={"name": found.name})


def list_rollout_statuses(ctx: Context, actor: Actor, project: str) -> list[RolloutStatus]:
    """The labels a flag of this project can carry."""
    with ctx.db.read() as tx:
        return projects.list_rollout_statuses(tx, get_visible_project(tx, actor, project).id)


# View permissions (Split: restrictions) ---------------------------------------------------------------------------


def get_restriction(ctx: Context, actor: Actor, project: str) -> Restriction:
    """Who may view a project."""
    with ctx.db.read() as tx:
        found = get_visible_project(tx, actor, project)
        return Restriction(found.restricted, projects.list_grants(tx, found.id))


@transactional
def set_restriction(
    change: Change, project: str, *, restricted: bool, grants: Sequence[tuple[str, str]]
) -> Restriction:
    """Bound the view of a project to these users, groups and keys, each a type and an id; or open it to every user.

    A key that restricts a project keeps its own view of it: it could not undo what it did otherwise. Jira is sent the
    project again: flags of a project that the integration's token may no longer see are taken off their issues.
    """
    change.actor.require(Right.MANAGE_PROJECTS)
    found = get_visible_project(change.tx, change.actor, project, lock=Lock.CHANGE)
    return _restrict(change, found, restricted, grants)


@transactional
def grant_view(change: Change, project: str, kind: str, id: str) -> Restriction:
    """Let one more user, group or key view a restricted project."""
    change.actor.require(Right.MANAGE_PROJECTS)
    found = get_visible_project(change.tx, change.actor, project, lock=Lock.CHANGE)
    present = [(owner.type, owner.id) for owner in projects.list_grants(change.tx, found.id)]
    return _restrict(change, found, found.restricted, [*present, (kind, id)])


def _restrict(change: Change, project: Project, restricted: bool, wanted: Sequence[tuple[str, str]]) -> Restriction:
    tx, actor = change.tx, change.actor
    own = [("api_key", actor.id)] if restricted and actor.type is ActorType.API_KEY else []
    grants = [*dict.fromkeys([*wanted, *own])]
    names = projects.names_of(tx, actor.account_id, grants)
    unknown = [f"{kind} {id}" for kind, id in grants if (kind, id) not in names]
    if unknown:
        raise InvalidInput([Problem("resourcePermissions.view", f"There is no {what}.") for what in unknown])
    before = [owner.name for owner in projects.list_grants(tx, project.id)] if project.restricted else ["everybody"]
    projects.update(tx, project.id, restricted=restricted)
    projects.replace_grants(tx, project.id, grants)
    after = sorted(names.values()) if restricted else ["everybody"]
    change.saved("view_permissions", _subject(project), before={"view": before}, after={"view": after})
    change.resend_project(project.id)
    return Restriction(restricted, projects.list_grants(tx, project.id))


def _require_free_name(tx: Transaction, actor: Actor, name: str) -> None:
    if problem := title_problem(name, "project"):
        raise InvalidInput(problem, "name")
    if projects.name_is_taken(tx, actor.account_id, name):
        raise Conflict(f"There is a project “{name}” already.")


def _subject(project: Project) -> Subject:
    return Subject("project", project.id, project.name, project.id)
