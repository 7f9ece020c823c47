"""Checks of what Jira holds against what it was told: which are to be made, how far each is, and what they found."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, fields
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from flagpost.store.db import Transaction
from flagpost.store.jira.outbox import DELETES_LATE_MS, OutboxEntry
from flagpost.store.schema.jira import connections, issues, jira_drift_checks, jira_drift_findings, outbox_entries

NIGHTLY, ASKED, FLAG, LATER = "nightly", "asked", "flag", "later"
DONE, BUDGET, UNREADABLE, GONE = "done", "budget", "unreadable", "gone"
MISSING, STILL_THERE = "missing", "still_there"
KEPT = 50
"""How many checks of everything are remembered of an account, and how many of single flags."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check. `kind`: nightly, asked (for everything), flag (for one), later (a flag that was sent after a delete).

    It goes through the flags by their ids, from behind `first` to the end and on from the beginning
    (`went_round`), and has come to `position`. `read`: flags
    that Jira was asked for; `shown`: of those, the ones it had something for. `waiting`: left out, because Jira has yet
    to hear of a change or refused the flag. `later`: they differed, but were told moments before, and are read again.
    `outcome`: None until it is over; `done`; `budget`, it read as many as it may and the next one goes on from there;
    `unreadable`, Jira does not let flags be read, in `words`; `gone`, there is no site any more.
    """

    id: str
    account_id: str
    kind: str
    flag_id: str | None
    name: str
    requested_at: int
    requested_by: str
    started_at: int | None
    first: str
    position: str
    went_round: bool
    total: int
    read: int
    shown: int
    waiting: int
    later: int
    differed: int
    repaired: int
    rest_until: int | None
    outcome: str | None
    words: str
    finished_at: int | None


@dataclass(frozen=True, slots=True)
class Finding:
    """A flag that Jira holds otherwise than it was told: missing, other, older, newer, or still_there though deleted.

    `repaired`: it was sent, or deleted, once more.
    """

    flag_id: str
    project_id: str
    flag_name: str
    at: int
    kind: str
    words: str
    repaired: bool


@dataclass(slots=True)
class Counts:
    """What a stretch of a check came to; see `Check`."""

    read: int = 0
    shown: int = 0
    waiting: int = 0
    later: int = 0
    differed: int = 0
    repaired: int = 0


@dataclass(frozen=True, slots=True)
class Candidate:
    """A flag to be read back. `deleted_at`: when Jira was last asked to delete it."""

    push: OutboxEntry
    deleted_at: int | None
    names: dict[str, set[str]] = field(default_factory=dict)


_CHECK = sa.select(*(jira_drift_checks.c[one.name] for one in fields(Check)))
_FINDING = sa.select(*(jira_drift_findings.c[one.name] for one in fields(Finding)))
_OPEN = jira_drift_checks.c.outcome.is_(None)


# Checks -----------------------------------------------------------------------------------------------------------


def request(
    tx: Transaction, account_id: str, kind: str, name: str, now: int, by: str, flag_id: str | None = None
) -> Check:
    """A new check, that goes on where the last one of everything had to stop."""
    first = _stopped_at(tx, account_id) if flag_id is None else ""
    values = {"kind": kind, "flag_id": flag_id, "name": name, "requested_at": now, "requested_by": by}
    new_id = str(uuid4())
    row = {"id": new_id, "account_id": account_id, "first": first, "position": first, **values}
    tx.execute(sa.insert(jira_drift_checks).values(row))
    found = find(tx, account_id, new_id)
    assert found is not None  # noqa: S101 - inserted two lines above
    return found


def _stopped_at(tx: Transaction, account_id: str) -> str:
    whole = jira_drift_checks.c.kind.in_((NIGHTLY, ASKED))
    query = sa.select(jira_drift_checks.c.outcome, jira_drift_checks.c.position)
    query = query.where(jira_drift_checks.c.account_id == account_id, whole, ~_OPEN)
    last = tx.execute(query.order_by(jira_drift_checks.c.requested_at.desc()).limit(1)).first()
    return last.position if last and last.outcome == BUDGET else ""


def find(tx: Transaction, account_id: str, check_id: str) -> Check | None:
    """One check of an account's."""
    mine = (jira_drift_checks.c.account_id == account_id) & (jira_drift_checks.c.id == check_id)
    row = tx.execute(_CHECK.where(mine)).first()
    return Check(*row) if row else None


