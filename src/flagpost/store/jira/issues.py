"""Jira issues as Flagpost knows them, and their connections with flags.

Whatever is written here can concern outbox entries too: an issue that disappears or gets its id changes what Jira must
show of each flag that is connected with it. So every function that writes issues first locks the account and then,
where it may raise outbox entries, locks those: see `flagpost.store.locks`. Because of the first lock,
two transactions that see a new issue at once make one row of it.
"""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, fields, replace
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from flagpost.store.accounts import accounts
from flagpost.store.db import Condition, Transaction, insert_new
from flagpost.store.jira import outbox
from flagpost.store.schema.jira import connections, issues, jira_sites


@dataclass(frozen=True, slots=True)
class Issue:
    """An issue. `jira_id` is Atlassian's numeric id, None until Jira was asked. `checked_at`: when it last was.

    `state`: `known`; `unchecked`, taken as it was typed; `hidden`, known before, and no longer shown to Flagpost;
    `missing`, Jira says that there is none; `deleted`, Jira said that it was deleted. `due_at`: when to look it up
    again, 0 for as soon as possible. `event_count`: how many events about it have arrived.
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
    jira_project_id: str | None = None
    due_at: int = 0
    event_count: int = 0

    @property
    def gone(self) -> bool:
        """Whether Jira has nothing that a flag could be shown on.

        A hidden issue is not gone. Flagpost may have lost a permission or a token, which is no reason to take the flag
        away from people who still see the issue. Jira says whether it exists when flags are sent for it.
        """
        return self.state in ("missing", "deleted")

    @property
    def key_passed_on(self) -> bool:
        """Whether another issue has its key by now, and its own new key was not looked up yet."""
        return "#" in self.key


@dataclass(frozen=True, slots=True)
class Connection:
    """A flag's connection with an issue."""

    issue: Issue
    connected_at: int
    connected_by: str


_ISSUE = [issues.c[field.name] for field in fields(Issue)]


# Saving -----------------------------------------------------------------------------------------------------------


def lock_with_flags(
    tx: Transaction, account_id: str, refs: Collection[str | None], flag_ids: Collection[str] = ()
) -> None:
    """Lock what comes before issues (by keys or numeric ids) that are to change, or to be connected with these flags.

    The account's lock keeps connections from being added meanwhile. So the outbox entries of the issues' flags can be
    locked before the issues, as a delivery locks them (`flagpost.store.locks`). A transaction that changes several
    issues names all of them at once.
    """
    accounts.lock(tx, account_id)
    known = [ref for ref in refs if ref]
    if entries := {*flag_ids, *(flags_of_issues(tx, account_id, known) if known else ())}:
        outbox.lock(tx, entries)


def save(tx: Transaction, account_id: str, seen: Issue) -> Issue:
    """Store what is known of an issue now, and return it with its row's id.

    An issue is recognised by its numeric id, and until that is known by its key. Where an issue was renamed or moved,
    its row keeps its connections. Where another row still has the key, that row loses it: an issue of its own keeps its
    row and is looked up again; a row of which nothing but the key was known is this issue, and the two are merged.
    """
    accounts.lock(tx, account_id)
    old = _find_row(tx, account_id, seen)
    if old is None:
        new = replace(seen, id=str(uuid4()))
        tx.execute(sa.insert(issues).values(account_id=account_id, **_values(new), id=new.id))
        return new
    if seen.state == "unchecked":
        return _reset_if_gone(tx, old)
    holder = _by_key(tx, account_id, seen.key)
    if holder and holder.id != old.id:
        _free_key(tx, holder, old.id, seen.checked_at or 0)
    tx.execute(sa.update(issues).where(issues.c.id == old.id).values(**_values(seen)))
    return replace(seen, id=old.id)


def _reset_if_gone(tx: Transaction, old: Issue) -> Issue:
    """Take an issue for existing again whose key was typed while Jira could not be asked: it may have come back."""
    if not old.gone:
        return old
    tx.execute(sa.update(issues).where(issues.c.id == old.id).values(state="unchecked", due_at=0))
    return replace(old, state="unchecked", due_at=0)


def _values(issue: Issue) -> dict[str, Any]:
    return {name: getattr(issue, name) for name in Issue.__slots__ if name not in ("id", "event_count")}


