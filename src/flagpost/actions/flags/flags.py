"""Feature flags: finding, creating, describing, archiving, deleting. Their definitions have a module of their own."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NotRequired, TypedDict, Unpack

from flagpost.actions.access import Actor, ActorType, Right
from flagpost.actions.audit import record
from flagpost.actions.context import Context
from flagpost.actions.lookup import get_visible_flag, get_visible_project, visible_projects
from flagpost.errors import Conflict, InvalidInput, NotFound, Problem, StaleVersion
from flagpost.flags.model import Definition, FlagStatus
from flagpost.flags.naming_rules import flag_name_problem, title_problem
from flagpost.flags.rollout import FlagState, flag_state
from flagpost.store.change_requests import requests as change_requests
from flagpost.store.db import Transaction
from flagpost.store.flags import change_log, definitions, dependencies, flags
from flagpost.store.flags.flags import SORTS, FlagFilter
from flagpost.store.flags.impressions import DAY_MS
from flagpost.store.flags.stale_flags import Candidates, Kind
from flagpost.store.jira import issues, outbox
from flagpost.store.projects import projects
from flagpost.store.records import Flag, Owner, Page, Project, RolloutStatus

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


@dataclass(frozen=True, slots=True)
class FlagRow:
    """A flag in a list, how it stands in one environment, and its issues' keys.

    `only` marks a candidate for removal: the one treatment that it serves there, or empty where it has no traffic.
    """

    flag: Flag
    state: FlagState
    killed: bool
    issues: tuple[str, ...]
    only: str | None = None


def list_rows(
    ctx: Context,
    actor: Actor,
    project: str,
    environment: str | None,
    wanted: FlagFilter,
    *,
    candidates: Kind | None = None,
    offset: int,
    limit: int,
) -> Page[FlagRow]:
    """A page of a project's flags, each with what a list shows of it in this environment (by id)."""
    judged = _candidates(ctx, actor, project, environment)
    if candidates:
        wanted = replace(wanted, also=judged.condition(candidates))
    found = list_flags(ctx, actor, project, wanted, offset=offset, limit=limit)
    ids = [flag.id for flag in found.items]
    with ctx.db.read() as tx:
        there = definitions.states_in(tx, ids, environment) if environment else {}
        keys = issues.keys_of_flags(tx, ids)
        marks = judged.marks(tx, ids)
    rows = [_row(flag, there.get(flag.id), keys.get(flag.id, ()), marks.get(flag.id)) for flag in found.items]
    return Page(rows, found.offset, found.limit, found.total)


def _candidates(ctx: Context, actor: Actor, project: str, environment: str | None) -> Candidates:
    with ctx.db.read() as tx:
        home = get_visible_project(tx, actor, project)
    return Candidates(home.id, environment or "", ctx.clock() - ctx.settings.removal_days * DAY_MS)


def _row(flag: Flag, there: tuple[Definition, bool] | None, keys: Sequence[str], only: str | None) -> FlagRow:
    definition, killed = there or (None, False)
    state = flag_state(definition, killed=killed, archived=flag.status is FlagStatus.ARCHIVED)
    return FlagRow(flag, state, killed, tuple(keys), only)


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


def create_flag(ctx: Context, actor: Actor, project: str, **described: Unpack[NewFlag]) -> Flag:
    """A new flag, not initiated anywhere."""
    actor.require(Right.EDIT_FLAGS)
    with ctx.db.write() as tx:
        return add_flag(tx, actor, get_visible_project(tx, actor, project), ctx.clock(), **described)


def add_flag(tx: Transaction, actor: Actor, project: Project, now: int, **described: Unpack[NewFlag]) -> Flag:
    """The same within a transaction that does more."""
    actor.require(Right.EDIT_FLAGS)
    name, traffic_type = described["name"], described["traffic_type"]
    description, tags = described.get("description", ""), described.get("tags", ())
    kind = projects.find_traffic_type(tx, project.id, traffic_type)
    problems = list(_creation_problems(name, description, tags))
    if kind is None:
        problems.append(Problem("trafficType", f"There is no traffic type “{traffic_type}” in {project.name}."))
    if problems or kind is None:
        raise InvalidInput(problems)
    if flags.name_is_taken(tx, project.id, name):
        raise Conflict(f"There is a feature flag “{name}” in {project.name} already; archived flags keep their names.")
    flag = Flag(
        id=flags.new_id(),
        project_id=project.id,
        name=name,
        description=description,
        traffic_type=kind,
        rollout_status=_rollout_status(tx, project, described.get("rollout_status")),
        rollout_status_at=now,
        status=FlagStatus.ACTIVE,
        tags=tuple(sorted(set(tags))),
        owners=_owners(tx, actor, described.get("owners")),
        version=1,
        created_at=now,
        updated_at=now,
        changed_at=now,
    )
    flags.insert(tx, flag)
    record_flag(tx, actor, now, flag, "created", after=_shown(flag))
    return flag


def update_flag(
    ctx: Context,
    actor: Actor,
    project: str,
    flag: str,
    *,
    base_version: int | None = None,
    description: str | None = None,
    tags: Sequence[str] | None = None,
    owners: Sequence[tuple[str, str]] | None = None,
    rollout_status: str | None = None,
) -> Flag:
    """Change what is said about a flag; None leaves things as they are.

    StaleVersion if `base_version` is given and not the present one.
    """
    actor.require(Right.EDIT_FLAGS)
    now = ctx.clock()
    with ctx.db.write() as tx:
        found = get_visible_project(tx, actor, project)
        old = get_visible_flag(tx, found, flag)
        if base_version is not None and base_version != old.version:
            raise StaleVersion(_shown(old), old.version, "somebody", old.updated_at)
        return change_flag(tx, actor, found, old, now, description, tags, owners, rollout_status)


