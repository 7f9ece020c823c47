"""Change requests: the list of a project's, and a request's page, where it is discussed and decided."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from flagpost.actions.change_requests import pages, reviews
from flagpost.actions.change_requests import requests as change_requests
from flagpost.actions.change_requests.requests import edit_right
from flagpost.errors import FlagpostError
from flagpost.flags.diff import Change, describe
from flagpost.store.change_requests.requests import ChangeRequest
from flagpost.store.schema.change_requests import OPEN
from flagpost.web.console.page import PAGE_SIZE, Console, Form, form_text, redirect

router = APIRouter(prefix="/projects/{project}/change-requests")
DECIDED = ("PUBLISHED", "REJECTED", "WITHDRAWN")
STATUS_LABELS = {
    "REQUESTED": "Waits for approval",
    "SCHEDULE_REQUESTED": "Waits for approval, for later",
    "SCHEDULED": "Approved, waits for its time",
    "PUBLISHED": "Published",
    "REJECTED": "Rejected",
    "WITHDRAWN": "Withdrawn",
}
_OPERATION_LABELS = {
    "CREATE": "Set up",
    "UPDATE": "Change",
    "KILL": "Kill",
    "RESTORE": "Restore",
    "ARCHIVE": "Remove",
    "UPLOAD": "Replace the keys of",
}
_SHOWN_KEYS = 200


def _render(console: Console, template: str, page: Any, **values: Any) -> Response:
    labels: dict[str, Any] = {"statuses": STATUS_LABELS, "operations": _OPERATION_LABELS}
    return console.render(template, page, nav="change-requests", **labels, **values)


@router.get("")
def list_page(console: Console, project: str, state: str = "open", offset: int = 0) -> Response:
    """The open requests, or with `state` the decided ones; the newest first."""
    statuses = DECIDED if state == "decided" else OPEN
    offset = max(offset, 0)
    page = pages.load_change_requests(console.ctx, console.actor, project, statuses, offset=offset, limit=PAGE_SIZE)
    return _render(console, "change_requests.html", page, state=state)


@router.get("/{id}")
def request_page(console: Console, project: str, id: str) -> Response:
    """The proposed change, its comments, and the buttons."""
    return _page(console, project, id)


@router.post("/{id}")
def act(console: Console, project: str, id: str, form: Form) -> Response:
    """Comment on a request, approve, reject or withdraw it."""
    comment, button = form_text(form, "comment"), form_text(form, "act")
    try:
        if button in reviews.DECISIONS:
            reviews.decide(console.ctx, console.actor, id, button, comment)
        else:
            change_requests.add_comment(console.ctx, console.actor, id, comment)
    except FlagpostError as error:
        return _page(console, project, id, error, comment)
    return redirect(f"/projects/{project}/change-requests/{id}")


def _page(console: Console, project: str, id: str, error: FlagpostError | None = None, typed: str = "") -> Response:
    page = pages.load_change_request(console.ctx, console.actor, project, id)
    one = page.one
    return _render(
        console,
        "change_request.html",
        page,
        error=error,
        typed=typed,
        changes=_changes(one),
        keys=one.wanted.get("keys", [])[:_SHOWN_KEYS] if one.object_type in ("segment", "large_segment") else [],
        own=one.submitter_id == console.actor.id,
        may_decide=console.actor.may(edit_right(one.object_type)),
    )


def _changes(one: ChangeRequest) -> list[Change]:
    if one.object_type not in ("flag", "rule_based_segment") or one.operation in ("KILL", "RESTORE"):
        return []
    after: dict[str, Any] = {} if one.operation == "ARCHIVE" else one.wanted
    return describe(one.before, after)
