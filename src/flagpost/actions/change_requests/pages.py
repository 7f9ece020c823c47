"""What the console shows on the pages of change requests: one read each."""

from collections.abc import Collection
from dataclasses import dataclass

from flagpost.actions.access import Actor, Right
from flagpost.actions.change_requests.requests import get_visible_change_request, view_right
from flagpost.actions.console import ConsolePage, read_shell
from flagpost.actions.context import Context
from flagpost.actions.lookup import get_visible_project
from flagpost.errors import NotFound
from flagpost.store.change_requests import requests as change_requests
from flagpost.store.change_requests.requests import ChangeRequest, Comment
from flagpost.store.records import Page, Project


@dataclass(frozen=True, slots=True)
class ChangeRequestsPage(ConsolePage):
    """A page of a project's change requests, the newest first."""

    page: Page[ChangeRequest]


def load_change_requests(
    ctx: Context, actor: Actor, project: str, statuses: Collection[str], *, offset: int, limit: int
) -> ChangeRequestsPage:
    """The page *Change requests* of a project: those with one of these statuses."""
    actor.require(Right.VIEW_FLAGS)
    actor.require(Right.VIEW_SEGMENTS)
    with ctx.db.read() as tx:
        found = get_visible_project(tx, actor, project)
        page = change_requests.page(tx, found.id, statuses, offset, limit)
        return ChangeRequestsPage(read_shell(tx, actor, found), page)


@dataclass(frozen=True, slots=True)
class ChangeRequestPage(ConsolePage):
    """A change request and its comments."""

    found: Project
    one: ChangeRequest
    comments: list[Comment]


def load_change_request(ctx: Context, actor: Actor, project: str, id: str) -> ChangeRequestPage:
    """The page of a change request. NotFound where it belongs to another project."""
    with ctx.db.read() as tx:
        found = get_visible_project(tx, actor, project)
        one = get_visible_change_request(tx, actor, id)
        if one.project_id != found.id:
            raise NotFound
        actor.require(view_right(one.object_type))
        comments = change_requests.comments_of(tx, [one.id])[one.id]
        return ChangeRequestPage(read_shell(tx, actor, found), found, one, comments)
