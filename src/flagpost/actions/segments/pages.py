"""What the console shows on the pages of segments: one read each."""

from dataclasses import dataclass

from flagpost.actions.access import Actor, Right
from flagpost.actions.approvals import must_ask
from flagpost.actions.console import ConsolePage, choose_environment, read_environments, read_shell
from flagpost.actions.context import Context
from flagpost.actions.lookup import get_visible_project, get_visible_segment
from flagpost.actions.segments.segments import EVERY_KIND
from flagpost.actions.segments.usage import SegmentUse, read_uses
from flagpost.flags.targeting import SegmentKind
from flagpost.store.change_requests import requests as change_requests
from flagpost.store.db import Transaction
from flagpost.store.projects import projects
from flagpost.store.records import Environment, Page, Project, TrafficType
from flagpost.store.segments import keys as segment_keys
from flagpost.store.segments import segments
from flagpost.store.segments.segments import Segment, SegmentDefinition

MAX_SUGGESTED = 50
"""How many names a field suggests before anything is typed."""


@dataclass(frozen=True, slots=True)
class SegmentListPage(ConsolePage):
    """A page of a project's segments by name, and the traffic types that a new one can be for."""

    page: Page[Segment]
    traffic_types: list[TrafficType]


def load_segment_list(
    ctx: Context, actor: Actor, project: str, kind: SegmentKind | None, text: str, *, offset: int, limit: int
) -> SegmentListPage:
    """The list of a project's segments whose name contains `text`, of one kind or of all."""
    actor.require(Right.VIEW_SEGMENTS)
    with ctx.db.read() as tx:
        found = get_visible_project(tx, actor, project)
        page = segments.page(tx, found.id, (kind,) if kind else EVERY_KIND, text, offset, limit)
        return SegmentListPage(read_shell(tx, actor, found), page, projects.list_traffic_types(tx, found.id))


@dataclass(frozen=True, slots=True)
class SegmentAddress:
    """A segment by project and segment, each by id or name, and the environment: without one, production."""

    project: str
    segment: str
    environment: str | None = None


@dataclass(frozen=True, slots=True)
class SegmentView:
    """A segment, and what it is in each environment that it is in, by environment id."""

    project: Project
    segment: Segment
    environments: list[Environment]
    environment: Environment | None
    definitions: dict[str, SegmentDefinition]

    @property
    def definition(self) -> SegmentDefinition | None:
        """What the segment is in the chosen environment."""
        return self.definitions.get(self.environment.id) if self.environment else None

    @property
    def url(self) -> str:
        """The page's own address, without the environment."""
        return f"/projects/{self.project.id}/segments/{self.segment.id}"

    @property
    def here(self) -> str:
        """The part of the address that keeps the environment."""
        return f"?environment={self.environment.id}" if self.environment else ""


@dataclass(frozen=True, slots=True)
class SegmentPage(ConsolePage):
    """A segment in one environment: its keys there, what uses it, and what the editor of its rules suggests.

    `waiting` is the id of the change request that is open for it there. `approval`: whether a change there has to be
    approved by another person.
    """

    one: SegmentView
    keys: Page[str]
    uses: list[SegmentUse]
    waiting: str | None
    approval: bool
    segment_names: list[Segment]


def load_segment(
    ctx: Context, actor: Actor, at: SegmentAddress, *, text: str = "", offset: int = 0, limit: int = 20
) -> SegmentPage:
    """The page of a segment, with its keys that contain `text`."""
    actor.require(Right.VIEW_SEGMENTS)
    with ctx.db.read() as tx:
        one = read_segment(tx, actor, at)
        definition, place = one.definition, one.environment
        keys: Page[str] = Page([], 0, limit, 0)
        if definition and one.segment.kind is not SegmentKind.RULE_BASED:
            keys = segment_keys.page(tx, definition.id, text, offset, limit)
        return SegmentPage(
            read_shell(tx, actor, one.project),
            one,
            keys,
            read_uses(tx, one.project, one.segment.name),
            change_requests.open_id(tx, one.segment.id, place.id) if place and definition else None,
            place is not None and must_ask(actor, place),
            segments.page(tx, one.project.id, EVERY_KIND, "", 0, MAX_SUGGESTED).items,
        )


def get_segment_view(ctx: Context, actor: Actor, at: SegmentAddress) -> SegmentView:
    """A segment in one environment, for an action on it."""
    actor.require(Right.VIEW_SEGMENTS)
    with ctx.db.read() as tx:
        return read_segment(tx, actor, at)


def read_segment(tx: Transaction, actor: Actor, at: SegmentAddress) -> SegmentView:
    """Within a transaction: a segment in one environment."""
    project = get_visible_project(tx, actor, at.project)
    segment = get_visible_segment(tx, project, at.segment, EVERY_KIND)
    places = read_environments(tx, actor, project)
    there = {one.environment_id: one for one in segments.definitions_of(tx, segment.id)}
    seen = {place.id: there[place.id] for place in places if place.id in there}
    return SegmentView(project, segment, places, choose_environment(places, at.environment), seen)
