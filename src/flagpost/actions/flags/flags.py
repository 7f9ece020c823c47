"""Feature flags: finding, creating, describing, archiving, deleting. Their definitions have a module of their own."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict, Unpack

from flagpost.actions.access import Actor, ActorType, Right
from flagpost.actions.context import Context
from flagpost.actions.flags.dependencies import require_no_cycle
from flagpost.actions.lookup import get_visible_flag, get_visible_project, visible_projects
from flagpost.actions.unit_of_work import Change, Summary, transactional
from flagpost.errors import Conflict, InvalidInput, NotFound, Problem, StaleVersion
from flagpost.flags.model import FlagStatus
from flagpost.flags.naming_rules import flag_name_problem, title_problem
from flagpost.store.change_requests import requests as change_requests
from flagpost.store.db import Transaction
from flagpost.store.flags import definitions, dependencies, flags
from flagpost.store.flags.flags import SORTS, FlagFilter
from flagpost.store.locks import Lock
from flagpost.store.projects import projects
from flagpost.store.records import Flag, Owner, Page, Project, RolloutStatus, TrafficType

MAX_TAGS = 50
MAX_OWNERS = 50
MAX_DESCRIPTION = 10_000


@dataclass(frozen=True, slots=True)
class FoundFlag:
    """A flag as a search shows it."""

    id: str
    name: str
    project_id: str
    project_name: str


def list_flags(
    ctx: Context, actor: Actor, project: str, wanted: FlagFilter | None = None, *, offset: int = 0, limit: int = 20
) -> Page[Flag]:
    """A page of a project's flags."""
    actor.require(Right.VIEW_FLAGS)
    wanted = wanted or FlagFilter()
    if wanted.sort not in SORTS:
        raise InvalidInput(f"Sort by one of {', '.join(SORTS)}.", "sort")
    with ctx.db.read() as tx:
        return flags.page(tx, get_visible_project(tx, actor, project).id, wanted, offset, limit)


def get_flag(ctx: Context, actor: Actor, project: str, flag: str) -> Flag:
    """One flag, by name or id."""
    actor.require(Right.VIEW_FLAGS)
    with ctx.db.read() as tx:
        return get_visible_flag(tx, get_visible_project(tx, actor, project), flag)


def find_flags(
    ctx: Context, actor: Actor, text: str, *, project_ids: Sequence[str], limit: int = 20
) -> list[FoundFlag]:
    """Active flags whose name contains `text`, of those of these projects that the actor can see."""
    actor.require(Right.VIEW_FLAGS)
    with ctx.db.read() as tx:
        return read_found_flags(tx, actor, text, project_ids, limit)


def read_found_flags(
    tx: Transaction, actor: Actor, text: str, project_ids: Sequence[str], limit: int
) -> list[FoundFlag]:
    """Within a transaction: active flags whose name contains `text`, of those of these projects that can be seen."""
    names = {p.id: p.name for p in projects.list_by_id(tx, visible_projects(actor), project_ids)}
    rows = flags.names_containing(tx, list(names), text, limit)
    return [FoundFlag(row.id, row.name, row.project_id, names[row.project_id]) for row in rows]


class NewFlag(TypedDict):
    """What a new flag is made of. `owners` are (type, id); where not given, the person who creates it."""

    name: str
    traffic_type: str
    description: NotRequired[str]
    tags: NotRequired[Sequence[str]]
    owners: NotRequired[Sequence[tuple[str, str]] | None]
    rollout_status: NotRequired[str | None]


class FlagDescription(TypedDict, total=False):
    """What can be said anew about a flag. What is missing, or None, stays as it is."""

    description: str | None
    tags: Sequence[str] | None
    owners: Sequence[tuple[str, str]] | None
    rollout_status: str | None


@transactional
def create_flag(change: Change, project: str, **described: Unpack[NewFlag]) -> Flag:
    """A new flag, not initiated anywhere."""
    change.actor.require(Right.EDIT_FLAGS)
    found = get_visible_project(change.tx, change.actor, project, lock=Lock.SHARE)
    return add_flag(change, found, **described)


