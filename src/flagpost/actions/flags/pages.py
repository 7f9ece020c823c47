"""What the console shows on the pages of flags and flag sets: one read each."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from flagpost.actions.access import Actor, Right
from flagpost.actions.accounts.users import read_possible_owners
from flagpost.actions.console import ConsolePage, choose_environment, read_environments, read_shell
from flagpost.actions.context import Context
from flagpost.actions.flags.impressions import Period, Traffic, read_traffic
from flagpost.actions.lookup import get_visible_flag, get_visible_project
from flagpost.errors import InvalidInput
from flagpost.flags.dependency_graph import flag_dependencies
from flagpost.flags.model import Definition, FlagStatus
from flagpost.flags.rollout import FlagState, flag_state
from flagpost.flags.targeting import SegmentKind
from flagpost.store import audit
from flagpost.store.change_requests import requests as change_requests
from flagpost.store.db import Transaction
from flagpost.store.flags import definitions, flag_sets, flags, impressions
from flagpost.store.flags.flag_sets import FlagSet, Member
from flagpost.store.flags.flags import SORTS, FlagFilter
from flagpost.store.flags.impressions import DAY_MS
from flagpost.store.flags.prerequisites import load_prerequisites
from flagpost.store.flags.stale_flags import Kind, StaleFlags
from flagpost.store.jira import issues
from flagpost.store.projects import projects
from flagpost.store.records import (
    AuditEntry,
    Environment,
    Flag,
    FlagDefinition,
    Owner,
    Page,
    Project,
    RolloutStatus,
    TrafficType,
)
from flagpost.store.segments import segments
from flagpost.store.segments.segments import Segment

MAX_SUGGESTED = 50
"""How many names a field suggests before anything is typed."""

# The list ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FlagRow:
    """A flag in a list, its state in one environment, and the keys of its issues.

    `only` marks a stale flag: the one treatment that it serves in the environment, or empty where it has no traffic.
    """

    flag: Flag
    state: FlagState
    issues: tuple[str, ...]
    only: str | None = None


@dataclass(frozen=True, slots=True)
class FlagListPage(ConsolePage):
    """A page of a project's flags, as they are in `environment`, and what the list can be filtered by."""

    page: Page[FlagRow]
    environment: Environment | None
    environments: list[Environment]
    tags: list[str]
    owners: list[Owner]
    traffic_types: list[TrafficType]
    statuses: list[RolloutStatus]


@dataclass(frozen=True, slots=True)
class FlagQuery:
    """Which flags of a project a list shows. `environment` is an id; where it is none of the project's, production.

    `stale` leaves only stale flags of this kind.
    """

    wanted: FlagFilter
    environment: str | None = None
    stale: Kind | None = None
    offset: int = 0
    limit: int = 100


def load_flag_list(ctx: Context, actor: Actor, project: str, query: FlagQuery) -> FlagListPage:
    """The list of a project's flags. InvalidInput for an unknown order."""
    actor.require(Right.VIEW_FLAGS)
    if query.wanted.sort not in SORTS:
        raise InvalidInput(f"Sort by one of {', '.join(SORTS)}.", "sort")
    with ctx.db.read() as tx:
        found = get_visible_project(tx, actor, project)
        places = read_environments(tx, actor, found)
        known = query.environment if query.environment in {at.id for at in places} else None
        place = choose_environment(places, known)
        return FlagListPage(
            read_shell(tx, actor, found),
            read_flag_rows(ctx, tx, found, place, query),
            place,
            places,
            flags.tags_of_project(tx, found.id),
            flags.owners_of_project(tx, found.id),
            projects.list_traffic_types(tx, found.id),
            projects.list_rollout_statuses(tx, found.id),
        )


def read_flag_rows(
    ctx: Context, tx: Transaction, project: Project, place: Environment | None, query: FlagQuery
) -> Page[FlagRow]:
    """Within a transaction: a page of a project's flags, each with what a list shows of it in one environment."""
    at = place.id if place else ""
    judged = StaleFlags(project.id, at, ctx.clock() - ctx.settings.stale_flag_days * DAY_MS)
    wanted = replace(query.wanted, environment_id=at or None)
    if query.stale:
        wanted = replace(wanted, also=judged.condition(query.stale))
    found = flags.page(tx, project.id, wanted, query.offset, query.limit)
    ids = [flag.id for flag in found.items]
    states = _read_states(tx, found.items, at)
    keys, marks = issues.keys_of_flags(tx, ids), judged.marks(tx, ids)
    rows = [FlagRow(one, states[one.id], tuple(keys.get(one.id, ())), marks.get(one.id)) for one in found.items]
    return Page(rows, found.offset, found.limit, found.total)


