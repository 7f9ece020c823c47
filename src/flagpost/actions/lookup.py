"""From a name or an id to the object, if the actor may see it. What an actor may not see does not exist for them.

Every function raises NotFound, in words that do not say whether the object exists. With a `lock`, the row that a
decision rests on stays as it was read until the commit (`flagpost.store.locks` has the order).
"""

from collections.abc import Collection

from flagpost.actions.access import Actor
from flagpost.errors import NotFound
from flagpost.flags.targeting import SegmentKind
from flagpost.store.db import Condition, Transaction
from flagpost.store.flags import flags
from flagpost.store.locks import Lock
from flagpost.store.projects import projects
from flagpost.store.records import Environment, Flag, Project
from flagpost.store.segments import segments
from flagpost.store.segments.segments import Segment


def visible_projects(actor: Actor) -> Condition:
    """The condition that a project can be seen: by view permission, and by a key's scope."""
    grantees = None if actor.sees_all_projects else {actor.id, *actor.group_ids}
    return projects.visible_to(actor.account_id, grantees, actor.project_id)


def get_visible_project(tx: Transaction, actor: Actor, ref: str, *, lock: Lock | None = None) -> Project:
    """The project with this id or name."""
    project = projects.find(tx, actor.account_id, ref)
    if project is not None and lock is not None:
        project = projects.lock(tx, project.id, lock)
    if project is None or not _may_see(tx, actor, project):
        raise NotFound(f"Could not find the project “{ref}”.")
    return project


def _may_see(tx: Transaction, actor: Actor, project: Project) -> bool:
    """Whether `visible_projects` holds for one project that was read already; every request asks this first."""
    if actor.project_id not in (None, project.id):
        return False
    if actor.sees_all_projects or not project.restricted:
        return True
    return projects.is_granted(tx, project.id, {actor.id, *actor.group_ids})


def get_visible_environment(
    tx: Transaction, actor: Actor, project: Project, ref: str, *, lock: Lock | None = None
) -> Environment:
    """The environment with this id or name, within the scope of a key."""
    environment = projects.find_environment(tx, project.id, ref)
    if environment is not None and lock is not None:
        environment = projects.lock_environment(tx, environment.id, lock)
    outside = environment and actor.environment_ids and environment.id not in actor.environment_ids
    if environment is None or outside:
        raise NotFound(f"Could not find the environment “{ref}” in {project.name}.")
    return environment


def get_visible_project_and_environment(
    tx: Transaction, actor: Actor, environment_id: str, *, lock: Lock | None = None
) -> tuple[Project, Environment]:
    """An environment by its id alone, with its project: Split's paths for segments name no project."""
    environment = projects.find_visible_environment(tx, visible_projects(actor), environment_id)
    if environment is not None and lock is not None:
        environment = projects.lock_environment(tx, environment.id, lock)
    if environment is None or (actor.environment_ids and environment.id not in actor.environment_ids):
        raise NotFound(f"Could not find the environment “{environment_id}”.")
    return get_visible_project(tx, actor, environment.project_id), environment


def get_visible_segment(
    tx: Transaction, project: Project, ref: str, kinds: Collection[SegmentKind], *, lock: Lock | None = None
) -> Segment:
    """The segment of one of these kinds with this name or id."""
    segment = segments.lock(tx, project.id, ref, lock) if lock else segments.find(tx, project.id, ref)
    if segment is None or segment.kind not in kinds:
        raise NotFound(f"Could not find the segment “{ref}” in {project.name}.")
    return segment


def get_visible_flag(tx: Transaction, project: Project, ref: str, *, lock: Lock | None = None) -> Flag:
    """The flag with this name or id. Its lock holds its definitions too."""
    flag = flags.lock(tx, project.id, ref, lock) if lock else flags.find(tx, project.id, ref)
    if flag is None:
        raise NotFound(f"Could not find the feature flag “{ref}” in {project.name}.")
    return flag