def unfinished(tx: Transaction, account_id: str) -> list[Check]:
    """Those to be made or under way: of one flag first, then as they were asked for."""
    query = _CHECK.where(jira_drift_checks.c.account_id == account_id, _OPEN)
    order = (jira_drift_checks.c.kind != FLAG, jira_drift_checks.c.requested_at)
    return [Check(*row) for row in tx.execute(query.order_by(*order))]


def accounts_with_unfinished(tx: Transaction) -> list[str]:
    """The accounts that have any."""
    return list(tx.scalars(sa.select(jira_drift_checks.c.account_id).where(_OPEN).distinct()))


def latest(tx: Transaction, account_id: str, limit: int) -> list[Check]:
    """The newest first."""
    query = _CHECK.where(jira_drift_checks.c.account_id == account_id)
    return [Check(*row) for row in tx.execute(query.order_by(jira_drift_checks.c.requested_at.desc()).limit(limit))]


def accounts_asked_nightly(tx: Transaction, since: int) -> set[str]:
    """The accounts whose nightly check was asked for since then; one question for all, asked every few seconds."""
    mine = (jira_drift_checks.c.kind == NIGHTLY) & (jira_drift_checks.c.requested_at >= since)
    return set(tx.scalars(sa.select(jira_drift_checks.c.account_id).where(mine).distinct()))


def ever_shown(tx: Transaction, account_id: str, since: int) -> bool:
    """Whether Jira let any flag be read since then."""
    there = sa.exists().where(
        jira_drift_checks.c.account_id == account_id,
        jira_drift_checks.c.shown > 0,
        jira_drift_checks.c.requested_at >= since,
    )
    return bool(tx.scalar(sa.select(there)))


def update(tx: Transaction, check: Check, counts: Counts | None = None, **values: Any) -> None:
    """Set columns of a check, and add to its counts."""
    for one in fields(Counts) if counts else ():
        values[one.name] = jira_drift_checks.c[one.name] + getattr(counts, one.name)
    tx.execute(sa.update(jira_drift_checks).where(jira_drift_checks.c.id == check.id).values(**values))


def finish(tx: Transaction, check: Check, outcome: str, words: str, now: int) -> None:
    """End one."""
    update(tx, check, outcome=outcome, words=words, finished_at=now)


def forget_older(tx: Transaction, account_id: str) -> None:
    """Keep the newest checks of an account only, with what they found: of everything, and of single flags.

    Apart, since the last one of everything says when the next is due, and where it begins.
    """
    for kinds in ((NIGHTLY, ASKED), (FLAG, LATER)):
        mine = (jira_drift_checks.c.account_id == account_id) & jira_drift_checks.c.kind.in_(kinds)
        kept = sa.select(jira_drift_checks.c.id).where(mine)
        kept = kept.order_by(jira_drift_checks.c.requested_at.desc()).limit(KEPT)
        tx.execute(sa.delete(jira_drift_checks).where(mine, ~_OPEN, jira_drift_checks.c.id.not_in(kept)))


# What they read ---------------------------------------------------------------------------------------------------


_CANDIDATE = sa.select(*(outbox_entries.c[one.name] for one in fields(OutboxEntry)), outbox_entries.c.deleted_at)
_MAY_BE_THERE = outbox_entries.c.held | outbox_entries.c.deleted_at.is_not(None)


def candidates(tx: Transaction, account_id: str, after: str, until: str, limit: int) -> list[Candidate]:
    """The next flags that Jira holds, or held, by their ids; `until`: the last one that counts, empty for no bound."""
    query = _CANDIDATE.where(outbox_entries.c.account_id == account_id, outbox_entries.c.flag_id > after, _MAY_BE_THERE)
    if until:
        query = query.where(outbox_entries.c.flag_id <= until)
    return _candidates(tx, query.order_by(outbox_entries.c.flag_id).limit(limit))


def candidate(tx: Transaction, flag_id: str) -> list[Candidate]:
    """One flag, where it was ever connected."""
    return _candidates(tx, _CANDIDATE.where(outbox_entries.c.flag_id == flag_id))


def accounts_to_read_back(tx: Transaction, now: int) -> set[str]:
    """The accounts that have any flag to be read back by now."""
    return set(
        tx.scalars(sa.select(outbox_entries.c.account_id).where(outbox_entries.c.read_back_at <= now).distinct())
    )