def _read_states(tx: Transaction, listed: Collection[Flag], environment_id: str) -> dict[str, FlagState]:
    ids = [flag.id for flag in listed]
    there = definitions.states_in(tx, ids, environment_id) if environment_id else {}
    asking = ((environment_id, definition) for definition, _ in there.values())
    others = load_prerequisites(tx, asking).get(environment_id, {})
    nothing: tuple[Definition | None, bool] = (None, False)
    states = {}
    for flag in listed:
        definition, killed = there.get(flag.id, nothing)
        archived = flag.status is FlagStatus.ARCHIVED
        states[flag.id] = flag_state(definition, killed=killed, archived=archived, others=others)
    return states


def find_flag_names(ctx: Context, actor: Actor, project: str, text: str, *, limit: int) -> list[str]:
    """The names of a project's active flags that contain a text."""
    actor.require(Right.VIEW_FLAGS)
    with ctx.db.read() as tx:
        found = get_visible_project(tx, actor, project)
        return [row.name for row in flags.names_containing(tx, [found.id], text, limit)]


# One flag ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FlagAddress:
    """A flag by project and flag, and the environment to look at, each by id or name; without one, production."""

    project: str
    flag: str
    environment: str | None = None


@dataclass(frozen=True, slots=True)
class FlagView:
    """What the head of a flag's page shows, whatever the tab.

    `definitions` and `last_traffic` (milliseconds) are by environment id. `waiting` is the id of the change request
    that is open for the flag in the chosen environment.
    """

    project: Project
    flag: Flag
    environments: list[Environment]
    environment: Environment | None
    definitions: dict[str, FlagDefinition]
    last_traffic: dict[str, int]
    state: FlagState
    waiting: str | None

    @property
    def definition(self) -> FlagDefinition | None:
        """The definition in the chosen environment."""
        return self.definitions.get(self.environment.id) if self.environment else None

    @property
    def served_at(self) -> int | None:
        """When an application was last served the flag in the chosen environment."""
        return self.last_traffic.get(self.environment.id) if self.environment else None

    @property
    def url(self) -> str:
        """The page's own address, without the environment."""
        return f"/projects/{self.project.id}/flags/{self.flag.id}"

    @property
    def here(self) -> str:
        """The part of the address that keeps the environment."""
        return f"?environment={self.environment.id}" if self.environment else ""


@dataclass(frozen=True, slots=True)
class FlagPage(ConsolePage):
    """A tab of a flag's page."""

    one: FlagView


def read_flag(tx: Transaction, actor: Actor, at: FlagAddress) -> FlagView:
    """Within a transaction: the head of a flag's page."""
    actor.require(Right.VIEW_FLAGS)
    project = get_visible_project(tx, actor, at.project)
    flag = get_visible_flag(tx, project, at.flag)
    places = read_environments(tx, actor, project)
    place = choose_environment(places, at.environment)
    there = {id: one for id, one in definitions.of_flag(tx, flag.id).items() if id in {at.id for at in places}}
    waiting = change_requests.open_id(tx, flag.id, place.id) if place else None
    state = _read_state(tx, flag, there.get(place.id) if place else None)
    return FlagView(project, flag, places, place, there, impressions.last_traffic(tx, flag.id), state, waiting)


def _read_state(tx: Transaction, flag: Flag, present: FlagDefinition | None) -> FlagState:
    archived = flag.status is FlagStatus.ARCHIVED
    if present is None:
        return flag_state(None, killed=False, archived=archived)
    place = present.environment.id
    others = load_prerequisites(tx, [(place, present.definition)]).get(place, {})
    return flag_state(present.definition, killed=present.killed, archived=archived, others=others)


def load_flag(ctx: Context, actor: Actor, at: FlagAddress) -> FlagPage:
    """A tab that shows nothing but the head."""
    with ctx.db.read() as tx:
        one = read_flag(tx, actor, at)
        return FlagPage(read_shell(tx, actor, one.project), one)


@dataclass(frozen=True, slots=True)
class DefinitionPage(FlagPage):
    """The editor of a definition: what its fields suggest and offer.

    `known_treatments`: the treatments of the flags that the definition asks for, by the flag's name.
    """

    segment_names: list[Segment]
    flag_names: list[str]
    known_treatments: dict[str, list[str]]
    flag_sets: list[FlagSet]


