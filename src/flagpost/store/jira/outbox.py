"""What Jira has been told of each flag, and what it should be told: the outbox.

A row's `wanted` is raised in the same transaction as the change it stands for, so a change that was committed can not
be forgotten. Versions are the time in milliseconds, or one more than the last where the clock stands still or went
back. So they only ever rise, even for a flag that was deleted in Jira and connected again, and after a restore from an
older backup (Atlassian: updates with a lower `updateSequenceId` than the stored one are ignored).

`wanted_by` keeps the ids of the requests whose changes are waiting (`observe.request_id`, from the context, like the
log's own lines), so that whoever delivers them, wherever that is, can name them.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields

import sqlalchemy as sa

from flagpost.store.db import Transaction, insert_new
from flagpost.store.schema.jira import jira_integration_projects, outbox_entries
from flagpost.telemetry.logging import request_id

NEXT_VERSION = sa.case(
    (outbox_entries.c.wanted < sa.bindparam("now"), sa.bindparam("now")), else_=outbox_entries.c.wanted + 1
)
_BEHIND_SINCE = sa.case(
    (outbox_entries.c.wanted > outbox_entries.c.delivered, outbox_entries.c.wanted_at), else_=sa.bindparam("now")
)
_LONGEST_WANTED_BY = 1000  # characters; of more requests than that, those of the last
_BY = sa.bindparam("by", type_=sa.Text)
_WANTED_BY_SO_FAR = sa.case((outbox_entries.c.wanted > outbox_entries.c.delivered, outbox_entries.c.wanted_by))
_WANTED_BY_ALL = _WANTED_BY_SO_FAR + " " + _BY
_WANTED_BY = sa.case(
    (_BY == "", _WANTED_BY_SO_FAR),
    (_WANTED_BY_SO_FAR.is_(None), _BY),
    (
        sa.func.length(_WANTED_BY_ALL) > _LONGEST_WANTED_BY,
        sa.func.substr(_WANTED_BY_ALL, sa.func.length(_WANTED_BY_ALL) - _LONGEST_WANTED_BY + 1),
    ),
    else_=_WANTED_BY_ALL,
)
RAISED = {"wanted": NEXT_VERSION, "wanted_at": _BEHIND_SINCE, "wanted_by": _WANTED_BY, "put_off_until": None}
_RAISE_ONE = sa.update(outbox_entries).where(outbox_entries.c.flag_id == sa.bindparam("flag")).values(**RAISED)


def lock_rows(tx: Transaction, condition: sa.ColumnElement[bool]) -> None:
    """Lock these rows, in one order, before many are changed: two that lock in different orders wait for each other.

    PostgreSQL only; SQLite has one writer.
    """
    if tx.dialect.name == "postgresql":
        tx.execute(
            sa.select(outbox_entries.c.flag_id).where(condition).order_by(outbox_entries.c.flag_id).with_for_update()
        )


def lock(tx: Transaction, flag_ids: Collection[str]) -> None:
    """Lock the entries of these flags before anything that comes after them in the lock order (`store.locks`)."""
    lock_rows(tx, outbox_entries.c.flag_id.in_(flag_ids))


def _raise(tx: Transaction, condition: sa.ColumnElement[bool], now: int) -> int:
    lock_rows(tx, condition)
    return tx.execute(
        sa.update(outbox_entries).where(condition).values(**RAISED), {"now": now, "by": request_id()}
    ).rowcount


def bump(tx: Transaction, flag_ids: Collection[str], now: int) -> int:
    """Have Jira hear of these flags again. Flags that were never connected have no row and cost nothing.

    Returns how many will be told; wake the site after the commit if any.
    """
    if len(flag_ids) == 1:
        return tx.execute(_RAISE_ONE, {"flag": next(iter(flag_ids)), "now": now, "by": request_id()}).rowcount
    return _raise(tx, outbox_entries.c.flag_id.in_(flag_ids), now) if flag_ids else 0


def bump_project(tx: Transaction, project_id: str, now: int) -> int:
    """The same for every connected flag of a project."""
    return _raise(tx, outbox_entries.c.project_id == project_id, now)


def bump_environment(tx: Transaction, environment_id: str, now: int) -> int:
    """The same for every flag that Jira is shown this environment of; nothing where it is no primary environment."""
    shown = sa.select(jira_integration_projects.c.project_id).where(
        jira_integration_projects.c.environment_id == environment_id
    )
    return _raise(tx, outbox_entries.c.project_id.in_(shown), now)


def enqueue(tx: Transaction, account_id: str, project_id: str, flag_id: str, flag_name: str, now: int) -> None:
    """Have Jira hear of a flag from now on: what its first connection does, and every later one."""
    row = {"flag_id": flag_id, "account_id": account_id, "project_id": project_id, "flag_name": flag_name}
    if not insert_new(tx, outbox_entries, **row, wanted=now, wanted_at=now, wanted_by=request_id() or None):
        bump(tx, [flag_id], now)


def bump_account(tx: Transaction, account_id: str, now: int, project_id: str | None = None) -> int:
    """The same for every connected flag of an account, or of one of its projects: a back-fill."""
    condition = outbox_entries.c.account_id == account_id
    if project_id is not None:
        condition = condition & (outbox_entries.c.project_id == project_id)
    return _raise(tx, condition, now)


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """What Jira should hear of one flag (`wanted`), and has heard (`delivered`).

    `held`: Jira may hold something under this id. `refused`: Jira's words about the version in `delivered`.
    `told_issues`: the issues that version was sent with. `put_off_until`: Jira failed at it, and is not asked before.
    """

    flag_id: str
    project_id: str
    flag_name: str
    wanted: int
    delivered: int
    held: bool
    refused: str | None
    trace_id: str | None
    wanted_at: int
    delivered_at: int | None
    told_issues: list[str] | None
    put_off_until: int | None = None
    wanted_by: str | None = None

    @property
    def waiting(self) -> bool:
        """Whether Jira has yet to hear of the newest version."""
        return self.wanted > self.delivered

    @property
    def requests(self) -> list[str]:
        """The ids of the requests whose changes this carries, the oldest first; of very many, the last."""
        ids = (self.wanted_by or "").split(" ")
        cut_off = len(self.wanted_by or "") >= _LONGEST_WANTED_BY
        return [one for one in ids[cut_off:] if one]


_PUSH = sa.select(*(outbox_entries.c[field.name] for field in fields(OutboxEntry)))
_BEHIND = outbox_entries.c.wanted > outbox_entries.c.delivered


PUT_OFF_MS = 15 * 60_000
_FURTHEST_MS = PUT_OFF_MS + 60_000  # put off until later than that: the clock was set back since
_AT = sa.bindparam("now", type_=sa.BigInteger)
_DUE = sa.or_(
    outbox_entries.c.put_off_until.is_(None),
    outbox_entries.c.put_off_until <= _AT,
    outbox_entries.c.put_off_until > _AT + _FURTHEST_MS,
)
_BEHIND_OF_ACCOUNT = _PUSH.where(outbox_entries.c.account_id == sa.bindparam("account"), _BEHIND).order_by(
    outbox_entries.c.wanted, outbox_entries.c.project_id
)


def pending(tx: Transaction, account_id: str, limit: int, now: int | None = None) -> list[OutboxEntry]:
    """The flags that Jira has yet to hear of, those that have waited longest first, those of one project together.

    With `now`, without those that were put off until later.
    """
    query, values = _BEHIND_OF_ACCOUNT.limit(limit), {"account": account_id}
    rows = tx.execute(query, values) if now is None else tx.execute(query.where(_DUE), {**values, "now": now})
    return [OutboxEntry(*row) for row in rows]


def count_pending(tx: Transaction, account_id: str) -> int:
    """How many flags Jira has yet to hear of."""
    return tx.scalar(_count().where(outbox_entries.c.account_id == account_id, _BEHIND)) or 0


def pending_since(tx: Transaction, account_id: str) -> int | None:
    """Since when the flag has waited that Jira has yet to hear of for the longest; None where there is none."""
    query = sa.select(sa.func.min(outbox_entries.c.wanted_at)).where(outbox_entries.c.account_id == account_id, _BEHIND)
    found: int | None = tx.scalar(query)
    return found


def count_all(tx: Transaction, account_id: str) -> int:
    """How many flags of an account Jira knows, knew or should know."""
    return tx.scalar(_count().where(outbox_entries.c.account_id == account_id)) or 0


def count_refused(tx: Transaction, account_id: str) -> int:
    """How many flags Jira refused in the version it heard last."""
    return (
        tx.scalar(_count().where(outbox_entries.c.account_id == account_id, outbox_entries.c.refused.is_not(None))) or 0
    )


def refused(tx: Transaction, account_id: str, limit: int) -> list[OutboxEntry]:
    """Flags that Jira refused, by name."""
    query = _PUSH.where(outbox_entries.c.account_id == account_id, outbox_entries.c.refused.is_not(None))
    return [OutboxEntry(*row) for row in tx.execute(query.order_by(outbox_entries.c.flag_name).limit(limit))]


def _accounts_behind() -> sa.Select[str]:
    first = (
        sa.select(sa.func.min(outbox_entries.c.account_id).label("id")).where(_BEHIND).cte("waiting", recursive=True)
    )
    after = sa.select(sa.func.min(outbox_entries.c.account_id)).where(_BEHIND, outbox_entries.c.account_id > first.c.id)
    waiting = first.union_all(sa.select(after.scalar_subquery()).where(first.c.id.is_not(None)))
    due = sa.exists().where(outbox_entries.c.account_id == waiting.c.id, _BEHIND, _DUE)
    return sa.select(waiting.c.id).where(waiting.c.id.is_not(None), due)


_ACCOUNTS_BEHIND = _accounts_behind()


def accounts_with_pending(tx: Transaction, now: int) -> list[str]:
    """The accounts whose Jira has yet to hear of something that was not put off.

    Goes from each account to the next in the index of what waits: in the middle of a back-fill every sweep of every
    process asks this, and it costs by the number of accounts that wait, not of flags.
    """
    return list(tx.scalars(_ACCOUNTS_BEHIND, {"now": now}))


def find(tx: Transaction, flag_id: str) -> OutboxEntry | None:
    """The row of one flag; None where it was never connected."""
    row = tx.execute(_PUSH.where(outbox_entries.c.flag_id == flag_id)).first()
    return OutboxEntry(*row) if row else None


def defer(tx: Transaction, flag_id: str, version: int, until: int, words: str) -> bool:
    """Do not send this version of a flag before `until`, because Jira failed at it; False where a newer one exists.

    *Problem*: a change that commits while the failed request is on its way raises the version before this function
    runs. A deferral of the whole row would hold that change back too, and Jira would show a killed flag as enabled for
    minutes, though it was never asked about the kill. *Solution*: the version that failed is part of the condition, so
    a newer version is not touched. One that commits afterwards lifts the deferral (`RAISED`).
    """
    failed = (outbox_entries.c.flag_id == flag_id) & (outbox_entries.c.wanted == version)
    return tx.execute(sa.update(outbox_entries).where(failed).values(put_off_until=until, refused=words)).rowcount == 1


def mark_may_exist_remotely(tx: Transaction, flag_ids: Collection[str]) -> None:
    """Before the first send: from now on Jira may hold these, whatever becomes of the answer."""
    mine = outbox_entries.c.flag_id.in_(flag_ids)
    lock_rows(tx, mine)
    tx.execute(sa.update(outbox_entries).where(mine).values(held=True))


def forget_remote_flags(tx: Transaction, account_id: str) -> None:
    """Jira holds nothing of this account any more: the app was uninstalled, or another site is connected."""
    tx.execute(sa.update(outbox_entries).where(outbox_entries.c.account_id == account_id).values(held=False))


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of telling Jira one version of a flag. `told_issues`: what Jira shows it on now, for all we know."""

    flag_id: str
    version: int
    held: bool
    refused: str | None = None
    trace_id: str | None = None
    told_issues: Sequence[str] | None = None

    @property
    def outcome(self) -> str:
        """In one word, for counting: accepted, refused or removed."""
        if self.refused:
            return "refused"
        return "accepted" if self.held else "removed"