def due(tx: Transaction, account_id: str, now: int, limit: int) -> list[Candidate]:
    """Those that were to be read back by now."""
    query = _CANDIDATE.where(outbox_entries.c.read_back_at <= now, outbox_entries.c.account_id == account_id)
    return _candidates(tx, query.order_by(outbox_entries.c.read_back_at).limit(limit))


def _candidates(tx: Transaction, query: sa.Select[Any]) -> list[Candidate]:
    found = [Candidate(OutboxEntry(*row[:-1]), row[-1]) for row in tx.execute(query)]
    named = _names(tx, [one.push.flag_id for one in found])
    return [Candidate(one.push, one.deleted_at, named.get(one.push.flag_id, {})) for one in found]


def _names(tx: Transaction, flag_ids: Collection[str]) -> dict[str, dict[str, set[str]]]:
    """What the issues of each flag are called: both names of an issue, by each of them."""
    query = sa.select(connections.c.flag_id, issues.c.jira_id, issues.c.key)
    query = query.join_from(connections, issues).where(connections.c.flag_id.in_(flag_ids))
    found: dict[str, dict[str, set[str]]] = {}
    for flag_id, jira_id, key in tx.execute(query) if flag_ids else ():
        names = {name for name in (jira_id, key) if name}
        found.setdefault(flag_id, {}).update(dict.fromkeys(names, names))
    return found


def count_candidates(tx: Transaction, account_id: str) -> int:
    """How many flags a whole check reads."""
    query = (
        sa.select(sa.func.count())
        .select_from(outbox_entries)
        .where(outbox_entries.c.account_id == account_id, _MAY_BE_THERE)
    )
    return tx.scalar(query) or 0


def repair(tx: Transaction, seen: OutboxEntry, now: int, *, above: int = 0, held: bool) -> bool:
    """Have Jira hear of a flag once more, in a version above this one; False where it changed since it was seen."""
    version = max(now, seen.wanted + 1, above + 1)
    raised = sa.update(outbox_entries).where(_unchanged(seen))
    return tx.execute(raised.values(wanted=version, wanted_at=now, held=held, read_back_at=None)).rowcount == 1


def read_back_at(tx: Transaction, seen: OutboxEntry, when: int | None) -> bool:
    """When to read a flag back again; None: no more. False where it changed since it was seen."""
    return tx.execute(sa.update(outbox_entries).where(_unchanged(seen)).values(read_back_at=when)).rowcount == 1


def put_off(tx: Transaction, flag_ids: Collection[str], when: int | None) -> None:
    """Read these back later, or no more (None), whatever they are: they cannot be judged now."""
    tx.execute(sa.update(outbox_entries).where(outbox_entries.c.flag_id.in_(flag_ids)).values(read_back_at=when))


def note_gone(tx: Transaction, seen: OutboxEntry, now: int) -> None:
    """Jira was seen to hold nothing of a deleted flag: it need not be looked at again, once no delete can be late."""
    long_ago = outbox_entries.c.deleted_at < now - DELETES_LATE_MS
    tx.execute(sa.update(outbox_entries).where(_unchanged(seen), long_ago).values(deleted_at=None))


def _unchanged(seen: OutboxEntry) -> sa.ColumnElement[bool]:
    same = (outbox_entries.c.wanted == seen.wanted) & (outbox_entries.c.delivered == seen.wanted)
    return (outbox_entries.c.flag_id == seen.flag_id) & same


# What they found --------------------------------------------------------------------------------------------------


def add_findings(tx: Transaction, check: Check, found: Iterable[Finding]) -> None:
    """Keep what a check found."""
    rows = [
        {"id": str(uuid4()), "check_id": check.id, **{one.name: getattr(finding, one.name) for one in fields(Finding)}}
        for finding in found
    ]
    if rows:
        tx.execute(sa.insert(jira_drift_findings), rows)


def findings(tx: Transaction, check: Check, limit: int) -> list[Finding]:
    """What a check found, the newest first."""
    query = _FINDING.where(jira_drift_findings.c.check_id == check.id)
    return [Finding(*row) for row in tx.execute(query.order_by(jira_drift_findings.c.at.desc()).limit(limit))]


def latest_of_flag(tx: Transaction, flag_id: str, limit: int) -> list[Finding]:
    """What was found of one flag, the newest first."""
    query = _FINDING.where(jira_drift_findings.c.flag_id == flag_id)
    return [Finding(*row) for row in tx.execute(query.order_by(jira_drift_findings.c.at.desc()).limit(limit))]
