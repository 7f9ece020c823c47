"""Reconciliation: asking for a comparison of what Jira holds with what it was sent, and what comparisons found."""

from dataclasses import dataclass

from flagpost.actions.access import Actor, Right
from flagpost.actions.context import Context
from flagpost.actions.jira.site import lock_connected_site
from flagpost.actions.lookup import get_visible_flag, get_visible_project
from flagpost.actions.unit_of_work import Change, Subject, transactional
from flagpost.errors import Conflict, InvalidInput, NotFound
from flagpost.store.db import Transaction
from flagpost.store.jira import outbox, reconciliations
from flagpost.store.jira.reconciliations import Finding, Reconciliation
from flagpost.store.locks import Lock

SHOWN = 10
MOST_FINDINGS = 200


@dataclass(frozen=True, slots=True)
class CheckReport:
    """A comparison, and up to two hundred of what it found."""

    check: Reconciliation
    findings: list[Finding]


@transactional
def ask_for_check(change: Change, project: str | None = None, flag: str | None = None) -> CheckReport:
    """Compare every flag, or one, with Jira; what differs is sent again. The comparison begins within seconds.

    One that covers the same and is under way already is not doubled. Conflict where no site is connected, or the flag
    was never connected with an issue.
    """
    change.actor.require(Right.MANAGE_INTEGRATIONS if flag is None else Right.EDIT_FLAGS)
    if flag is not None and project is None:
        raise InvalidInput("Say which project the flag is in.", "project")
    if project is not None and flag is None:
        raise InvalidInput("Name one of the project's flags, or no project for everything.", "flag")
    asked = _everything(change) if flag is None or project is None else _one_flag(change, project, flag)
    return _report(change.tx, asked)


def _everything(change: Change) -> Reconciliation:
    site = lock_connected_site(change)
    asked = _under_way(change, None)
    if asked is None:
        asked = _request(change, reconciliations.ASKED, site.site_url)
        change.saved("asked_for_check", Subject("integration", asked.id, asked.name))
    return asked


def _one_flag(change: Change, project: str, flag: str) -> Reconciliation:
    found = get_visible_project(change.tx, change.actor, project, lock=Lock.SHARE)
    one = get_visible_flag(change.tx, found, flag, lock=Lock.SHARE)
    lock_connected_site(change)
    if outbox.find(change.tx, one.id) is None:
        raise Conflict(f"“{one.name}” was never connected with an issue, so Jira has nothing of it.")
    return _under_way(change, one.id) or _request(change, reconciliations.FLAG, one.name, one.id)


def _under_way(change: Change, flag_id: str | None) -> Reconciliation | None:
    """The comparison of this flag, or of everything (None), that is under way. The site's lock keeps others out."""
    under_way = reconciliations.unfinished(change.tx, change.actor.account_id)
    return next((one for one in under_way if one.flag_id == flag_id), None)


def _request(change: Change, kind: str, name: str, flag_id: str | None = None) -> Reconciliation:
    actor = change.actor
    return reconciliations.request(change.tx, actor.account_id, kind, name, change.now, actor.name, flag_id)


def get_check(ctx: Context, actor: Actor, check: str) -> CheckReport:
    """One comparison, with what it found so far."""
    with ctx.db.read() as tx:
        found = reconciliations.find(tx, actor.account_id, check)
        if found is None:
            raise NotFound("There is no such comparison.")
        actor.require(Right.MANAGE_INTEGRATIONS if found.flag_id is None else Right.EDIT_FLAGS)
        if found.flag_id and (entry := outbox.find(tx, found.flag_id)):
            get_visible_project(tx, actor, entry.project_id)
        return _report(tx, found)


def list_checks(ctx: Context, actor: Actor) -> list[CheckReport]:
    """The latest comparisons of the account, the newest first."""
    actor.require(Right.MANAGE_INTEGRATIONS)
    with ctx.db.read() as tx:
        return read_checks(tx, actor.account_id)


def read_checks(tx: Transaction, account_id: str) -> list[CheckReport]:
    """Within a transaction: the last ones, the newest first."""
    return [_report(tx, one) for one in reconciliations.latest(tx, account_id, SHOWN)]


def _report(tx: Transaction, check: Reconciliation) -> CheckReport:
    return CheckReport(check, reconciliations.findings(tx, check, MOST_FINDINGS))
