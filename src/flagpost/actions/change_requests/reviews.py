"""Deciding change requests: approving, for now or for a time, rejecting, withdrawing; publishing what was approved.

A decision and what follows from it are one transaction, under the lock of the request's row: of two approvals at once
the second finds it decided, and nothing is published that was not approved, or twice. The submitter of a change
cannot approve it, whatever their role.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import structlog

from flagpost.actions.access import Actor, Right, system
from flagpost.actions.approvals import requires_approval, restricted_approvers
from flagpost.actions.change_requests.requests import (
    KINDS,
    current_value,
    edit_right,
    get_visible_change_request,
    require_comment,
    subject_of,
    upload_hash,
)
from flagpost.actions.context import Context
from flagpost.actions.flags import definitions
from flagpost.actions.flags.definitions import Draft, lock_definition
from flagpost.actions.flags.flags import set_rollout_status
from flagpost.actions.lookup import get_visible_environment, get_visible_project
from flagpost.actions.segments.keys import drop_keys, keys_of_csv, put_keys
from flagpost.actions.segments.rule_based import put_rules
from flagpost.actions.segments.segments import lock_segment
from flagpost.actions.unit_of_work import Change, Summary, transactional
from flagpost.errors import Conflict, FlagpostError, InvalidInput, NotAllowed, NotFound
from flagpost.flags.definition_json import load
from flagpost.flags.targeting import SegmentKind
from flagpost.store.change_requests import requests as change_requests
from flagpost.store.change_requests.requests import ChangeRequest
from flagpost.store.flags import flags
from flagpost.store.locks import Lock
from flagpost.store.records import Environment
from flagpost.store.segments import segments

log = structlog.get_logger(__name__)

DECISIONS = ("APPROVED", "REJECTED", "WITHDRAWN")
_VERBS = {"APPROVED": "approved_change", "REJECTED": "rejected_change", "WITHDRAWN": "withdrew_change"}
_MAX_NAME = 255


@transactional
def decide(change: Change, id: str, decision: str, comment: str = "") -> ChangeRequest:
    """Approve, reject or withdraw. What is approved is published at once, or when its time comes.

    Conflict where it is decided already, or what it is about has changed since; then nothing has changed.
    """
    if decision not in DECISIONS:
        raise InvalidInput(f"Choose one of {', '.join(DECISIONS)}.", "status")
    require_comment(comment)
    tx, actor = change.tx, change.actor
    request = _lock_request(change, id)
    _require_may_decide(change, request, decision)
    if comment.strip():
        role = "SUBMITTER" if decision == "WITHDRAWN" else "APPROVER"
        change_requests.add_comment(tx, request.id, actor.name, role, comment, change.now)
    change.saved(_VERBS[decision], subject_of(request), summary=Summary(request.title, comment))
    if decision != "APPROVED":
        change_requests.update(tx, request.id, change.now, status=decision)
    elif request.scheduled_for and request.scheduled_for > change.now:
        approvers = [*request.approvers, actor.name]
        change_requests.update(tx, request.id, change.now, status="SCHEDULED", approvers=approvers)
    else:
        _publish(change.acting_as(_by_both(actor, request)), request)
    return get_visible_change_request(tx, actor, id)


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
        _publish_scheduled(ctx, system(account_id), id)
    except FlagpostError as error:
        if not error.permanent:
            raise
        _reject(ctx, system(account_id), id, error.message)


@transactional
def _publish_scheduled(change: Change, id: str) -> None:
    request = _lock_request(change, id)
    if request.status != "SCHEDULED":  # another process published it, or a user withdrew it
        return
    approver = replace(change.actor, name=_last(request.approvers))
    _publish(change.acting_as(_by_both(approver, request)), request)


def _last(approvers: Sequence[str]) -> str:
    return approvers[-1] if approvers else "Flagpost"


@transactional
def _reject(change: Change, id: str, reason: str) -> None:
    request = _lock_request(change, id)
    if request.status == "SCHEDULED":
        log.warning("change_request.not_published", change_request=id, reason=reason)
        comment = f"Could not be published: {reason}"
        change_requests.add_comment(change.tx, id, change.actor.name, "APPROVER", comment, change.now)
        change_requests.update(change.tx, id, change.now, status="REJECTED")
        change.saved("rejected_change", subject_of(request), summary=Summary(request.title, comment))


def receive_file(ctx: Context, secret: str, content: bytes) -> None:
    """Store the keys of a large segment, sent to the address that its change request was answered with; it works once.

    Where the environment requires no approval, they apply at once.
    """
    keys = sorted(set(keys_of_csv(content)))
    with ctx.db.read() as tx:
        found = change_requests.find_upload(tx, upload_hash(secret), ctx.clock())
    if found is None:
        raise _used_up()
    account_id, id = found
    _receive_keys(ctx, system(account_id), id, upload_hash(secret), keys)


@transactional
def _receive_keys(change: Change, id: str, hashed: str, keys: list[str]) -> None:
    request = _lock_request(change, id)
    if change_requests.find_upload(change.tx, hashed, change.now) is None:  # another call used it in the meantime
        raise _used_up()
    change_requests.update(change.tx, id, change.now, wanted={"keys": keys}, upload_hash=None)
    request = get_visible_change_request(change.tx, change.actor, id)
    if not requires_approval(_environment(change, request)):
        _publish(change.acting_as(replace(change.actor, name=request.submitter_name)), request)


def _used_up() -> NotFound:
    return NotFound("This address has been used, or is too old. Ask for the upload again.")


@transactional
def publish_unless_approval_is_required(change: Change, id: str) -> ChangeRequest:
    """Publish a change that Split takes by change request only, at once where the environment asks for no approval."""
    request = _lock_request(change, id)
    if request.is_open and not request.scheduled_for and not requires_approval(_environment(change, request)):
        _publish(change, request)
    return get_visible_change_request(change.tx, change.actor, id)


def _lock_request(change: Change, id: str) -> ChangeRequest:
    """A change request, held until the commit, after everything that a decision on it changes.

    Which flag or segment it is about is read without a lock, and never changes. That object is locked first, because a
    save of the object locks in that order (`store.locks`); only then the request, whose status may have changed since.
    """
    tx, actor = change.tx, change.actor
    seen = get_visible_change_request(tx, actor, id)
    project = get_visible_project(tx, actor, seen.project_id, lock=Lock.SHARE)
    get_visible_environment(tx, actor, project, seen.environment_id, lock=Lock.SHARE)
    if seen.object_type == "flag":
        flags.lock(tx, project.id, seen.object_id)
    else:
        segments.lock_definition(tx, seen.environment_id, seen.object_id)
    return get_visible_change_request(tx, actor, id, lock=Lock.CHANGE)


def _require_may_decide(change: Change, request: ChangeRequest, decision: str) -> None:
    actor = change.actor
    if not request.is_open:
        raise Conflict(f"This change request is {request.status.lower()} already.")
    own = actor.id == request.submitter_id
    if decision == "WITHDRAWN":
        if not own and not actor.may(Right.MANAGE_PROJECTS):
            raise NotAllowed("Only who asked for a change, or an admin, can withdraw it.")
        return
    actor.require(edit_right(request.object_type))
    if own:
        raise NotAllowed("Another user has to decide: you asked for this change.")
    allowed = restricted_approvers(_environment(change, request))
    if allowed is not None and not allowed & {actor.id, *actor.group_ids}:
        raise NotAllowed(f"You are not one of those who approve changes in {request.environment_name}.")
    if decision == "APPROVED" and request.status == "SCHEDULED":
        raise Conflict("This change request is approved already; it waits for its time.")


def _publish(change: Change, request: ChangeRequest) -> None:
    """Make the requested change. The request is closed first: an open one locks what it is about."""
    if request.waits_for_file:
        raise Conflict("The file with the keys has not been sent yet.")
    change_requests.update(change.tx, request.id, change.now, status="PUBLISHED")
    if request.object_type == "flag":
        _publish_definition(change, request)
    else:
        _publish_segment(change, request)


def _publish_segment(change: Change, request: ChangeRequest) -> None:
    kind, summary = KINDS[request.object_type], Summary(request.title, request.comment)
    there = lock_segment(change, request.environment_id, request.object_id, (kind,))
    if kind is SegmentKind.RULE_BASED:
        _require_unchanged(request, there.definition.body)
        put_rules(change, there, request.wanted, summary)
    elif request.operation == "ARCHIVE":
        drop_keys(change, there, request.wanted.get("keys"), summary)
    elif "keys" in request.wanted:
        replaces = request.operation == "UPLOAD" or request.wanted.get("replace") is True
        put_keys(change, there, request.wanted["keys"], summary, replace=replaces)


def _publish_definition(change: Change, request: ChangeRequest) -> None:
    summary = Summary(request.title, request.comment)
    place = lock_definition(change, request.project_id, request.object_id, request.environment_id, summary)
    with_sets = request.before is not None and "flagSets" in request.before
    _require_unchanged(request, current_value(change.tx, place.project, place.current, with_sets=with_sets))
    if request.rollout_status_id:
        set_rollout_status(change, place.project, place.flag.id, request.rollout_status_id)
    if request.operation in ("KILL", "RESTORE"):
        definitions.set_killed(change, place, request.operation == "KILL", summary)
    elif request.operation == "ARCHIVE":  # Split's word for taking the definition away
        definitions.remove(change, place, summary)
    else:
        definitions.put(change, place, _draft(request), summary)


def _draft(request: ChangeRequest) -> Draft:
    sets = request.wanted.get("flagSets")
    return Draft(load(request.wanted), None if sets is None else [one["id"] for one in sets])


def _require_unchanged(request: ChangeRequest, current: Mapping[str, Any] | None) -> None:
    if current != request.before:
        raise Conflict(f"“{request.object_name}” has changed since. Withdraw this request and make a new one.")


def _environment(change: Change, request: ChangeRequest) -> Environment:
    project = get_visible_project(change.tx, change.actor, request.project_id)
    return get_visible_environment(change.tx, change.actor, project, request.environment_id)


def _by_both(approver: Actor, request: ChangeRequest) -> Actor:
    """Under both names: what was saved tells who wrote it and who let it pass."""
    return replace(approver, name=f"{request.submitter_name}, approved by {approver.name}"[:_MAX_NAME])
