"""Feature flags, without their definitions."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Literal
from uuid import uuid4

import sqlalchemy as sa

from flagpost.flags.model import FlagStatus
from flagpost.store import rows
from flagpost.store.db import Condition, Transaction
from flagpost.store.locks import Lock, take
from flagpost.store.records import Flag, Owner, Page
from flagpost.store.schema.core import (
    definitions,
    flag_owners,
    flag_tags,
    flags,
    groups,
    projects,
    rollout_statuses,
    traffic_types,
    users,
)
from flagpost.store.schema.jira import connections

SORTS = {
    "name": (flags.c.name,),
    "-name": (flags.c.name.desc(),),
    "updated": (flags.c.changed_at, flags.c.name),
    "-updated": (flags.c.changed_at.desc(), flags.c.name),
    "created": (flags.c.created_at, flags.c.name),
    "-created": (flags.c.created_at.desc(), flags.c.name),
}


@dataclass(frozen=True, slots=True)
class FlagFilter:
    """Which flags of a project to select, and in what order. A filter that is empty or None selects all.

    `tags` are joined by OR, as in Split. `state` is that of the definition in `environment_id`. `text` is part of a
    name, `name` the whole of it. `also` is a further condition. `sort` is one of SORTS.
    """

    text: str = ""
    name: str | None = None
    tags: tuple[str, ...] = ()
    traffic_type: str | None = None
    owner_id: str | None = None
    rollout_status: str | None = None
    environment_id: str | None = None
    state: Literal["active", "killed", "none"] | None = None
    archived: bool | None = False
    connected: bool | None = None
    also: Condition | None = None
    sort: str = "name"

    def condition(self) -> sa.ColumnElement[bool]:
        """The condition of a flag that the filter selects."""
        parts = list(self._of_the_flag()) + list(self._of_what_belongs_to_it())
        return sa.and_(sa.true(), *parts)

    def _of_the_flag(self) -> Iterable[sa.ColumnElement[bool]]:
        if self.archived is not None:
            yield flags.c.status == (FlagStatus.ARCHIVED if self.archived else FlagStatus.ACTIVE).value
        if self.text:
            yield sa.func.lower(flags.c.name).contains(self.text.lower(), autoescape=True)
        if self.name is not None:
            yield flags.c.name == self.name
        if self.traffic_type:
            yield flags.c.traffic_type_id == self.traffic_type
        if self.rollout_status:
            either = sa.or_(
                rollout_statuses.c.id == self.rollout_status, rollout_statuses.c.name == self.rollout_status
            )
            yield flags.c.rollout_status_id.in_(sa.select(rollout_statuses.c.id).where(either))

    def _of_what_belongs_to_it(self) -> Iterable[sa.ColumnElement[bool]]:
        if self.tags:
            yield sa.exists().where(flag_tags.c.flag_id == flags.c.id, flag_tags.c.name.in_(self.tags))
        if self.owner_id:
            yield sa.exists().where(flag_owners.c.flag_id == flags.c.id, flag_owners.c.owner_id == self.owner_id)
        if self.connected is not None:
            connected = sa.exists().where(connections.c.flag_id == flags.c.id)
            yield connected if self.connected else ~connected
        if self.also is not None:
            yield self.also
        if self.state and self.environment_id:
            yield self._in_state(self.environment_id)

    def _in_state(self, environment_id: str) -> sa.ColumnElement[bool]:
        here = (definitions.c.flag_id == flags.c.id) & (definitions.c.environment_id == environment_id)
        if self.state == "none":
            return ~sa.exists().where(here)
        return sa.exists().where(here, definitions.c.killed == (self.state == "killed"))


_FLAG = (
    sa.select(flags, *rows.TRAFFIC_TYPE, *rows.ROLLOUT_STATUS)
    .join_from(flags, traffic_types, flags.c.traffic_type_id == traffic_types.c.id)
    .join(rollout_statuses, flags.c.rollout_status_id == rollout_statuses.c.id)
)


def _flags(tx: Transaction, found: list[Any]) -> list[Flag]:
    ids = [row.id for row in found]
    tags, owners = _tags(tx, ids), _owners(tx, ids)
    return [_flag(row, tags[row.id], owners[row.id]) for row in found]


def _flag(row: Any, tags: list[str], owners: list[Owner]) -> Flag:
    return Flag(
        id=row.id,
        project_id=row.project_id,
        name=row.name,
        description=row.description,
        traffic_type=rows.traffic_type(row),
        rollout_status=rows.rollout_status(row),
        rollout_status_at=row.rollout_status_at,
        status=FlagStatus(row.status),
        tags=tuple(tags),
        owners=tuple(owners),
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
        changed_at=row.changed_at,
    )


def _tags(tx: Transaction, flag_ids: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    query = sa.select(flag_tags).where(flag_tags.c.flag_id.in_(flag_ids)).order_by(flag_tags.c.name)
    for row in tx.execute(query) if flag_ids else ():
        found[row.flag_id].append(row.name)
    return found


def _owners(tx: Transaction, flag_ids: list[str]) -> dict[str, list[Owner]]:
    found: dict[str, list[Owner]] = defaultdict(list)
    name = sa.func.coalesce(users.c.name, groups.c.name)
    query = (
        sa.select(flag_owners, name.label("name"))
        .outerjoin_from(flag_owners, users, flag_owners.c.owner_id == users.c.id)
        .outerjoin(groups, flag_owners.c.owner_id == groups.c.id)
        .where(flag_owners.c.flag_id.in_(flag_ids), name.is_not(None))
        .order_by(name)
    )
    for row in tx.execute(query) if flag_ids else ():
        found[row.flag_id].append(Owner(row.owner_type, row.owner_id, row.name))
    return found


def find(tx: Transaction, project_id: str, ref: str) -> Flag | None:
    """The flag with this name or id."""
    either = sa.or_(flags.c.name == ref, flags.c.id == ref)
    row = tx.execute(
        _FLAG.where(flags.c.project_id == project_id, either).order_by(flags.c.name != ref).limit(1)
    ).first()
    return _flags(tx, [row])[0] if row else None


def lock(tx: Transaction, project_id: str, ref: str, strength: Lock = Lock.CHANGE) -> Flag | None:
    """The flag with this name or id, locked until the commit (`store.locks`); its project is kept.

    Every change of a flag, of its definitions and of its connections takes this lock first.
    """
    found = find(tx, project_id, ref)
    if found is None:
        return None
    take(tx, projects, [project_id], Lock.KEEP)
    take(tx, flags, [found.id], strength)
    row = tx.execute(_FLAG.where(flags.c.id == found.id)).first()
    return _flags(tx, [row])[0] if row else None


def lock_with_dependencies(
    tx: Transaction, project_id: str, ref: str, depends_on: Collection[str]
) -> dict[str, FlagStatus]:
    """The flag of this name or id, and those that it depends on (by name), locked in one order.

    Their status by name; a name that no flag has is left out. `store.flags.dependencies` says why they are locked.
    """
    either = sa.or_(flags.c.id == ref, flags.c.name.in_([ref, *depends_on]))
    query = sa.select(flags.c.id, flags.c.name, flags.c.status).where(flags.c.project_id == project_id, either)
    take(tx, flags, [row.id for row in tx.execute(query)], Lock.CHANGE)
    return {row.name: FlagStatus(row.status) for row in tx.execute(query)}


def page(tx: Transaction, project_id: str, wanted: FlagFilter, offset: int, limit: int) -> Page[Flag]:
    """A page of a project's flags."""
    condition = (flags.c.project_id == project_id) & wanted.condition()
    total = tx.scalar(sa.select(sa.func.count()).select_from(flags).where(condition)) or 0
    order = SORTS[wanted.sort]
    ids = sa.select(flags.c.id).where(condition).order_by(*order).offset(offset).limit(limit)
    query = _FLAG.where(flags.c.id.in_(ids)).order_by(*order)  # the joins are made for this page only
    return Page(_flags(tx, list(tx.execute(query))), offset, limit, total)