DELETES_LATE_MS = 10 * 60_000  # for how long after a delete Jira may still work it off
READ_BACK_AFTER_MS = 60_000
_NOW, _HELD = sa.bindparam("b_now", type_=sa.BigInteger), sa.bindparam("b_held", type_=sa.Boolean)
_ENDS_RESEND = outbox_entries.c.resend_version <= sa.bindparam("b_version")
_RECORD = (
    sa.update(outbox_entries)
    .where(outbox_entries.c.flag_id == sa.bindparam("b_flag"), outbox_entries.c.delivered <= sa.bindparam("b_version"))
    .values(
        resend_id=sa.case((_ENDS_RESEND, sa.null()), else_=outbox_entries.c.resend_id),
        resend_only=sa.case((_ENDS_RESEND, sa.false()), else_=outbox_entries.c.resend_only),
        deleted_at=sa.case((outbox_entries.c.held & ~_HELD, _NOW), else_=outbox_entries.c.deleted_at),
        read_back_at=sa.case(
            (outbox_entries.c.held & ~_HELD, _NOW + READ_BACK_AFTER_MS),
            (_HELD & (outbox_entries.c.deleted_at > _NOW - DELETES_LATE_MS), _NOW + READ_BACK_AFTER_MS),
            else_=outbox_entries.c.read_back_at,
        ),
    )
)


def record_answers(tx: Transaction, answers: Iterable[Answer], now: int) -> None:
    """Note what Jira answered. `delivered` only ever rises, so a late answer cannot undo a newer one.

    *Problem*: Jira works a delete off a little later, and unconditionally: a flag that was sent again meanwhile may go
    with it, though Jira accepted it. *Solution*: what is sent within minutes of a delete is read back a little later
    (`read_back_at`), by `flagpost.jira.reconciliation`. So is what was deleted: an update that was sent before, and
    not answered in time or by a process that died, may be stored after the delete.
    """
    rows = [
        {
            "b_flag": answer.flag_id,
            "b_version": answer.version,
            "b_held": answer.held,
            "b_now": now,
            "held": answer.held,
            "refused": answer.refused,
            "trace_id": answer.trace_id,
            "told_issues": list(answer.told_issues) if answer.told_issues else None,
            "delivered": answer.version,
            "delivered_at": now,
            "put_off_until": None,
        }
        for answer in answers
    ]
    if rows:
        lock_rows(tx, outbox_entries.c.flag_id.in_([row["b_flag"] for row in rows]))
        tx.execute(_RECORD, rows)


def _count() -> sa.Select[int]:
    return sa.select(sa.func.count()).select_from(outbox_entries)
