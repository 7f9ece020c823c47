"""Change requests: submitting one, looking, discussing. Deciding is in `actions.change_requests.reviews`.

What is wanted is read and checked when it is submitted, so that approvers see something that can be published; it is
checked again when it is, because the rest of the project has moved on.
"""

import hashlib
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import available_timezones

from flagpost.actions.access import Actor, Right
from flagpost.actions.context import Context
from flagpost.actions.flags.definitions import lock_definition
from flagpost.actions.flags.dependencies import require_dependencies
from flagpost.actions.flags.flag_sets import require_flag_sets
from flagpost.actions.lookup import (
    get_visible_environment,
    get_visible_project,
    get_visible_project_and_environment,
    get_visible_segment,
    visible_projects,
)
from flagpost.actions.segments.keys import MAX_KEYS, require_valid_keys
from flagpost.actions.segments.segments import lock_segment
from flagpost.actions.segments.usage import missing_segments
from flagpost.actions.unit_of_work import Change, Subject, Summary, transactional
from flagpost.errors import Conflict, InvalidInput, NotFound, Problem
from flagpost.flags.definition_json import dump, parse
from flagpost.flags.segment_rules import no_rules, parse_rules
from flagpost.flags.targeting import SegmentKind
from flagpost.store.change_requests import requests as change_requests
from flagpost.store.change_requests.requests import ChangeRequest, Comment
from flagpost.store.db import Transaction
from flagpost.store.flags.flag_sets import names_of
from flagpost.store.locks import Lock
from flagpost.store.projects import projects
from flagpost.store.records import Environment, FlagDefinition, Project
from flagpost.store.schema.change_requests import OPEN