def change_flag(
    tx: Transaction,
    actor: Actor,
    project: Project,
    old: Flag,
    now: int,
    description: str | None,
    tags: Sequence[str] | None,
    owners: Sequence[tuple[str, str]] | None,
    rollout_status: str | None,
) -> Flag:
    """The same within a transaction that does more."""
    problems = list(_description_problems(description or "")) + list(_tag_problems(tags or ()))
    if problems:
        raise InvalidInput(problems)
    values: dict[str, Any] = {}
    if description is not None:
        values["description"] = description
    if rollout_status is not None:
        values |= {"rollout_status_id": _rollout_status(tx, project, rollout_status).id, "rollout_status_at": now}
    if tags is not None:
        flags.replace_tags(tx, old.id, old.project_id, tags)
    if owners is not None:
        flags.replace_owners(tx, old.id, _owners(tx, actor, owners))
    flags.update(tx, old.id, now, **values)
    new = get_visible_flag(tx, project, old.id)
    if _shown(new) != _shown(old):
        record_flag(tx, actor, now, new, "updated", before=_shown(old), after=_shown(new))
    return new


def set_rollout_status(
    tx: Transaction, actor: Actor, project: Project, flag_id: str, rollout_status: str, now: int
) -> None:
    """Within a save of a definition: the rollout status that its change summary names."""
    status = _rollout_status(tx, project, rollout_status)
    old = get_visible_flag(tx, project, flag_id)
    if old.rollout_status.id != status.id:
        flags.set_rollout_status(tx, flag_id, status.id, now)
        before, after = {"rolloutStatus": old.rollout_status.name}, {"rolloutStatus": status.name}
        record_flag(tx, actor, now, old, "updated", before=before, after=after)


def archive_flag(ctx: Context, actor: Actor, project: str, flag: str, *, comment: str = "") -> Flag:
    """Take a flag out of use. Its name stays reserved, its issues stay connected and show it as archived."""
    return _set_status(ctx, actor, project, flag, FlagStatus.ARCHIVED, comment)


def unarchive_flag(ctx: Context, actor: Actor, project: str, flag: str, *, comment: str = "") -> Flag:
    """Bring an archived flag back as it was."""
    return _set_status(ctx, actor, project, flag, FlagStatus.ACTIVE, comment)


def _set_status(ctx: Context, actor: Actor, project: str, flag: str, status: FlagStatus, comment: str) -> Flag:
    actor.require(Right.EDIT_FLAGS)
    now = ctx.clock()
    with ctx.db.write() as tx:
        found = get_visible_project(tx, actor, project)
        old = get_visible_flag(tx, found, flag)
        if old.status is status:
            raise Conflict(f"“{old.name}” is {status.value} already.")
        if status is FlagStatus.ARCHIVED and (users := dependencies.flags_that_ask_for(tx, found.id, old.name)):
            raise Conflict(f"These feature flags depend on “{old.name}”: {', '.join(users)}. Change their rules first.")
        flags.update(tx, old.id, now, status=status.value)
        change_log.append_everywhere(tx, old.id, now)
        change_requests.withdraw_all(tx, old.id, now)
        change = "archived" if status is FlagStatus.ARCHIVED else "unarchived"
        record_flag(tx, actor, now, old, change, comment=comment)
        told = outbox.bump(tx, [old.id], now)
        new = get_visible_flag(tx, found, old.id)
    if told:
        ctx.wake(actor.account_id)
    return new


def delete_flag(ctx: Context, actor: Actor, project: str, flag: str) -> None:
    """Remove a flag for good, once it is set up in no environment (as in Split). Jira forgets it too."""
    actor.require(Right.EDIT_FLAGS)
    now = ctx.clock()
    with ctx.db.write() as tx:
        old = get_visible_flag(tx, get_visible_project(tx, actor, project), flag)
        used = [one.environment.name for one in definitions.of_flag(tx, old.id).values()]
        if used:
            raise Conflict(f"“{old.name}” is still set up in {', '.join(sorted(used))}. Remove its definitions first.")
        told = outbox.bump(tx, [old.id], now)
        change_requests.withdraw_all(tx, old.id, now)
        flags.delete(tx, old.id)
        record_flag(tx, actor, now, old, "deleted", before=_shown(old))
    if told:
        ctx.wake(actor.account_id)


def list_tags(ctx: Context, actor: Actor, project: str) -> list[str]:
    """Every tag in use in a project."""
    with ctx.db.read() as tx:
        return flags.tags_of_project(tx, get_visible_project(tx, actor, project).id)


def list_owners(ctx: Context, actor: Actor, project: str) -> list[Owner]:
    """Everybody who owns a flag of a project."""
    with ctx.db.read() as tx:
        return flags.owners_of_project(tx, get_visible_project(tx, actor, project).id)


def record_flag(
    tx: Transaction,
    actor: Actor,
    now: int,
    flag: Flag,
    change: str,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    comment: str = "",
) -> None:
    """Note a change of a flag in the audit log."""
    record(
        tx,
        actor,
        now,
        change,
        object_type="flag",
        object_id=flag.id,
        object_name=flag.name,
        project_id=flag.project_id,
        before=before,
        after=after,
        comment=comment,
    )


def _creation_problems(name: str, description: str, tags: Sequence[str]) -> Iterable[Problem]:
    if problem := flag_name_problem(name):
        yield Problem("name", problem)
    yield from _description_problems(description)
    yield from _tag_problems(tags)


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
