"""Deciding change requests: approving, for now or for a time, rejecting, withdrawing; publishing what was approved.

A decision and what follows from it are one transaction, under the lock of the request's row: of two approvals at once
the second finds it decided, and nothing is published that was not approved, or twice. Whoever asked for a change cannot
approve it, whatever their role.
"""

from collections.abc import Sequence
from dataclasses import replace

import structlog

from flagpost.actions.access import Actor, Right, system
from flagpost.actions.approvals import requires_approval, restricted_approvers
from flagpost.actions.change_requests.requests import (
    KINDS,
    current_value,
    edit_right,
    get_visible_change_request,
    record_change_request,
    require_comment,
    upload_hash,
)
from flagpost.actions.context import Context
from flagpost.actions.flags.definitions import apply_to_definition, get_for_change
from flagpost.actions.flags.flags import set_rollout_status
from flagpost.actions.lookup import get_visible_environment, get_visible_project
from flagpost.actions.segments.keys import drop_keys, keys_of_csv, put_keys
from flagpost.actions.segments.rule_based import put_rules
from flagpost.actions.segments.segments import reach_to_change
from flagpost.errors import Conflict, FlagpostError, InvalidInput, NotAllowed, NotFound
from flagpost.flags.definition_json import load
from flagpost.flags.targeting import SegmentKind
from flagpost.store.change_requests import requests as change_requests
from flagpost.store.change_requests.requests import ChangeRequest
from flagpost.store.db import Transaction
from flagpost.store.records import Environment

log = structlog.get_logger(__name__)

DECISIONS = ("APPROVED", "REJECTED", "WITHDRAWN")
_MAX_NAME = 255


def decide(ctx: Context, actor: Actor, id: str, decision: str, comment: str = "") -> ChangeRequest:
    """Approve, reject or withdraw. What is approved is published at once, or when its time comes.

    Conflict where it is decided already, or what it is about has changed since; then nothing has changed.
    """
    if decision not in DECISIONS:
        raise InvalidInput(f"Choose one of {', '.join(DECISIONS)}.", "status")
    require_comment(comment)
    now, told = ctx.clock(), 0
    with ctx.db.write() as tx:
        request = get_visible_change_request(tx, actor, id, locked=True)
        _require_may_decide(tx, actor, request, decision)
        if comment.strip():
            role = "SUBMITTER" if decision == "WITHDRAWN" else "APPROVER"
            change_requests.add_comment(tx, request.id, actor.name, role, comment, now)
        change = {"APPROVED": "approved_change", "REJECTED": "rejected_change", "WITHDRAWN": "withdrew_change"}
        record_change_request(tx, actor, now, request, change[decision], request.title, comment)
        if decision != "APPROVED":
            change_requests.update(tx, request.id, now, status=decision)
        elif request.scheduled_for and request.scheduled_for > now:
            change_requests.update(tx, request.id, now, status="SCHEDULED", approvers=[*request.approvers, actor.name])
        else:
            told = _publish(tx, _by_both(actor, request), request, now)
        decided = get_visible_change_request(tx, actor, id)
    if told:
        ctx.wake(actor.account_id)
    return decided


def publish_due(ctx: Context) -> None:
    """Publish every approved change whose time has come. What cannot be published is rejected, with the reason.

    Only an error that is `permanent` rejects a change. After any other error (a busy database, a lost connection) the
    change stays scheduled, and the next round tries again. No change holds up another: errors that Flagpost does not
    know are raised together, as an ExceptionGroup, when all changes have been tried.
    """
    with ctx.db.read() as tx:
        due = change_requests.due(tx, ctx.clock())
    unknown = []
    for account_id, id in due:
        try:
            _publish_or_reject(ctx, account_id, id)
        except FlagpostError as error:
            log.warning("change_request.publication_deferred", change_request=id, reason=error.message)
        except Exception as error:
            error.add_note(f"while publishing change request {id}")
            unknown.append(error)
    if unknown:
        raise ExceptionGroup("Some scheduled changes could not be published yet.", unknown)


def _publish_or_reject(ctx: Context, account_id: str, id: str) -> None:
    try:
        _publish_scheduled(ctx, account_id, id)
    except FlagpostError as error:
        if not error.permanent:
            raise
        _give_up(ctx, account_id, id, error.message)


def _publish_scheduled(ctx: Context, account_id: str, id: str) -> None:
    now, actor = ctx.clock(), system(account_id)
    with ctx.db.write() as tx:
        request = get_visible_change_request(tx, actor, id, locked=True)
        if request.status != "SCHEDULED":  # another process published it, or the submitter withdrew it
            return
        told = _publish(tx, _by_both(replace(actor, name=_last(request.approvers)), request), request, now)
    if told:
        ctx.wake(account_id)


def _last(approvers: Sequence[str]) -> str:
    return approvers[-1] if approvers else "Flagpost"


def _give_up(ctx: Context, account_id: str, id: str, reason: str) -> None:
    now, actor = ctx.clock(), system(account_id)
    log.warning("change_request.not_published", change_request=id, reason=reason)
    with ctx.db.write() as tx:
        request = get_visible_change_request(tx, actor, id, locked=True)
        if request.status == "SCHEDULED":
            comment = f"Could not be published: {reason}"
            change_requests.add_comment(tx, id, actor.name, "APPROVER", comment, now)
            change_requests.update(tx, id, now, status="REJECTED")
            record_change_request(tx, actor, now, request, "rejected_change", request.title, comment)


