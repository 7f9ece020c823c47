"""Change requests: changes of a flag or segment that a user proposes and others approve or reject."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from flagpost.store.db import Condition, Transaction, insert_new
from flagpost.store.locks import Lock, take
from flagpost.store.records import Page
from flagpost.store.schema.change_requests import OPEN, change_request_comments, change_requests
from flagpost.store.schema.core import environments, projects

_IS_OPEN = change_requests.c.status.in_(OPEN)
_HIDDEN = ("upload_hash",)


@dataclass(frozen=True, slots=True)
class ChangeRequest:
    """A proposed change and its status. `wanted` and `before` are in the Admin API's shape.

    Status, in Split's words: REQUESTED or SCHEDULE_REQUESTED, then SCHEDULED, PUBLISHED, REJECTED or WITHDRAWN.
    """

    id: str
    account_id: str
    project_id: str
    environment_id: str
    object_type: str
    object_id: str
    object_name: str
    operation: str
    wanted: dict[str, Any]
    before: dict[str, Any] | None
    status: str
    title: str
    comment: str
    approvers: list[str]
    rollout_status_id: str | None
    scheduled_for: int | None
    scheduled_timezone: str | None
    submitter_type: str
    submitter_id: str
    submitter_name: str
    upload_until: int | None
    created_at: int
    updated_at: int
    environment_name: str

    @property
    def is_open(self) -> bool:
        """Whether it is undecided. Its object cannot be changed otherwise until it is decided."""
        return self.status in OPEN

    @property
    def waits_for_file(self) -> bool:
        """Whether the file with its keys has not been uploaded yet."""
        return self.operation == "UPLOAD" and "keys" not in self.wanted


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment on a change request."""

    author_name: str
    role: str
    text: str
    at: int


_REQUEST = sa.select(
    *(column for column in change_requests.c if column.name not in _HIDDEN),
    environments.c.name.label("environment_name"),
).join_from(change_requests, environments, change_requests.c.environment_id == environments.c.id)


def _request(row: Any) -> ChangeRequest:
    return ChangeRequest(**row._mapping)


def insert(tx: Transaction, **values: Any) -> str | None:
    """Insert a change request. Returns its id; None where one is open for that object in that environment."""
    new = str(uuid4())
    return new if insert_new(tx, change_requests, id=new, updated_at=values["created_at"], **values) else None


def open_id(tx: Transaction, object_id: str, environment_id: str) -> str | None:
    """The id of the open change request of a flag or segment in an environment."""
    here = (change_requests.c.object_id == object_id) & (change_requests.c.environment_id == environment_id)
    found: str | None = tx.scalar(sa.select(change_requests.c.id).where(here, _IS_OPEN))
    return found


def open_of(tx: Transaction, object_ids: Collection[str], environment_id: str) -> dict[str, str]:
    """The ids of the open change requests of these flags or segments in an environment, by the object's id."""
    here = change_requests.c.object_id.in_(list(object_ids)) & (change_requests.c.environment_id == environment_id)
    rows = tx.execute(sa.select(change_requests.c.object_id, change_requests.c.id).where(here, _IS_OPEN))
    return {row.object_id: row.id for row in rows}


def find(tx: Transaction, condition: Condition, id: str) -> ChangeRequest | None:
    """The change request with this id, of a project that fulfils the condition."""
    visible = change_requests.c.project_id.in_(sa.select(projects.c.id).where(condition))
    query = _REQUEST.where(change_requests.c.id == id, visible)
    row = tx.execute(query).first()
    return _request(row) if row else None


def lock(tx: Transaction, condition: Condition, id: str, strength: Lock = Lock.CHANGE) -> ChangeRequest | None:
    """The change request with this id, of a project that fulfils the condition, locked (`store.locks`)."""
    take(tx, change_requests, [id], strength)
    return find(tx, condition, id)