def _find_row(tx: Transaction, account_id: str, seen: Issue) -> Issue | None:
    if seen.jira_id is not None:
        by_id = (issues.c.account_id == account_id) & (issues.c.jira_id == seen.jira_id)
        if row := tx.execute(sa.select(*_ISSUE).where(by_id)).first():
            return Issue(*row)
    by_key = _by_key(tx, account_id, seen.key)
    same = by_key and (by_key.jira_id is None or seen.jira_id is None or by_key.jira_id == seen.jira_id)
    if by_key and not same:
        _mark_key_passed_on(tx, by_key)
    return by_key if same else None


def _by_key(tx: Transaction, account_id: str, key: str) -> Issue | None:
    row = tx.execute(sa.select(*_ISSUE).where(issues.c.account_id == account_id, issues.c.key == key)).first()
    return Issue(*row) if row else None


def _free_key(tx: Transaction, holder: Issue, winner: str, now: int) -> None:
    if holder.jira_id is None:
        _merge(tx, holder.id, winner, now)
    else:
        _mark_key_passed_on(tx, holder)


def _mark_key_passed_on(tx: Transaction, holder: Issue) -> None:
    """Give an issue whose key went to another one a key that no user types, until its own is looked up, at once."""
    values = {"key": f"{holder.key}#{holder.jira_id}", "due_at": 0}
    tx.execute(sa.update(issues).where(issues.c.id == holder.id).values(**values))


def _merge(tx: Transaction, loser: str, winner: str, now: int) -> None:
    """Make two rows of one issue one. The loser's flags were sent with its key; they go out again with its id."""
    of_loser = flags_of_issue(tx, loser)
    outbox.bump(tx, of_loser, now)
    both = sa.select(connections.c.flag_id).where(connections.c.issue_id == winner)
    tx.execute(sa.delete(connections).where(connections.c.issue_id == loser, connections.c.flag_id.in_(both)))
    tx.execute(sa.update(connections).where(connections.c.issue_id == loser).values(issue_id=winner))
    tx.execute(sa.delete(issues).where(issues.c.id == loser))


def note_absent(tx: Transaction, issue_id: str, state: str, now: int, due_at: int) -> None:
    """Note that Jira did not show an issue when asked. Whatever else is known of it stays.

    For a transaction that has called `lock_with_flags`.
    """
    values = {"state": state, "checked_at": now, "due_at": due_at}
    tx.execute(sa.update(issues).where(issues.c.id == issue_id).values(**values))


def mark_missing(tx: Transaction, account_id: str, refs: Collection[str], now: int, due_at: int) -> None:
    """Note that Jira does not know the issues with these keys or numeric ids.

    The caller locks the account before it locks outbox entries.
    """
    values = {"state": "missing", "checked_at": now, "due_at": due_at}
    tx.execute(sa.update(issues).where(_named(account_id, refs), issues.c.state != "deleted").values(values))


def reset_missing(tx: Transaction, account_id: str) -> None:
    """Take the issues that Jira did not know for existing until it says so again: before everything is sent again."""
    accounts.lock(tx, account_id)
    missing = (issues.c.account_id == account_id) & (issues.c.state == "missing")
    tx.execute(sa.update(issues).where(missing).values(state="unchecked", due_at=0))


# Events -----------------------------------------------------------------------------------------------------------


_CHANGED: dict[str, Any] = {"due_at": 0, "event_count": issues.c.event_count + 1}
"""What an event does to a row. The count tells a look-up that was under way that its answer may be out of date."""


def mark_deleted(tx: Transaction, account_id: str, refs: Collection[str], now: int) -> list[str]:
    """Note that an issue was deleted (its id, and its key), and have it looked up at once, in case it came back.

    Returns the ids of the flags that are connected with it: their outbox entries are locked, and have to be raised.
    """
    lock_with_flags(tx, account_id, refs)
    there = _named(account_id, refs) & (issues.c.state != "deleted")
    values = {"state": "deleted", "checked_at": now, **_CHANGED}
    marked = tx.execute(sa.update(issues).where(there).values(values)).rowcount
    return flags_of_issues(tx, account_id, refs) if marked else []


