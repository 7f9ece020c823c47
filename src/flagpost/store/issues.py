"""Jira issues as far as Flagpost knows them, and their connections with flags."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from flagpost.store.db import Transaction, insert_new
from flagpost.store.jira_tables import connections, issues


@dataclass(frozen=True, slots=True)
class Issue:
    """An issue. `jira_id` is Atlassian's numeric id, None until Jira was asked. `checked_at`: when it last was.

    `state`: `known`; `unchecked`, accepted as it was typed; `missing`, Jira says there is none or it cannot be seen.
    """

    id: str
    jira_id: str | None
    key: str
    summary: str
    issue_type: str
    status: str
    status_category: str
    assignee: str
    state: str
    checked_at: int | None


@dataclass(frozen=True, slots=True)
class Connection:
    """A flag and an issue that belong together."""

    issue: Issue
    connected_at: int
    connected_by: str


_ISSUE = [column for column in issues.c if column.name != "account_id"]


def save(tx: Transaction, account_id: str, seen: Issue) -> Issue:
    """Note what is known of an issue now; an issue is recognised by its numeric id, and until that is known by its key.

    Where an issue was renamed or moved, its row follows it, and so do its connections. A key that another row still
    carries (of an issue that was moved away since) is taken from it. What comes back carries the row's own id.
    """
    old = _find(tx, account_id, seen)
    if old is None:
        new = replace(seen, id=str(uuid4()))
        tx.execute(sa.insert(issues).values(account_id=account_id, **_values(new), id=new.id))
        return new
    if seen.state == "unchecked":
        return old
    holder = _by_key(tx, account_id, seen.key)
    if holder and holder.id != old.id:
        _merge(tx, holder.id, old.id)
    tx.execute(sa.update(issues).where(issues.c.id == old.id).values(**_values(seen)))
    return replace(seen, id=old.id)


def _values(issue: Issue) -> dict[str, Any]:
    return {name: getattr(issue, name) for name in Issue.__slots__ if name != "id"}


def _find(tx: Transaction, account_id: str, seen: Issue) -> Issue | None:
    if seen.jira_id is not None:
        condition = (issues.c.account_id == account_id) & (issues.c.jira_id == seen.jira_id)
        row = tx.execute(sa.select(*_ISSUE).where(condition)).first()
        if row:
            return Issue(*row)
    by_key = _by_key(tx, account_id, seen.key)
    same = by_key and (by_key.jira_id is None or seen.jira_id is None or by_key.jira_id == seen.jira_id)
    if by_key and not same:  # the key went to another issue: the old row keeps its id, and a key nobody types
        tx.execute(sa.update(issues).where(issues.c.id == by_key.id).values(key=f"{by_key.key}#{by_key.jira_id}"))
    return by_key if same else None


def _by_key(tx: Transaction, account_id: str, key: str) -> Issue | None:
    row = tx.execute(sa.select(*_ISSUE).where(issues.c.account_id == account_id, issues.c.key == key)).first()
    return Issue(*row) if row else None


def _merge(tx: Transaction, loser: str, winner: str) -> None:
    both = sa.select(connections.c.flag_id).where(connections.c.issue_id == winner)
    tx.execute(sa.delete(connections).where(connections.c.issue_id == loser, connections.c.flag_id.in_(both)))
    tx.execute(sa.update(connections).where(connections.c.issue_id == loser).values(issue_id=winner))
    tx.execute(sa.delete(issues).where(issues.c.id == loser))


def find(tx: Transaction, account_id: str, ref: str) -> Issue | None:
    """The issue with this key, or numeric id."""
    either = sa.or_(issues.c.key == ref.upper(), issues.c.jira_id == ref)
    row = tx.execute(sa.select(*_ISSUE).where(issues.c.account_id == account_id, either)).first()
    return Issue(*row) if row else None


def set_state(tx: Transaction, account_id: str, refs: Collection[str], state: str, now: int) -> None:
    """Mark the issues with these keys or numeric ids."""
    either = sa.or_(issues.c.key.in_(refs), issues.c.jira_id.in_(refs))
    tx.execute(sa.update(issues).where(issues.c.account_id == account_id, either).values(state=state, checked_at=now))


# Connections ------------------------------------------------------------------------------------------------------


def connect(tx: Transaction, flag_id: str, issue_id: str, now: int, by: str) -> bool:
    """Connect a flag and an issue; False where they are connected already."""
    return insert_new(tx, connections, flag_id=flag_id, issue_id=issue_id, created_at=now, created_by=by)


def disconnect(tx: Transaction, flag_id: str, issue_id: str) -> bool:
    """Take a connection away; False where there was none."""
    mine = (connections.c.flag_id == flag_id) & (connections.c.issue_id == issue_id)
    return tx.execute(sa.delete(connections).where(mine)).rowcount == 1


def connections_of(tx: Transaction, flag_id: str) -> list[Connection]:
    """A flag's issues, by key."""
    query = (
        sa.select(*_ISSUE, connections.c.created_at, connections.c.created_by)
        .join_from(connections, issues, connections.c.issue_id == issues.c.id)
        .where(connections.c.flag_id == flag_id)
        .order_by(issues.c.key)
    )
    return [Connection(Issue(*row[:-2]), row.created_at, row.created_by) for row in tx.execute(query)]


_OF_FLAGS = (
    sa.select(*_ISSUE, connections.c.flag_id)
    .join_from(connections, issues, connections.c.issue_id == issues.c.id)
    .where(connections.c.flag_id.in_(sa.bindparam("flags", expanding=True)))
    .order_by(connections.c.created_at, issues.c.key)
)


def issues_of_flags(tx: Transaction, flag_ids: Collection[str]) -> dict[str, list[Issue]]:
    """The issues of each of these flags, by flag id, the earliest connected first."""
    found: dict[str, list[Issue]] = defaultdict(list)
    for row in tx.execute(_OF_FLAGS, {"flags": list(flag_ids)}) if flag_ids else ():
        found[row.flag_id].append(Issue(*row[:-1]))
    return found


def keys_of_flags(tx: Transaction, flag_ids: Collection[str]) -> dict[str, list[str]]:
    """The keys of each of these flags' issues, by flag id."""
    found: dict[str, list[str]] = defaultdict(list)
    query = (
        sa.select(connections.c.flag_id, issues.c.key)
        .join_from(connections, issues, connections.c.issue_id == issues.c.id)
        .where(connections.c.flag_id.in_(flag_ids))
        .order_by(connections.c.created_at, issues.c.key)
    )
    for flag_id, key in tx.execute(query) if flag_ids else ():
        found[flag_id].append(key)
    return found


def count_connections(tx: Transaction, flag_id: str) -> int:
    """How many issues a flag is connected with."""
    mine = connections.c.flag_id == flag_id
    return tx.scalar(sa.select(sa.func.count()).select_from(connections).where(mine)) or 0


def flags_of_issues(tx: Transaction, account_id: str, refs: Collection[str]) -> list[str]:
    """The ids of the flags connected with any of these issues (keys or numeric ids)."""
    either = sa.or_(issues.c.key.in_(refs), issues.c.jira_id.in_(refs))
    query = (
        sa.select(connections.c.flag_id)
        .join_from(connections, issues, connections.c.issue_id == issues.c.id)
        .where(issues.c.account_id == account_id, either)
    )
    return list(tx.scalars(query.distinct()))