def after_marker(
    tx: Transaction,
    condition: Condition,
    object_types: Collection[str],
    statuses: Collection[str],
    environment_id: str | None,
    marker: tuple[int, str] | None,
    limit: int,
) -> list[ChangeRequest]:
    """The change requests of projects that fulfil the condition, the newest first, from the first one after a marker.

    The marker is the time and id of the last change request of the page before; None for the first page.
    """
    visible = change_requests.c.project_id.in_(sa.select(projects.c.id).where(condition))
    query = _REQUEST.where(visible, change_requests.c.object_type.in_(list(object_types)))
    query = query.where(change_requests.c.status.in_(list(statuses)))
    if environment_id is not None:
        query = query.where(change_requests.c.environment_id == environment_id)
    if marker is not None:
        at, id = marker
        same = (change_requests.c.created_at == at) & (change_requests.c.id < id)
        query = query.where(sa.or_(change_requests.c.created_at < at, same))
    newest = query.order_by(change_requests.c.created_at.desc(), change_requests.c.id.desc())
    return [_request(row) for row in tx.execute(newest.limit(limit))]


def page(tx: Transaction, project_id: str, statuses: Collection[str], offset: int, limit: int) -> Page[ChangeRequest]:
    """A project's change requests with one of these statuses, the newest first."""
    wanted = (change_requests.c.project_id == project_id) & change_requests.c.status.in_(list(statuses))
    total = tx.scalar(sa.select(sa.func.count()).select_from(change_requests).where(wanted)) or 0
    newest = _REQUEST.where(wanted).order_by(change_requests.c.created_at.desc(), change_requests.c.id.desc())
    rows = tx.execute(newest.offset(offset).limit(limit))
    return Page([_request(row) for row in rows], offset, limit, total)


def due(tx: Transaction, now: int) -> list[tuple[str, str]]:
    """The account and id of each change request that is approved for a time up to `now`."""
    query = sa.select(change_requests.c.account_id, change_requests.c.id).where(
        change_requests.c.status == "SCHEDULED", change_requests.c.scheduled_for <= now
    )
    return [(account, id) for account, id in tx.execute(query.order_by(change_requests.c.scheduled_for))]


def find_upload(tx: Transaction, upload_hash: str, now: int) -> tuple[str, str] | None:
    """The account and id of the change request that this upload belongs to; None where it is over or does not exist."""
    working = (change_requests.c.upload_hash == upload_hash) & (change_requests.c.upload_until > now)
    query = sa.select(change_requests.c.account_id, change_requests.c.id).where(working, _IS_OPEN)
    row = tx.execute(query).first()
    return (row.account_id, row.id) if row else None


def update(tx: Transaction, id: str, now: int, **values: Any) -> None:
    """Set columns of a change request."""
    tx.execute(sa.update(change_requests).where(change_requests.c.id == id).values(**values, updated_at=now))


def withdraw_abandoned(tx: Transaction, object_id: str, environment_id: str, now: int) -> None:
    """Withdraw a change request whose file was not uploaded in time: it would block its segment for good."""
    here = (change_requests.c.object_id == object_id) & (change_requests.c.environment_id == environment_id)
    late = change_requests.c.upload_until <= now
    tx.execute(
        sa.update(change_requests)
        .where(here, _IS_OPEN, late, change_requests.c.upload_hash.is_not(None))
        .values(status="WITHDRAWN", upload_hash=None, updated_at=now)
    )


def withdraw_all(tx: Transaction, object_id: str, now: int) -> None:
    """Withdraw every open change request of a flag that is archived or deleted."""
    mine = change_requests.c.object_id == object_id
    tx.execute(sa.update(change_requests).where(mine, _IS_OPEN).values(status="WITHDRAWN", updated_at=now))


def comments_of(tx: Transaction, ids: Collection[str]) -> dict[str, list[Comment]]:
    """The comments on each of these change requests, the oldest first."""
    found: dict[str, list[Comment]] = {id: [] for id in ids}
    table = change_request_comments
    query = sa.select(table.c.change_request_id, table.c.author_name, table.c.role, table.c.text, table.c.at)
    query = query.where(table.c.change_request_id.in_(list(ids))).order_by(table.c.at, table.c.id)
    for id, *said in tx.execute(query):
        found[id].append(Comment(*said))
    return found


def add_comment(tx: Transaction, id: str, author_name: str, role: str, text: str, now: int) -> None:
    """Insert a comment."""
    values = {"author_name": author_name, "role": role, "text": text, "at": now}
    tx.execute(sa.insert(change_request_comments).values(id=str(uuid4()), change_request_id=id, **values))
