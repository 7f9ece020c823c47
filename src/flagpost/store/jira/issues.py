"""Jira issues as far as Flagpost knows them, and their connections with flags."""

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

    `state`: `known`; `unchecked`, accepted as it was typed; `hidden`, known before, and not shown to Flagpost any more;
    `missing`, Jira says there is none; `deleted`, Jira said that it was. `due_at`: when to look it up again; 0, as
    soon as may be. `marks`: how often Jira has told that something happened to it.
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
    marks: int = 0

    @property
    def gone(self) -> bool:
        """Whether there is nothing in Jira that a flag could show on.

        A hidden issue is not gone: that Flagpost may not see it, because a permission or a token was lost, is no
        reason to take its flags from those who do. Whether it is there, Jira says when flags are sent for it.
        """
        return self.state in ("missing", "deleted")

    @property
    def key_passed_on(self) -> bool:
        """Whether its key belongs to another issue by now, and its own new one was not looked up yet."""
        return "#" in self.key


@dataclass(frozen=True, slots=True)
class Connection:
    """A flag and an issue that belong together."""

    issue: Issue
    connected_at: int
    connected_by: str


_ISSUE = [issues.c[field.name] for field in fields(Issue)]


def lock_with_flags(
    tx: Transaction, account_id: str, refs: Collection[str | None], flag_ids: Collection[str] = ()
) -> None:
    """Before issues with these keys or numeric ids are changed, or these flags are connected with them.

    The account's lock keeps connections from being added meanwhile. So the outbox entries of the issues' flags can be
    locked before the issues, as a delivery locks them (`store.locks`).
    """
    accounts.lock(tx, account_id)
    known = [ref for ref in refs if ref]
    if entries := {*flag_ids, *(flags_of_issues(tx, account_id, known) if known else ())}:
        outbox.lock(tx, entries)


def save(tx: Transaction, account_id: str, seen: Issue) -> Issue:
    """Note what is known of an issue now; an issue is recognised by its numeric id, and until that is known by its key.

    Where an issue was renamed or moved, its row follows it, and so do its connections. A key that another row still
    carries is taken from it: if that is an issue of its own, it keeps its row and is looked up again; if nothing but
    the key was known of it, it is this one, and the two become one. What comes back carries the row's own id.

    One transaction an account at a time does this, so that two that see a new issue at once make one row of it.
    """
    accounts.lock(tx, account_id)
    old = _find(tx, account_id, seen)
    if old is None:
        new = replace(seen, id=str(uuid4()))
        tx.execute(sa.insert(issues).values(account_id=account_id, **_values(new), id=new.id))
        return new
    if seen.state == "unchecked":
        return _hope_again(tx, old)
    holder = _by_key(tx, account_id, seen.key)
    if holder and holder.id != old.id:
        _give_way(tx, holder, old.id, seen.checked_at or 0)
    tx.execute(sa.update(issues).where(issues.c.id == old.id).values(**_values(seen)))
    return replace(seen, id=old.id)


def _hope_again(tx: Transaction, old: Issue) -> Issue:
    """A key that was typed again while Jira cannot be asked: one that was gone may be back."""
    if not old.gone:
        return old
    tx.execute(sa.update(issues).where(issues.c.id == old.id).values(state="unchecked", due_at=0))
    return replace(old, state="unchecked", due_at=0)


def _values(issue: Issue) -> dict[str, Any]:
    return {name: getattr(issue, name) for name in Issue.__slots__ if name not in ("id", "marks")}


def _find(tx: Transaction, account_id: str, seen: Issue) -> Issue | None:
    if seen.jira_id is not None:
        condition = (issues.c.account_id == account_id) & (issues.c.jira_id == seen.jira_id)
        row = tx.execute(sa.select(*_ISSUE).where(condition)).first()
        if row:
            return Issue(*row)
    by_key = _by_key(tx, account_id, seen.key)
    same = by_key and (by_key.jira_id is None or seen.jira_id is None or by_key.jira_id == seen.jira_id)
    if by_key and not same:
        _pass_key_on(tx, by_key)
    return by_key if same else None


def _by_key(tx: Transaction, account_id: str, key: str) -> Issue | None:
    row = tx.execute(sa.select(*_ISSUE).where(issues.c.account_id == account_id, issues.c.key == key)).first()
    return Issue(*row) if row else None


def _give_way(tx: Transaction, holder: Issue, to: str, now: int) -> None:
    if holder.jira_id is None:
        _merge(tx, holder.id, to, now)
    else:
        _pass_key_on(tx, holder)


def _pass_key_on(tx: Transaction, holder: Issue) -> None:
    """The key went to another issue: until this one's own is looked up, at once, it has one that nobody types."""
    values = {"key": f"{holder.key}#{holder.jira_id}", "due_at": 0}
    tx.execute(sa.update(issues).where(issues.c.id == holder.id).values(**values))


