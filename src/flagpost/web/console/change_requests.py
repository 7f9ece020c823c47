"""Change requests: the list of a project's, and a request's page, where it is discussed and decided."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from flagpost.actions.accounts.sessions import SignedIn
from flagpost.actions.change_requests import requests as change_requests
from flagpost.actions.change_requests import reviews
from flagpost.actions.change_requests.requests import edit_right
from flagpost.actions.context import Context
from flagpost.actions.projects import projects
from flagpost.errors import FlagpostError, NotFound
from flagpost.flags.diff import Change, describe
from flagpost.store.change_requests.requests import ChangeRequest
from flagpost.store.schema.change_requests import OPEN
from flagpost.web.console.page import Form, form_text, problems_of, redirect, render_page
from flagpost.web.guard import Person
from flagpost.web.state import Ctx

router = APIRouter(prefix="/projects/{project}/change-requests")
DECIDED = ("PUBLISHED", "REJECTED", "WITHDRAWN")
WORDS = {
    "REQUESTED": "Waits for approval",
    "SCHEDULE_REQUESTED": "Waits for approval, for later",
    "SCHEDULED": "Approved, waits for its time",
    "PUBLISHED": "Published",
    "REJECTED": "Rejected",
    "WITHDRAWN": "Withdrawn",
}
_OPERATIONS = {
    "CREATE": "Set up",
    "UPDATE": "Change",
    "KILL": "Kill",
    "RESTORE": "Restore",
    "ARCHIVE": "Remove",
    "UPLOAD": "Replace the keys of",
}
_SHOWN_KEYS = 200


@router.get("")
def list_page(request: Request, ctx: Ctx, who: Person, project: str, state: str = "open", offset: int = 0) -> Response:
    """Those that wait, or with `state` those that are decided; the newest first."""
    found = projects.get_project(ctx, who.actor, project)
    statuses = DECIDED if state == "decided" else OPEN
    page = change_requests.list_of_project(ctx, who.actor, found.id, statuses, offset=max(offset, 0))
    return render_page(
        request,
        ctx,
        who,
        "change_requests.html",
        project=found,
        nav="change-requests",
        page=page,
        state=state,
        words=WORDS,
        operations=_OPERATIONS,
    )


@router.get("/{id}")
def request_page(request: Request, ctx: Ctx, who: Person, project: str, id: str) -> Response:
    """What is wanted, what was said, and the buttons."""
    return _page(request, ctx, who, project, id)


@router.post("/{id}")
def act(request: Request, ctx: Ctx, who: Person, project: str, id: str, form: Form) -> Response:
    """Say something, approve, reject or withdraw."""
    comment, button = form_text(form, "comment"), form_text(form, "act")
    try:
        if button in reviews.DECISIONS:
            reviews.decide(ctx, who.actor, id, button, comment)
        else:
            change_requests.add_comment(ctx, who.actor, id, comment)
    except FlagpostError as error:
        return _page(request, ctx, who, project, id, error, comment)
    return redirect(f"/projects/{project}/change-requests/{id}")


def _page(
    request: Request,
    ctx: Context,
    who: SignedIn,
    project: str,
    id: str,
    error: FlagpostError | None = None,
    typed: str = "",
) -> Response:
    found = projects.get_project(ctx, who.actor, project)
    one = change_requests.get_change_request(ctx, who.actor, id)
    if one.project_id != found.id:
        raise NotFound
    return render_page(
        request,
        ctx,
        who,
        "change_request.html",
        project=found,
        nav="change-requests",
        status=error.status if error else 200,
        problems=problems_of(error) if error else [],
        one=one,
        found=found,
        typed=typed,
        words=WORDS,
        operations=_OPERATIONS,
        changes=_changes(one),
        keys=one.wanted.get("keys", [])[:_SHOWN_KEYS] if one.object_type in ("segment", "large_segment") else [],
        said=change_requests.comments_of(ctx, [one])[one.id],
        own=one.submitter_id == who.actor.id,
        may_decide=who.actor.may(edit_right(one.object_type)),
    )


def _changes(one: ChangeRequest) -> list[Change]:
    if one.object_type not in ("flag", "rule_based_segment") or one.operation in ("KILL", "RESTORE"):
        return []
    after: dict[str, Any] = {} if one.operation == "ARCHIVE" else one.wanted
    return describe(one.before, after)