def mark_changed(tx: Transaction, account_id: str, refs: Collection[str]) -> int:
    """Have the issues with these keys or numeric ids looked up at once; how many of them are known."""
    accounts.lock(tx, account_id)
    return tx.execute(sa.update(issues).where(_named(account_id, refs)).values(_CHANGED)).rowcount


def mark_project_changed(tx: Transaction, account_id: str, jira_project_id: str) -> int:
    """Have the issues of a project of Jira's looked up at once; how many they are."""
    accounts.lock(tx, account_id)
    mine = (issues.c.account_id == account_id) & (issues.c.jira_project_id == jira_project_id)
    return tx.execute(sa.update(issues).where(mine).values(_CHANGED)).rowcount


# Finding ----------------------------------------------------------------------------------------------------------


def get(tx: Transaction, issue_id: str) -> Issue | None:
    """The issue with this row id."""
    row = tx.execute(sa.select(*_ISSUE).where(issues.c.id == issue_id)).first()
    return Issue(*row) if row else None


def find(tx: Transaction, account_id: str, ref: str) -> Issue | None:
    """The issue with this key, or numeric id."""
    row = tx.execute(sa.select(*_ISSUE).where(_named(account_id, [ref.upper()]))).first()
    return Issue(*row) if row else None


def _named(account_id: str, refs: Collection[str]) -> Condition:
    return (issues.c.account_id == account_id) & sa.or_(issues.c.key.in_(refs), issues.c.jira_id.in_(refs))


def in_project(tx: Transaction, account_id: str, jira_project_id: str) -> list[Issue]:
    """The issues that were in a project of Jira's when they were last looked up."""
    mine = (issues.c.account_id == account_id) & (issues.c.jira_project_id == jira_project_id)
    return [Issue(*row) for row in tx.execute(sa.select(*_ISSUE).where(mine))]


def due(tx: Transaction, account_id: str, now: int, limit: int) -> list[Issue]:
    """Up to `limit` connected issues that are due for a look-up, the longest due first."""
    connected = sa.exists().where(connections.c.issue_id == issues.c.id)
    query = sa.select(*_ISSUE).where(issues.c.account_id == account_id, issues.c.due_at <= now, connected)
    return [Issue(*row) for row in tx.execute(query.order_by(issues.c.due_at).limit(limit))]


_ACCOUNTS_DUE = sa.select(jira_sites.c.account_id).where(
    sa.exists().where(issues.c.account_id == jira_sites.c.account_id, issues.c.due_at <= sa.bindparam("now"))
)


def accounts_due(tx: Transaction, now: int) -> set[str]:
    """The accounts with a site and an issue that is due for a look-up. One query for all, run every few seconds."""
    return set(tx.scalars(_ACCOUNTS_DUE, {"now": now}))


# Connections ------------------------------------------------------------------------------------------------------


def connect(tx: Transaction, flag_id: str, issue_id: str, now: int, by: str) -> bool:
    """Connect a flag with an issue; False where they are connected already."""
    return insert_new(tx, connections, flag_id=flag_id, issue_id=issue_id, created_at=now, created_by=by)


def disconnect(tx: Transaction, flag_id: str, issue_id: str) -> bool:
    """Remove a connection; False where there was none."""
    mine = (connections.c.flag_id == flag_id) & (connections.c.issue_id == issue_id)
    return tx.execute(sa.delete(connections).where(mine)).rowcount == 1


def connections_of(tx: Transaction, flag_id: str) -> list[Connection]:
    """The connections of a flag, by the keys of their issues."""
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


def flags_of_issue(tx: Transaction, issue_id: str) -> list[str]:
    """The ids of the flags connected with the issue of this row."""
    return list(tx.scalars(sa.select(connections.c.flag_id).where(connections.c.issue_id == issue_id)))


def flags_of_issues(tx: Transaction, account_id: str, refs: Collection[str]) -> list[str]:
    """The ids of the flags connected with any of these issues (keys or numeric ids)."""
    query = (
        sa.select(connections.c.flag_id)
        .join_from(connections, issues, connections.c.issue_id == issues.c.id)
        .where(_named(account_id, refs))
    )
    return list(tx.scalars(query.distinct()))