def add_flag(change: Change, project: Project, **described: Unpack[NewFlag]) -> Flag:
    """Within a change: a new flag in a project that is locked."""
    tx, now = change.tx, change.now
    change.actor.require(Right.EDIT_FLAGS)
    kind = _traffic_type(tx, project, described)
    if flags.name_is_taken(tx, project.id, described["name"]):
        message = f"There is a feature flag “{described['name']}” in {project.name} already; archived flags keep names."
        raise Conflict(message)
    flag = Flag(
        id=flags.new_id(),
        project_id=project.id,
        name=described["name"],
        description=described.get("description", ""),
        traffic_type=kind,
        rollout_status=_rollout_status(tx, project, described.get("rollout_status")),
        rollout_status_at=now,
        status=FlagStatus.ACTIVE,
        tags=tuple(sorted(set(described.get("tags", ())))),
        owners=_owners(tx, change.actor, described.get("owners")),
        version=1,
        created_at=now,
        updated_at=now,
        changed_at=now,
    )
    flags.insert(tx, flag)
    change.flag_saved("created", flag, after=_shown(flag))
    return flag


@transactional
def update_flag(
    change: Change, project: str, flag: str, *, base_version: int | None = None, **said: Unpack[FlagDescription]
) -> Flag:
    """Change what is said about a flag. StaleVersion if `base_version` is given and is not the flag's version.

    The flag is locked when it is read, so of two saves on one version the second gets StaleVersion.
    """
    change.actor.require(Right.EDIT_FLAGS)
    found = get_visible_project(change.tx, change.actor, project, lock=Lock.SHARE)
    old = get_visible_flag(change.tx, found, flag, lock=Lock.CHANGE)
    if base_version not in (None, old.version):
        raise StaleVersion(_shown(old), old.version, "another user", old.updated_at)
    return describe_flag(change, found, old, said)


def describe_flag(change: Change, project: Project, old: Flag, said: FlagDescription) -> Flag:
    """Within a change: describe a locked flag anew."""
    tx = change.tx
    description, tags, owners = said.get("description"), said.get("tags"), said.get("owners")
    problems = list(_description_problems(description or "")) + list(_tag_problems(tags or ()))
    if problems:
        raise InvalidInput(problems)
    values: dict[str, Any] = {}
    if description is not None:
        values["description"] = description
    if (status := said.get("rollout_status")) is not None:
        values["rollout_status_id"] = _rollout_status(tx, project, status).id
        values["rollout_status_at"] = change.now
    if tags is not None:
        flags.replace_tags(tx, old.id, old.project_id, tags)
    if owners is not None:
        flags.replace_owners(tx, old.id, _owners(tx, change.actor, owners))
    flags.update(tx, old.id, change.now, **values)
    new = get_visible_flag(tx, project, old.id)
    if _shown(new) != _shown(old):
        change.flag_saved("updated", new, before=_shown(old), after=_shown(new))
    return new


def set_rollout_status(change: Change, project: Project, flag_id: str, rollout_status: str) -> None:
    """Within a save of a definition: the rollout status that its draft names."""
    status = _rollout_status(change.tx, project, rollout_status)
    old = get_visible_flag(change.tx, project, flag_id)
    if old.rollout_status.id != status.id:
        flags.set_rollout_status(change.tx, flag_id, status.id, change.now)
        before, after = {"rolloutStatus": old.rollout_status.name}, {"rolloutStatus": status.name}
        change.flag_saved("updated", old, before=before, after=after)


@transactional
def archive_flag(change: Change, project: str, flag: str, *, comment: str = "") -> Flag:
    """Take a flag out of use. Its name stays reserved, its issues stay connected and show it as archived."""
    found, old = _lock_to_switch(change, project, flag, FlagStatus.ARCHIVED)
    _require_no_dependents(change, old)
    return _switch(change, found, old, FlagStatus.ARCHIVED, Summary(comment=comment))


@transactional
def unarchive_flag(change: Change, project: str, flag: str, *, comment: str = "") -> Flag:
    """Bring an archived flag back as it was. Conflict where it would depend on itself through other flags."""
    found, old = _lock_to_switch(change, project, flag, FlagStatus.ACTIVE)
    require_no_cycle(change.tx, old)
    return _switch(change, found, old, FlagStatus.ACTIVE, Summary(comment=comment))


def _lock_to_switch(change: Change, project: str, flag: str, status: FlagStatus) -> tuple[Project, Flag]:
    change.actor.require(Right.EDIT_FLAGS)
    found = get_visible_project(change.tx, change.actor, project, lock=Lock.SHARE)
    old = get_visible_flag(change.tx, found, flag, lock=Lock.CHANGE)
    if old.status is status:
        raise Conflict(f"“{old.name}” is {status.value} already.")
    return found, old