def names_containing(tx: Transaction, project_ids: Collection[str], text: str, limit: int) -> list[Any]:
    """Rows of (id, name, project_id) of active flags whose name contains `text`, in order of name.

    Names that start with `text` come first.
    """
    lower = sa.func.lower(flags.c.name)
    query = (
        sa.select(flags.c.id, flags.c.name, flags.c.project_id)
        .where(flags.c.project_id.in_(project_ids), flags.c.status == FlagStatus.ACTIVE.value)
        .where(lower.contains(text.lower(), autoescape=True))
        .order_by(~lower.startswith(text.lower(), autoescape=True), flags.c.name)
        .limit(limit)
    )
    return list(tx.execute(query))


_TAKEN = sa.select(
    sa.exists().where(flags.c.project_id == sa.bindparam("project"), flags.c.name == sa.bindparam("taken"))
)
_INSERT = sa.insert(flags)


def name_is_taken(tx: Transaction, project_id: str, name: str) -> bool:
    """Whether a flag of the project, active or archived, has this name."""
    return bool(tx.scalar(_TAKEN, {"project": project_id, "taken": name}))


def insert(tx: Transaction, flag: Flag) -> None:
    """Insert a flag with its tags and owners."""
    values = {
        "id": flag.id,
        "project_id": flag.project_id,
        "name": flag.name,
        "traffic_type_id": flag.traffic_type.id,
        "description": flag.description,
        "rollout_status_id": flag.rollout_status.id,
        "rollout_status_at": flag.rollout_status_at,
        "created_at": flag.created_at,
        "updated_at": flag.updated_at,
        "changed_at": flag.changed_at,
    }
    tx.execute(_INSERT, values)
    _insert_tags(tx, flag.id, flag.project_id, flag.tags)
    _insert_owners(tx, flag.id, flag.owners)