def load_definition(
    ctx: Context, actor: Actor, at: FlagAddress, *, copied_from: str = "", asked: Collection[str] = ()
) -> DefinitionPage:
    """The tab *Definition*. The treatments are those of the flags that the saved definition asks for, and of `asked`.

    `copied_from` is the environment whose definition the editor begins with where there is none yet.
    """
    actor.require(Right.VIEW_SEGMENTS)
    with ctx.db.read() as tx:
        one = read_flag(tx, actor, at)
        saved = one.definition or one.definitions.get(copied_from)
        names = {*asked, *(name for _, name in flag_dependencies(saved.definition))} if saved else set(asked)
        place = one.environment.id if one.environment else ""
        others = definitions.by_flag(tx, one.project.id, place, names)
        return DefinitionPage(
            read_shell(tx, actor, one.project),
            one,
            segments.page(tx, one.project.id, tuple(SegmentKind), "", 0, MAX_SUGGESTED).items,
            [row.name for row in flags.names_containing(tx, [one.project.id], "", MAX_SUGGESTED)],
            {name: [treatment.name for treatment in other.treatments] for name, other in others.items()},
            flag_sets.page(tx, one.project.id, "", None),
        )


@dataclass(frozen=True, slots=True)
class ReviewPage(FlagPage):
    """The summary of a change before it is saved."""

    flag_sets: list[FlagSet]
    statuses: list[RolloutStatus]


def load_review(ctx: Context, actor: Actor, at: FlagAddress) -> ReviewPage:
    """The summary that comes after *Review changes*."""
    with ctx.db.read() as tx:
        one = read_flag(tx, actor, at)
        sets = flag_sets.page(tx, one.project.id, "", None)
        statuses = projects.list_rollout_statuses(tx, one.project.id)
        return ReviewPage(read_shell(tx, actor, one.project), one, sets, statuses)


@dataclass(frozen=True, slots=True)
class SettingsPage(FlagPage):
    """What can be said about a flag."""

    owners: list[Owner]
    statuses: list[RolloutStatus]


def load_settings(ctx: Context, actor: Actor, at: FlagAddress) -> SettingsPage:
    """The tab *Settings*."""
    with ctx.db.read() as tx:
        one = read_flag(tx, actor, at)
        owners = read_possible_owners(tx, actor.account_id)
        statuses = projects.list_rollout_statuses(tx, one.project.id)
        return SettingsPage(read_shell(tx, actor, one.project), one, owners, statuses)


@dataclass(frozen=True, slots=True)
class FlagAuditPage(FlagPage):
    """A page of a flag's audit log, the newest entry first."""

    page: Page[AuditEntry]


def load_flag_audit(ctx: Context, actor: Actor, at: FlagAddress, *, offset: int, limit: int) -> FlagAuditPage:
    """The tab *Audit log* of a flag."""
    with ctx.db.read() as tx:
        one = read_flag(tx, actor, at)
        page = audit.page(tx, actor.account_id, offset, limit, project_id=one.project.id, object_id=one.flag.id)
        return FlagAuditPage(read_shell(tx, actor, one.project), one, page)


@dataclass(frozen=True, slots=True)
class TrafficPage(FlagPage):
    """How often each treatment was served in the chosen environment; None where the project has none."""

    traffic: Traffic | None


def load_traffic(ctx: Context, actor: Actor, at: FlagAddress, period: Period) -> TrafficPage:
    """The tab *Traffic*."""
    with ctx.db.read() as tx:
        one = read_flag(tx, actor, at)
        place = one.environment
        traffic = read_traffic(tx, place, one.flag.id, period, ctx.clock()) if place else None
        return TrafficPage(read_shell(tx, actor, one.project), one, traffic)


# Flag sets --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FilledFlagSet:
    """A flag set with its flags: one for each environment that a flag is in the set in."""

    flag_set: FlagSet
    members: list[Member]

    @property
    def flag_count(self) -> int:
        """How many flags are in it, each counted once."""
        return len({one.flag_id for one in self.members})

    def count_in(self, environment_id: str) -> int:
        """How many flags are in it in one environment."""
        return sum(one.environment_id == environment_id for one in self.members)


@dataclass(frozen=True, slots=True)
class FlagSetsPage(ConsolePage):
    """The flag sets of a project, by name."""

    found: Project
    sets: list[FilledFlagSet]
    environments: list[Environment]


def load_flag_sets(ctx: Context, actor: Actor, project: str) -> FlagSetsPage:
    """The page *Flag sets* of a project."""
    actor.require(Right.VIEW_FLAGS)
    with ctx.db.read() as tx:
        found = get_visible_project(tx, actor, project)
        members = flag_sets.members(tx, found.id)
        sets = [FilledFlagSet(one, members.get(one.id, [])) for one in flag_sets.page(tx, found.id, "", None)]
        return FlagSetsPage(read_shell(tx, actor, found), found, sets, read_environments(tx, actor, found))