STATUSES = (*OPEN, "PUBLISHED", "REJECTED", "WITHDRAWN")
KINDS = {
    "segment": SegmentKind.STANDARD,
    "large_segment": SegmentKind.LARGE,
    "rule_based_segment": SegmentKind.RULE_BASED,
}
OPERATIONS = {
    "flag": ("CREATE", "UPDATE", "KILL", "RESTORE", "ARCHIVE"),
    "segment": ("CREATE", "UPDATE", "ARCHIVE"),
    "rule_based_segment": ("CREATE", "UPDATE", "ARCHIVE"),
    "large_segment": ("UPLOAD", "UPDATE", "ARCHIVE"),
}
UPLOAD_MINUTES = 5
MAX_APPROVERS = 50
MAX_COMMENT = 10_000


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a submitter wants a flag or segment to become, by name, with `wanted` in the Admin API's shape.

    `object_type` is one of `OPERATIONS`, and says which operations there are. A large segment's UPLOAD takes its keys
    from a file that is sent afterwards.
    """

    object_type: str
    name: str
    operation: str
    wanted: Mapping[str, Any] = field(default_factory=dict)
    title: str = ""
    comment: str = ""
    approvers: Collection[str] = ()
    rollout_status: str | None = None
    scheduled_for: int | None = None
    scheduled_timezone: str | None = None
    flag_sets: Collection[str] | None = None


@dataclass(frozen=True, slots=True)
class Submitted:
    """A change request, and where it waits for a file, the secret of the address to send that to."""

    request: ChangeRequest
    upload_secret: str | None


@transactional
def submit(change: Change, project: str, environment: str, proposal: Proposal) -> Submitted:
    """Ask for a change. Conflict where another request is open for the object in that environment."""
    tx, actor, now = change.tx, change.actor, change.now
    actor.require(edit_right(proposal.object_type))
    _require_well_formed(proposal, now)
    secret = secrets.token_urlsafe(32) if proposal.operation == "UPLOAD" else None
    found = get_visible_project(tx, actor, project, lock=Lock.SHARE)
    place = get_visible_environment(tx, actor, found, environment, lock=Lock.SHARE)
    target = _look_up(change, found, place, proposal)
    change_requests.withdraw_abandoned(tx, target.id, place.id, now)
    new = change_requests.insert(
        tx,
        **_stored(proposal, target),
        **{"account_id": actor.account_id, "project_id": found.id, "environment_id": place.id},
        **{"submitter_type": actor.type.value, "submitter_id": actor.id, "submitter_name": actor.name},
        rollout_status_id=_rollout_status_id(tx, found, proposal.rollout_status),
        upload_hash=upload_hash(secret) if secret else None,
        upload_until=now + UPLOAD_MINUTES * 60_000 if secret else None,
        created_at=now,
    )
    if new is None:
        raise Conflict(f"A change request is open for “{proposal.name}” in {place.name} already.")
    request = get_visible_change_request(tx, actor, new)
    change.saved("requested_change", subject_of(request), summary=Summary(proposal.title, proposal.comment))
    return Submitted(request, secret)


def _stored(proposal: Proposal, target: "_Target") -> dict[str, Any]:
    return {
        "object_type": proposal.object_type,
        "object_id": target.id,
        "object_name": proposal.name,
        "operation": proposal.operation,
        "wanted": target.wanted,
        "before": target.before,
        "status": "SCHEDULE_REQUESTED" if proposal.scheduled_for else "REQUESTED",
        "title": proposal.title,
        "comment": proposal.comment,
        "approvers": list(proposal.approvers),
        "scheduled_for": proposal.scheduled_for,
        "scheduled_timezone": proposal.scheduled_timezone,
    }


def list_after(
    ctx: Context,
    actor: Actor,
    *,
    statuses: Collection[str],
    environment_id: str | None,
    marker: tuple[int, str] | None,
    limit: int,
) -> list[ChangeRequest]:
    """Change requests of every project the actor can see, the newest first, after the one of this time and id."""
    if unknown := [one for one in statuses if one not in STATUSES]:
        raise InvalidInput(f"{unknown[0]} is none of {', '.join(STATUSES)}.", "status")
    kinds = [kind for kind in OPERATIONS if actor.may(view_right(kind))]
    with ctx.db.read() as tx:
        return change_requests.after_marker(tx, visible_projects(actor), kinds, statuses, environment_id, marker, limit)


def get_change_request(ctx: Context, actor: Actor, id: str) -> ChangeRequest:
    """One change request."""
    with ctx.db.read() as tx:
        found = get_visible_change_request(tx, actor, id)
    actor.require(view_right(found.object_type))
    return found


def open_in_environment(
    ctx: Context, actor: Actor, project: str, environment: str, object_ids: Collection[str]
) -> dict[str, str]:
    """The ids of the change requests that lock these flags or segments (by id) in an environment, by theirs."""
    with ctx.db.read() as tx:
        place = get_visible_environment(tx, actor, get_visible_project(tx, actor, project), environment)
        return change_requests.open_of(tx, object_ids, place.id)


def open_of_segment(ctx: Context, actor: Actor, environment: str, segment: str) -> str | None:
    """The id of the change request that locks a segment in an environment (by id)."""
    actor.require(Right.VIEW_SEGMENTS)
    with ctx.db.read() as tx:
        project, place = get_visible_project_and_environment(tx, actor, environment)
        return change_requests.open_id(tx, get_visible_segment(tx, project, segment, tuple(SegmentKind)).id, place.id)


def comments_of(ctx: Context, requests: Collection[ChangeRequest]) -> dict[str, list[Comment]]:
    """What was said about change requests that the caller was given, by their ids."""
    with ctx.db.read() as tx:
        return change_requests.comments_of(tx, [one.id for one in requests])


@transactional
def add_comment(change: Change, id: str, text: str) -> None:
    """Comment on a change request, decided or not."""
    require_comment(text, needed=True)
    request = get_visible_change_request(change.tx, change.actor, id)
    change.actor.require(edit_right(request.object_type))
    role = "SUBMITTER" if request.submitter_id == change.actor.id else "COMMENTER"
    change_requests.add_comment(change.tx, request.id, change.actor.name, role, text, change.now)


def get_visible_change_request(tx: Transaction, actor: Actor, id: str, *, lock: Lock | None = None) -> ChangeRequest:
    """The change request with this id, within the actor's scope."""
    visible = visible_projects(actor)
    found = change_requests.lock(tx, visible, id, lock) if lock else change_requests.find(tx, visible, id)
    if found is None or (actor.environment_ids and found.environment_id not in actor.environment_ids):
        raise NotFound(f"Could not find the change request “{id}”.")
    return found


def edit_right(object_type: str) -> Right:
    """What it takes to change such a thing, and so to ask for a change of it or to approve one."""
    return Right.EDIT_FLAGS if object_type == "flag" else Right.EDIT_SEGMENTS


def upload_hash(secret: str) -> str:
    """Under which the secret of an upload's address is kept."""
    return hashlib.sha256(secret.encode()).hexdigest()


def require_comment(text: str, *, needed: bool = False) -> None:
    """InvalidInput where a comment is too long, or missing where it is needed."""
    if needed and not text.strip():
        raise InvalidInput("Say something.", "comment")
    if len(text) > MAX_COMMENT:
        raise InvalidInput(f"A comment has at most {MAX_COMMENT:,} characters.", "comment")


def subject_of(request: ChangeRequest) -> Subject:
    """The flag or segment in whose audit log a change request stands."""
    kind = "definition" if request.object_type == "flag" else "segment"
    return Subject(kind, request.object_id, request.object_name, request.project_id, request.environment_id)


def view_right(object_type: str) -> Right:
    """The right that it takes to see such a thing, and the change requests about it."""
    return Right.VIEW_FLAGS if object_type == "flag" else Right.VIEW_SEGMENTS