def receive_file(ctx: Context, secret: str, content: bytes) -> None:
    """The keys of a large segment, sent to the address that its change request was answered with; it works once.

    Where the environment requires no approval, they apply at once.
    """
    keys = sorted(set(keys_of_csv(content)))
    now = ctx.clock()
    with ctx.db.write() as tx:
        found = change_requests.find_upload(tx, upload_hash(secret), now)
        if found is None:
            raise NotFound("This address has been used, or is too old. Ask for the upload again.")
        actor = system(found[0])
        change_requests.update(tx, found[1], now, wanted={"keys": keys}, upload_hash=None)
        request = get_visible_change_request(tx, actor, found[1], locked=True)
        if not requires_approval(_place(tx, actor, request)):
            _publish(tx, replace(actor, name=request.submitter_name), request, now)


def publish_unless_approval_is_required(ctx: Context, actor: Actor, id: str) -> ChangeRequest:
    """A change that Split takes by change request only: where nobody has to approve it, it applies at once."""
    now = ctx.clock()
    with ctx.db.write() as tx:
        request = get_visible_change_request(tx, actor, id, locked=True)
        if request.is_open and not request.scheduled_for and not requires_approval(_place(tx, actor, request)):
            _publish(tx, actor, request, now)
        return get_visible_change_request(tx, actor, id)


def _require_may_decide(tx: Transaction, actor: Actor, request: ChangeRequest, decision: str) -> None:
    if not request.is_open:
        raise Conflict(f"This change request is {request.status.lower()} already.")
    own = actor.id == request.submitter_id
    if decision == "WITHDRAWN":
        if not own and not actor.may(Right.MANAGE_PROJECTS):
            raise NotAllowed("Only who asked for a change, or an admin, can withdraw it.")
        return
    actor.require(edit_right(request.object_type))
    if own:
        raise NotAllowed("Somebody else has to decide: you asked for this change.")
    allowed = restricted_approvers(_place(tx, actor, request))
    if allowed is not None and not allowed & {actor.id, *actor.group_ids}:
        raise NotAllowed(f"You are not one of those who approve changes in {request.environment_name}.")
    if decision == "APPROVED" and request.status == "SCHEDULED":
        raise Conflict("This change request is approved already; it waits for its time.")


def _publish(tx: Transaction, actor: Actor, request: ChangeRequest, now: int) -> int:
    """Make it so; whether Jira is to be told. The request is closed first: an open one locks what it is about."""
    if request.waits_for_file:
        raise Conflict("The file with the keys has not been sent yet.")
    change_requests.update(tx, request.id, now, status="PUBLISHED")
    if request.object_type == "flag":
        return _publish_definition(tx, actor, request, now)
    kind = KINDS[request.object_type]
    _, place, definition = reach_to_change(tx, actor, request.environment_id, request.object_id, (kind,))
    said = (request.title, request.comment)
    if kind is SegmentKind.RULE_BASED:
        if definition.body != request.before:
            raise Conflict(f"“{request.object_name}” has changed since. Withdraw this request and make a new one.")
        put_rules(tx, actor, now, place, definition, request.wanted, *said)
    elif request.operation == "ARCHIVE":
        drop_keys(tx, actor, now, place, definition, request.wanted.get("keys"), *said)
    elif "keys" in request.wanted:
        replaces = request.operation == "UPLOAD" or request.wanted.get("replace") is True
        put_keys(tx, actor, now, place, definition, request.wanted["keys"], replaces, *said)
    return 0


def _publish_definition(tx: Transaction, actor: Actor, request: ChangeRequest, now: int) -> int:
    where = (request.project_id, request.object_id, request.environment_id)
    project = get_visible_project(tx, actor, request.project_id)
    _, present = get_for_change(tx, actor, *where, request.title, request.comment)
    with_sets = request.before is not None and "flagSets" in request.before
    if current_value(tx, project, present, with_sets=with_sets) != request.before:
        raise Conflict(f"“{request.object_name}” has changed since. Withdraw this request and make a new one.")
    if request.rollout_status_id:
        set_rollout_status(tx, actor, project, request.object_id, request.rollout_status_id, now)
    sets = request.wanted.get("flagSets")
    return apply_to_definition(
        tx,
        actor,
        now,
        *where,
        request.operation,
        load(request.wanted) if request.operation in ("CREATE", "UPDATE") else None,
        title=request.title,
        comment=request.comment,
        flag_sets=None if sets is None else [one["id"] for one in sets],
    )


def _place(tx: Transaction, actor: Actor, request: ChangeRequest) -> Environment:
    return get_visible_environment(
        tx, actor, get_visible_project(tx, actor, request.project_id), request.environment_id
    )


def _by_both(approver: Actor, request: ChangeRequest) -> Actor:
    """Under both names: what was saved tells who wrote it and who let it pass."""
    return replace(approver, name=f"{request.submitter_name}, approved by {approver.name}"[:_MAX_NAME])
