"""Change requests, and the uploads of files that requests for large segments wait for."""

from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Query

from flagpost.actions.change_requests import requests as change_requests
from flagpost.actions.change_requests import reviews
from flagpost.actions.change_requests.requests import Proposal
from flagpost.actions.context import Context
from flagpost.errors import InvalidInput
from flagpost.store.change_requests.requests import ChangeRequest, Comment
from flagpost.web.admin_api import schemas
from flagpost.web.admin_api.documented import PREFIX, WideKey, marked
from flagpost.web.admin_api.files import FILE_BODY, File
from flagpost.web.guard import anyone
from flagpost.web.state import Ctx

router = APIRouter(tags=["Change requests"])
Json = dict[str, Any]
_FIELDS = {
    "split": "flag",
    "segment": "segment",
    "ruleBasedSegment": "rule_based_segment",
    "largeSegment": "large_segment",
}


class NewChangeRequest(schemas.Body):
    """A change to ask for: exactly one of `split`, `segment`, `ruleBasedSegment` and `largeSegment`, with a `name`."""

    split: Json | None = None
    segment: Json | None = None
    ruleBasedSegment: Json | None = None
    largeSegment: Json | None = None
    operationType: str
    title: str | None = None
    comment: str | None = None
    approvers: list[str] | None = None
    rolloutStatus: schemas.Reference | None = None
    scheduledFor: int | None = None
    scheduledForTimezone: str | None = None


class Decision(schemas.Body):
    """The decision on a change request: APPROVED, REJECTED or WITHDRAWN."""

    status: str
    comment: str | None = None


@router.get("/changeRequests")
def list_change_requests(
    ctx: Ctx,
    key: WideKey,
    status: str = "REQUESTED",
    environmentId: str | None = None,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1)] = 20,
) -> Json:
    """Change requests of a status (REQUESTED unless asked), the newest first; at most 100 a page."""
    limit = min(limit, 100)
    found = change_requests.list_after(
        ctx, key, statuses=[status], environment_id=environmentId, marker=_read_marker(after), limit=limit + 1
    )
    comments = change_requests.comments_of(ctx, found)
    return marked(
        found, limit, after, lambda one: _shown(one, comments[one.id]), lambda one: f"{one.created_at}-{one.id}"
    )


@router.get("/changeRequests/{change_request}")
def get_change_request(ctx: Ctx, key: WideKey, change_request: str) -> Json:
    """One change request."""
    return _with_comments(ctx, change_requests.get_change_request(ctx, key, change_request))


@router.put("/changeRequests/{change_request}")
def decide(ctx: Ctx, key: WideKey, change_request: str, body: Decision) -> Json:
    """Approve, reject or withdraw. The submitter cannot approve; an approved change is published."""
    decided = reviews.decide(ctx, key, change_request, body.status, body.comment or "")
    return _with_comments(ctx, decided)


@router.post("/changeRequests/ws/{workspace}/environments/{environment}")
def submit(ctx: Ctx, key: WideKey, workspace: str, environment: str, body: NewChangeRequest) -> Json:
    """Ask for a change. For a large segment's keys, `transactionMetadata` says where to send the file, in 5 minutes."""
    new = change_requests.submit(ctx, key, workspace, environment, _proposal(body))
    if new.upload_secret:
        return {**_with_comments(ctx, new.request), "transactionMetadata": _upload_address(ctx, new.upload_secret)}
    if new.request.object_type == "large_segment":
        return _with_comments(ctx, reviews.publish_unless_approval_is_required(ctx, key, new.request.id))
    return _with_comments(ctx, new.request)


@router.put("/large-segments/uploads/{secret}", dependencies=[Depends(anyone)], openapi_extra=FILE_BODY)
def receive_file(ctx: Ctx, secret: str, content: File) -> Json:
    """The file of a large segment's change request. Its address is the proof of the sender, and works once."""
    reviews.receive_file(ctx, secret, content)
    return {"code": 200, "message": "The keys were received"}


def _upload_address(ctx: Context, secret: str) -> Json:
    url = f"{ctx.settings.public_url}{PREFIX}/large-segments/uploads/{secret}"
    return {"method": "PUT", "url": url, "headers": {"Host": [urlsplit(url).netloc]}}


def _read_marker(after: str | None) -> tuple[int, str] | None:
    if not after:
        return None
    at, _, id = after.partition("-")
    if not at.isdecimal() or len(at) > 15:
        raise InvalidInput("This is no marker of a page.", "after")
    return int(at), id


def _proposal(body: NewChangeRequest) -> Proposal:
    given = [(field, kind) for field, kind in _FIELDS.items() if getattr(body, field) is not None]
    if len(given) != 1:
        raise InvalidInput(f"Send exactly one of {', '.join(_FIELDS)}.")
    field, kind = given[0]
    wanted: Json = getattr(body, field)
    if not isinstance(wanted.get("name"), str) or len(wanted["name"]) > 255:
        raise InvalidInput("This is missing.", f"{field}.name")
    return Proposal(
        object_type=kind,
        name=wanted["name"],
        operation=body.operationType.upper(),
        wanted=wanted,
        title=body.title or "",
        comment=body.comment or "",
        approvers=body.approvers or (),
        rollout_status=body.rolloutStatus.id if body.rolloutStatus else None,
        scheduled_for=body.scheduledFor,
        scheduled_timezone=body.scheduledForTimezone,
        flag_sets=schemas.flag_sets(wanted) if kind == "flag" else None,
    )


def _with_comments(ctx: Context, one: ChangeRequest) -> Json:
    return _shown(one, change_requests.comments_of(ctx, [one])[one.id])


def _shown(one: ChangeRequest, comments: list[Comment]) -> Json:
    place = {"id": one.environment_id, "name": one.environment_name}
    wanted = {"id": one.object_id, "name": one.object_name, "environment": place, **one.wanted}
    objects = {field: wanted if kind == one.object_type else None for field, kind in _FIELDS.items()}
    return {
        **objects,
        "id": one.id,
        "status": one.status,
        "title": one.title,
        "comment": one.comment,
        "workspace": {"id": one.project_id, "type": "workspace"},
        "environment": {**place, "type": "environment"},
        "approvers": one.approvers,
        "operationType": one.operation,
        "comments": [
            {"comment": other.text, "user": other.author_name, "role": other.role, "timestamp": other.at}
            for other in comments
        ],
        "submitter": one.submitter_name,
        "creationTime": one.created_at,
        "lastUpdateTime": one.updated_at,
        "rolloutStatus": {"id": one.rollout_status_id} if one.rollout_status_id else None,
        "scheduledFor": one.scheduled_for,
        "scheduledForTimezone": one.scheduled_timezone,
    }