def _switch(change: Change, project: Project, old: Flag, status: FlagStatus, summary: Summary) -> Flag:
    flags.update(change.tx, old.id, change.now, status=status.value)
    change_requests.withdraw_all(change.tx, old.id, change.now)
    verb = "archived" if status is FlagStatus.ARCHIVED else "unarchived"
    change.flag_switched(verb, old, summary=summary)
    return get_visible_flag(change.tx, project, old.id)


@transactional
def delete_flag(change: Change, project: str, flag: str) -> None:
    """Remove a flag for good, once it is set up in no environment (as in Split). Jira and applications forget it.

    The flag's row is locked against new definitions before it is looked whether there are any.
    """
    change.actor.require(Right.EDIT_FLAGS)
    found = get_visible_project(change.tx, change.actor, project, lock=Lock.SHARE)
    old = get_visible_flag(change.tx, found, flag, lock=Lock.DELETE)
    used = [one.environment.name for one in definitions.of_flag(change.tx, old.id).values()]
    if used:
        raise Conflict(f"“{old.name}” is still set up in {', '.join(sorted(used))}. Remove its definitions first.")
    _require_no_dependents(change, old)
    change_requests.withdraw_all(change.tx, old.id, change.now)
    flags.delete(change.tx, old.id)
    change.flag_switched("deleted", old, before=_shown(old))


def _require_no_dependents(change: Change, flag: Flag) -> None:
    if users := dependencies.dependents_of(change.tx, flag.project_id, flag.name):
        raise Conflict(f"These feature flags depend on “{flag.name}”: {', '.join(users)}. Change their rules first.")


def list_tags(ctx: Context, actor: Actor, project: str) -> list[str]:
    """Every tag in use in a project."""
    with ctx.db.read() as tx:
        return flags.tags_of_project(tx, get_visible_project(tx, actor, project).id)


def _traffic_type(tx: Transaction, project: Project, described: NewFlag) -> TrafficType:
    """The traffic type of a new flag. InvalidInput with everything that is wrong with what describes the flag."""
    kind = projects.find_traffic_type(tx, project.id, described["traffic_type"])
    problems = [Problem("name", problem)] if (problem := flag_name_problem(described["name"])) else []
    problems += _description_problems(described.get("description", ""))
    problems += _tag_problems(described.get("tags", ()))
    if kind is None:
        message = f"There is no traffic type “{described['traffic_type']}” in {project.name}."
        problems.append(Problem("trafficType", message))
    if problems or kind is None:
        raise InvalidInput(problems)
    return kind


def _description_problems(description: str) -> Iterable[Problem]:
    if len(description) > MAX_DESCRIPTION:
        yield Problem("description", f"A description has at most {MAX_DESCRIPTION:,} characters.")


def _tag_problems(tags: Sequence[str]) -> Iterable[Problem]:
    if len(tags) > MAX_TAGS:
        yield Problem("tags", f"At most {MAX_TAGS} tags.")
    for number, tag in enumerate(tags):
        if problem := title_problem(tag, "tag"):
            yield Problem(f"tags[{number}]", problem)


def _owners(tx: Transaction, actor: Actor, owners: Sequence[tuple[str, str]] | None) -> tuple[Owner, ...]:
    if owners is None:
        return (Owner("user", actor.id, actor.name),) if actor.type is ActorType.USER else ()
    names = projects.names_of(tx, actor.account_id, [one for one in owners if one[0] in ("user", "group")])
    unknown = [Problem("owners", f"There is no {kind} {id}.") for kind, id in owners if (kind, id) not in names]
    if unknown or len(owners) > MAX_OWNERS:
        raise InvalidInput(unknown or [Problem("owners", f"At most {MAX_OWNERS} owners.")])
    return tuple(Owner(kind, id, name) for (kind, id), name in names.items())


def _rollout_status(tx: Transaction, project: Project, ref: str | None) -> RolloutStatus:
    status = projects.find_rollout_status(tx, project.id, ref)
    if status is None:
        raise NotFound(f"There is no rollout status “{ref}” in {project.name}.")
    return status


def _shown(flag: Flag) -> dict[str, Any]:
    return {
        "name": flag.name,
        "trafficType": flag.traffic_type.name,
        "description": flag.description,
        "tags": list(flag.tags),
        "owners": [owner.name for owner in flag.owners],
        "rolloutStatus": flag.rollout_status.name,
    }
