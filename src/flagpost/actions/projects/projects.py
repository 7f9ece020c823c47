"""Projects, their rollout statuses, and who may view them."""

from dataclasses import dataclass

from flagpost.actions.access import Actor, ActorType, Right
from flagpost.actions.audit import record
from flagpost.actions.context import Context
from flagpost.actions.lookup import get_visible_project, visible_projects
from flagpost.errors import Conflict, InvalidInput, NotFound, Problem
from flagpost.flags.model import JiraEnvironmentType
from flagpost.flags.naming_rules import title_problem
from flagpost.store.db import Transaction
from flagpost.store.jira import outbox
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


def create_project(
    ctx: Context,
    actor: Actor,
    name: str,
    *,
    requires_title_and_comments: bool = False,
    with_defaults: bool = True,
) -> Project:
    """A new project; `with_defaults` gives it Staging, Production and the traffic type `user`.

    The Admin API asks for none of these, as Split documents it.
    """
    actor.require(Right.MANAGE_PROJECTS)
    if actor.project_id is not None:
        raise NotFound("This key is bound to one project.")
    now = ctx.clock()
    with ctx.db.write() as tx:
        _require_free_name(tx, actor, name)
        project = projects.insert(tx, actor.account_id, name, requires_title_and_comments, now)
        if with_defaults:
            _add_defaults(tx, project, now)
        _record(tx, actor, now, project, "created", after={"name": name})
    return project


def _add_defaults(tx: Transaction, project: Project, now: int) -> None:
    for name, production, jira_type in DEFAULT_ENVIRONMENTS:
        projects.insert_environment(
            tx, project.id, name, production=production, jira_type=jira_type, permissions={}, now=now
        )
    projects.insert_traffic_type(tx, project.id, "user", now)


def update_project(
    ctx: Context,
    actor: Actor,
    project: str,
    *,
    name: str | None = None,
    requires_title_and_comments: bool | None = None,
) -> Project:
    """Rename a project, or say whether its saves need a title and a comment. None leaves things as they are."""
    actor.require(Right.MANAGE_PROJECTS)
    now = ctx.clock()
    with ctx.db.write() as tx:
        found = get_visible_project(tx, actor, project)
        values: dict[str, str | bool] = {}
        if name is not None and name != found.name:
            _require_free_name(tx, actor, name)
            values["name"] = name
        if requires_title_and_comments is not None:
            values["requires_title_and_comments"] = requires_title_and_comments
        if values:
            projects.update(tx, found.id, **values)
            before = {"name": found.name, "requiresTitleAndComments": found.requires_title_and_comments}
            after = get_visible_project(tx, actor, found.id)
            shown = {"name": after.name, "requiresTitleAndComments": after.requires_title_and_comments}
            _record(tx, actor, now, after, "updated", before=before, after=shown)
        return get_visible_project(tx, actor, found.id)


def delete_project(ctx: Context, actor: Actor, project: str) -> None:
    """Remove a project that has no flags left."""
    actor.require(Right.MANAGE_PROJECTS)
    now = ctx.clock()
    with ctx.db.write() as tx:
        found = get_visible_project(tx, actor, project)
        count = projects.count_flags(tx, found.id)
        if count:
            raise Conflict(f"{found.name} still has {count} feature flags. Delete them first.")
        projects.delete(tx, found.id)
        _record(tx, actor, now, found, "deleted", before={"name": found.name})


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


def set_restriction(
    ctx: Context, actor: Actor, project: str, *, restricted: bool, grants: list[tuple[str, str]]
) -> Restriction:
    """Bound the view of a project to these users, groups and keys, each a type and an id; or open it to everybody.

    A key that restricts a project keeps its own view of it: it could not undo what it did otherwise. Jira hears of it:
    flags of a project that the integration's token may no longer see are taken off their issues.
    """
    actor.require(Right.MANAGE_PROJECTS)
    now = ctx.clock()
    if restricted and actor.type is ActorType.API_KEY:
        grants = [*dict.fromkeys([*grants, ("api_key", actor.id)])]
    with ctx.db.write() as tx:
        found = get_visible_project(tx, actor, project)
        names = projects.names_of(tx, actor.account_id, grants)
        unknown = [f"{kind} {id}" for kind, id in grants if (kind, id) not in names]
        if unknown:
            raise InvalidInput([Problem("resourcePermissions.view", f"There is no {what}.") for what in unknown])
        before = [owner.name for owner in projects.list_grants(tx, found.id)] if found.restricted else ["everybody"]
        projects.update(tx, found.id, restricted=restricted)
        projects.replace_grants(tx, found.id, grants)
        after = sorted(names.values()) if restricted else ["everybody"]
        _record(tx, actor, now, found, "view_permissions", before={"view": before}, after={"view": after})
        told = outbox.bump_project(tx, found.id, now)
        result = Restriction(restricted, projects.list_grants(tx, found.id))
    if told:
        ctx.wake(actor.account_id)
    return result


def grant_view(ctx: Context, actor: Actor, project: str, kind: str, id: str) -> Restriction:
    """Let one more user, group or key view a restricted project."""
    now_granted = get_restriction(ctx, actor, project)
    grants = [(owner.type, owner.id) for owner in now_granted.grants]
    return set_restriction(
        ctx, actor, project, restricted=now_granted.restricted, grants=[*dict.fromkeys([*grants, (kind, id)])]
    )


def _require_free_name(tx: Transaction, actor: Actor, name: str) -> None:
    if problem := title_problem(name, "project"):
        raise InvalidInput(problem, "name")
    if projects.name_is_taken(tx, actor.account_id, name):
        raise Conflict(f"There is a project “{name}” already.")


def _record(
    tx: Transaction,
    actor: Actor,
    now: int,
    project: Project,
    change: str,
    *,
    before: dict[str, object] | None = None,
    after: dict[str, object] | None = None,
) -> None:
    record(
        tx,
        actor,
        now,
        change,
        object_type="project",
        object_id=project.id,
        object_name=project.name,
        project_id=project.id,
        before=before,
        after=after,
    )