def _merge(tx: Transaction, loser: str, winner: str, now: int) -> None:
    """Both were the same issue. The loser's flags were sent with its key; they are told to go out with its id."""
    of_loser = flags_of_issue(tx, loser)
    both = sa.select(connections.c.flag_id).where(connections.c.issue_id == winner)
    tx.execute(sa.delete(connections).where(connections.c.issue_id == loser, connections.c.flag_id.in_(both)))
    tx.execute(sa.update(connections).where(connections.c.issue_id == loser).values(issue_id=winner))
    tx.execute(sa.delete(issues).where(issues.c.id == loser))
    outbox.bump(tx, of_loser, now)


def present(tx: Transaction, issue_id: str) -> Issue | None:
    """The row with this id as it is now."""
    row = tx.execute(sa.select(*_ISSUE).where(issues.c.id == issue_id)).first()
    return Issue(*row) if row else None


def note_absent(tx: Transaction, issue_id: str, state: str, now: int, due_at: int) -> None:
    """Jira did not show an issue that was asked for. What else is known of it stays."""
    values = {"state": state, "checked_at": now, "due_at": due_at}
    tx.execute(sa.update(issues).where(issues.c.id == issue_id).values(**values))


def find(tx: Transaction, account_id: str, ref: str) -> Issue | None:
    """The issue with this key, or numeric id."""
    row = tx.execute(sa.select(*_ISSUE).where(_named(account_id, [ref.upper()]))).first()
    return Issue(*row) if row else None


def _named(account_id: str, refs: Collection[str]) -> Condition:
    """The issues with these keys or numeric ids."""
    return (issues.c.account_id == account_id) & sa.or_(issues.c.key.in_(refs), issues.c.jira_id.in_(refs))


_MARKED: dict[str, Any] = {"due_at": 0, "marks": issues.c.marks + 1}
"""What an event does to a row: a look-up that was on its way when it came is not the last word (see `marks`)."""


def mark_missing(tx: Transaction, account_id: str, refs: Collection[str], now: int, due_at: int) -> None:
    """Jira does not know these."""
    values = {"state": "missing", "checked_at": now, "due_at": due_at}
    tx.execute(sa.update(issues).where(_named(account_id, refs), issues.c.state != "deleted").values(values))


def hope_again(tx: Transaction, account_id: str) -> None:
    """Take those that Jira did not know for existing until it says so again: before everything is sent anew."""
    mine = (issues.c.account_id == account_id) & (issues.c.state == "missing")
    tx.execute(sa.update(issues).where(mine).values(state="unchecked", due_at=0))


def mark_deleted(tx: Transaction, account_id: str, refs: Collection[str], now: int) -> list[str]:
    """Jira said that an issue was deleted (its id, and its key); looked up at once, in case it has come back since.

    The ids of the flags that Jira must hear of because of it.
    """
    values = {"state": "deleted", "checked_at": now, **_MARKED}
    there = _named(account_id, refs) & (issues.c.state != "deleted")
    marked = tx.execute(sa.update(issues).where(there).values(values)).rowcount
    return flags_of_issues(tx, account_id, refs) if marked else []


def mark_due(tx: Transaction, account_id: str, refs: Collection[str]) -> int:
    """Something happened to these; how many of them are known here."""
    return tx.execute(sa.update(issues).where(_named(account_id, refs)).values(_MARKED)).rowcount


def mark_project_due(tx: Transaction, account_id: str, jira_project_id: str) -> int:
    """Something happened to a project of Jira's, and so to each of its issues."""
    mine = (issues.c.account_id == account_id) & (issues.c.jira_project_id == jira_project_id)
    return tx.execute(sa.update(issues).where(mine).values(_MARKED)).rowcount


def in_project(tx: Transaction, account_id: str, jira_project_id: str) -> list[Issue]:
    """The issues that were in a project of Jira's when last looked up."""
    mine = (issues.c.account_id == account_id) & (issues.c.jira_project_id == jira_project_id)
    return [Issue(*row) for row in tx.execute(sa.select(*_ISSUE).where(mine))]


def due(tx: Transaction, account_id: str, now: int, limit: int) -> list[Issue]:
    """The connected issues that are to be looked up, the most urgent first."""
    connected = sa.exists().where(connections.c.issue_id == issues.c.id)
    query = sa.select(*_ISSUE).where(issues.c.account_id == account_id, issues.c.due_at <= now, connected)
    return [Issue(*row) for row in tx.execute(query.order_by(issues.c.due_at).limit(limit))]


_ACCOUNTS_DUE = sa.select(jira_sites.c.account_id).where(
    sa.exists().where(issues.c.account_id == jira_sites.c.account_id, issues.c.due_at <= sa.bindparam("now"))
)


def accounts_due(tx: Transaction, now: int) -> set[str]:
    """The accounts with a site that have an issue to look up: one question for all of them, asked every few seconds."""
    return set(tx.scalars(_ACCOUNTS_DUE, {"now": now}))


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
