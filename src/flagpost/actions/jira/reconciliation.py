"""Reconciliation: comparing what Jira holds with what it was sent, at a user's request, and what the runs found."""

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
class ReconciliationReport:
    """A reconciliation run, and up to two hundred of its findings."""

    run: Reconciliation
    findings: list[Finding]


@transactional
def request_reconciliation(change: Change, project: str | None = None, flag: str | None = None) -> ReconciliationReport:
    """Compare every flag, or one, with Jira; what differs is sent again. The run begins within seconds.

    A run that covers the same flags and is not over is returned instead of a second one. Conflict where no site is
    connected, or the flag was never connected with an issue.
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
    asked = _unfinished(change, None)
    if asked is None:
        asked = _request(change, reconciliations.ASKED, site.site_url)
        change.saved("comparison_requested", Subject("integration", asked.id, asked.name))
    return asked


def _one_flag(change: Change, project: str, flag: str) -> Reconciliation:
    found = get_visible_project(change.tx, change.actor, project, lock=Lock.SHARE)
    one = get_visible_flag(change.tx, found, flag, lock=Lock.SHARE)
    lock_connected_site(change)
    if outbox.find(change.tx, one.id) is None:
        raise Conflict(f"“{one.name}” was never connected with an issue, so Jira has nothing of it.")
    return _unfinished(change, one.id) or _request(change, reconciliations.FLAG, one.name, one.id)


def _unfinished(change: Change, flag_id: str | None) -> Reconciliation | None:
    """The unfinished run over this flag, or over all flags (None). The site's lock keeps others from starting one."""
    unfinished = reconciliations.unfinished(change.tx, change.actor.account_id)
    return next((one for one in unfinished if one.flag_id == flag_id), None)


def _request(change: Change, kind: str, name: str, flag_id: str | None = None) -> Reconciliation:
    actor = change.actor
    return reconciliations.request(change.tx, actor.account_id, kind, name, change.now, actor.name, flag_id)


def get_reconciliation(ctx: Context, actor: Actor, run: str) -> ReconciliationReport:
    """One run, with what it found so far."""
    with ctx.db.read() as tx:
        found = reconciliations.find(tx, actor.account_id, run)
        if found is None:
            raise NotFound("There is no such comparison.")
        actor.require(Right.MANAGE_INTEGRATIONS if found.flag_id is None else Right.EDIT_FLAGS)
        if found.flag_id and (entry := outbox.find(tx, found.flag_id)):
            get_visible_project(tx, actor, entry.project_id)
        return _report(tx, found)


def list_reconciliations(ctx: Context, actor: Actor) -> list[ReconciliationReport]:
    """The latest runs of the account, the newest first."""
    actor.require(Right.MANAGE_INTEGRATIONS)
    with ctx.db.read() as tx:
        return read_reconciliations(tx, actor.account_id)


def read_reconciliations(tx: Transaction, account_id: str) -> list[ReconciliationReport]:
    """Within a transaction: the latest runs of the account, the newest first."""
    return [_report(tx, one) for one in reconciliations.latest(tx, account_id, SHOWN)]


def _report(tx: Transaction, run: Reconciliation) -> ReconciliationReport:
    return ReconciliationReport(run, reconciliations.findings(tx, run, MOST_FINDINGS))