def update(tx: Transaction, flag_id: str, now: int, **values: Any) -> None:
    """Set columns of a flag at this moment, and raise its version."""
    changed = {"updated_at": now, "changed_at": now, "version": flags.c.version + 1, **values}
    tx.execute(sa.update(flags).where(flags.c.id == flag_id).values(**changed))


def set_rollout_status(tx: Transaction, flag_id: str, status_id: str, now: int) -> None:
    """Give a flag a rollout status. A flag that has it already is left as it is."""
    other = (flags.c.id == flag_id) & (flags.c.rollout_status_id != status_id)
    values = {"rollout_status_id": status_id, "rollout_status_at": now, "updated_at": now, "changed_at": now}
    tx.execute(sa.update(flags).where(other).values(**values, version=flags.c.version + 1))


_TOUCH = sa.update(flags).where(flags.c.id == sa.bindparam("flag"), flags.c.changed_at < sa.bindparam("now"))


def touch(tx: Transaction, flag_id: str, now: int) -> None:
    """Record that something about a flag changed that is not in its own row, such as a definition."""
    tx.execute(_TOUCH.values(changed_at=sa.bindparam("now")), {"flag": flag_id, "now": now})


def replace_tags(tx: Transaction, flag_id: str, project_id: str, tags: Iterable[str]) -> None:
    """Give a flag exactly these tags."""
    tx.execute(sa.delete(flag_tags).where(flag_tags.c.flag_id == flag_id))
    _insert_tags(tx, flag_id, project_id, tags)


def replace_owners(tx: Transaction, flag_id: str, owners: Iterable[Owner]) -> None:
    """Give a flag exactly these owners."""
    tx.execute(sa.delete(flag_owners).where(flag_owners.c.flag_id == flag_id))
    _insert_owners(tx, flag_id, owners)


def _insert_tags(tx: Transaction, flag_id: str, project_id: str, tags: Iterable[str]) -> None:
    new = [{"flag_id": flag_id, "project_id": project_id, "name": name} for name in dict.fromkeys(tags)]
    if new:
        tx.execute(sa.insert(flag_tags), new)


def _insert_owners(tx: Transaction, flag_id: str, owners: Iterable[Owner]) -> None:
    unique = {(owner.type, owner.id): owner for owner in owners}
    new = [{"flag_id": flag_id, "owner_type": kind, "owner_id": id} for kind, id in unique]
    if new:
        tx.execute(sa.insert(flag_owners), new)


def delete(tx: Transaction, flag_id: str) -> None:
    """Delete a flag and all that belongs to it. Its outbox entry stays, so that delivery deletes the flag in Jira."""
    tx.execute(sa.delete(flags).where(flags.c.id == flag_id))


def tags_of_project(tx: Transaction, project_id: str) -> list[str]:
    """Every tag in use, in order of name.

    The query goes from each tag to the next in the index, so that it costs by the number of tags and not of flags.
    """
    mine = flag_tags.c.project_id == project_id
    found = sa.select(sa.func.min(flag_tags.c.name).label("name")).where(mine).cte(recursive=True)
    successor = sa.select(sa.func.min(flag_tags.c.name)).where(mine, flag_tags.c.name > found.c.name).scalar_subquery()
    found = found.union_all(sa.select(successor).where(found.c.name.is_not(None)))
    return list(tx.scalars(sa.select(found.c.name).where(found.c.name.is_not(None)).order_by(found.c.name)))


def owners_of_project(tx: Transaction, project_id: str) -> list[Owner]:
    """The users and groups that own a flag of the project, in order of name."""

    def owning(kind: str, table: sa.Table) -> sa.Select[Any]:
        one = flag_owners.c.flag_id.in_(sa.select(flags.c.id).where(flags.c.project_id == project_id))
        owns = sa.exists().where(flag_owners.c.owner_id == table.c.id, one)
        return sa.select(sa.literal(kind), table.c.id, table.c.name.label("name")).where(owns)

    both = sa.union_all(owning("user", users), owning("group", groups))
    return [Owner(*row) for row in tx.execute(both.order_by("name"))]


def new_id() -> str:
    """An id for a flag that is about to be inserted."""
    return str(uuid4())