def _require_well_formed(proposal: Proposal, now: int) -> None:
    problems = []
    if proposal.operation not in OPERATIONS[proposal.object_type]:
        message = f"Choose one of {', '.join(OPERATIONS[proposal.object_type])}."
        problems.append(Problem("operationType", message))
    if len(proposal.title) > MAX_COMMENT or len(proposal.comment) > MAX_COMMENT:
        problems.append(Problem("comment", f"Title and comment have at most {MAX_COMMENT:,} characters."))
    if len(proposal.approvers) > MAX_APPROVERS or any(len(one) > 255 for one in proposal.approvers):
        problems.append(Problem("approvers", f"At most {MAX_APPROVERS} approvers, each an email or a group's name."))
    if proposal.scheduled_for is not None and not now < proposal.scheduled_for < 2**53:
        problems.append(Problem("scheduledFor", "Choose a time in the future, in milliseconds since 1970."))
    if proposal.scheduled_timezone and proposal.scheduled_timezone not in available_timezones():
        problems.append(Problem("scheduledForTimezone", "This is not a time zone; one is Europe/Berlin."))
    if problems:
        raise InvalidInput(problems)


@dataclass(frozen=True, slots=True)
class _Target:
    """The flag or segment that a change is asked for: its id, what it is now, and what it is to become."""

    id: str
    before: dict[str, Any] | None
    wanted: dict[str, Any]


def _look_up(change: Change, project: Project, place: Environment, proposal: Proposal) -> _Target:
    if proposal.object_type == "flag":
        return _look_up_flag(change, project, place, proposal)
    kind = KINDS[proposal.object_type]
    definition = lock_segment(change, place.id, proposal.name, (kind,)).definition
    if kind is SegmentKind.RULE_BASED:
        rules = no_rules() if proposal.operation == "ARCHIVE" else parse_rules(proposal.wanted)
        if problems := missing_segments(change.tx, place, rules):
            raise InvalidInput(problems)
        return _Target(definition.segment.id, definition.body, rules)
    empties = kind is SegmentKind.LARGE and proposal.operation == "ARCHIVE" and "keys" not in proposal.wanted
    none_yet = empties or proposal.operation == "UPLOAD"
    return _Target(definition.segment.id, None, {} if none_yet else _wanted_keys(proposal))


def _look_up_flag(change: Change, project: Project, place: Environment, proposal: Proposal) -> _Target:
    summary = Summary(proposal.title, proposal.comment)
    there = lock_definition(change, project.id, proposal.name, place.id, summary)
    if there.current is None and proposal.operation not in ("CREATE", "UPDATE"):
        raise NotFound(f"“{there.flag.name}” is not initiated in {place.name}.")
    before = current_value(change.tx, project, there.current, with_sets=proposal.flag_sets is not None)
    return _Target(there.flag.id, before, _wanted_definition(change.tx, project, place, there.flag.name, proposal))


def current_value(
    tx: Transaction, project: Project, present: FlagDefinition | None, *, with_sets: bool
) -> dict[str, Any] | None:
    """A definition, with its flag sets where they are to change too, as a change request keeps it to compare with."""
    if present is None:
        return None
    shown = dump(present.definition)
    return shown | _named(names_of(tx, project.id, present.flag_set_ids)) if with_sets else shown


def _wanted_definition(
    tx: Transaction, project: Project, place: Environment, flag: str, proposal: Proposal
) -> dict[str, Any]:
    if proposal.operation not in ("CREATE", "UPDATE"):
        return {}
    definition = parse(proposal.wanted)
    require_dependencies(tx, project, place, flag, definition)
    if proposal.flag_sets is None:
        return dump(definition)
    return dump(definition) | _named(require_flag_sets(tx, project, proposal.flag_sets))


def _named(sets: Mapping[str, str]) -> dict[str, Any]:
    """Flag sets as Split lists them, with their names: a request that was decided is read when they may be gone."""
    return {"flagSets": [{"id": id, "name": name, "type": "FLAG_SET"} for id, name in sets.items()]}


def _wanted_keys(proposal: Proposal) -> dict[str, Any]:
    keys = proposal.wanted.get("keys")
    if not isinstance(keys, list) or not keys or not all(isinstance(key, str) for key in keys):
        raise InvalidInput("Name the keys, each a text.", "segment.keys")
    if len(keys) > MAX_KEYS:
        raise InvalidInput(f"At most {MAX_KEYS:,} keys.", "segment.keys")
    require_valid_keys(keys)
    return {"keys": list(dict.fromkeys(keys))} | ({"replace": True} if proposal.wanted.get("replace") is True else {})


def _rollout_status_id(tx: Transaction, project: Project, ref: str | None) -> str | None:
    if not ref:
        return None
    status = projects.find_rollout_status(tx, project.id, ref)
    if status is None:
        raise InvalidInput(f"There is no rollout status “{ref}” in {project.name}.", "rolloutStatus.id")
    return status.id
