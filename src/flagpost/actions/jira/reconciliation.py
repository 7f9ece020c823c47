"""Asking for a check of what Jira holds against what it was told, and seeing what the last ones found."""

from dataclasses import dataclass

from flagpost.actions.access import Actor, Right
from flagpost.actions.audit import record
from flagpost.actions.context import Context
from flagpost.actions.jira.resync import connected_site
from flagpost.actions.lookup import get_visible_flag, get_visible_project
from flagpost.errors import Conflict, InvalidInput, NotFound
from flagpost.store.db import Transaction
from flagpost.store.jira import outbox, reconciliations
from flagpost.store.jira.reconciliations import Check, Finding

SHOWN = 10
MOST_FINDINGS = 200


@dataclass(frozen=True, slots=True)
class CheckReport:
    """A check, and up to two hundred of what it found."""

    check: Check
    findings: list[Finding]


def ask_for_check(ctx: Context, actor: Actor, project: str | None = None, flag: str | None = None) -> CheckReport:
    """Have every flag, or one, read back from Jira and compared; what differs is sent again. Begins within seconds.

    The check of everything that is under way already, where there is one. Conflict where no site is connected, or the
    flag was never connected with an issue.
    """
    actor.require(Right.MANAGE_INTEGRATIONS if flag is None else Right.EDIT_FLAGS)
    if flag is not None and project is None:
        raise InvalidInput("Say which project the flag is in.", "project")
    if project is not None and flag is None:
        raise InvalidInput("Name one of the project's flags, or no project for everything.", "flag")
    now = ctx.clock()
    with ctx.db.write() as tx:
        site = connected_site(tx, actor)
        if flag is not None and project is not None:
            return _report(tx, _ask_for_one(tx, actor, project, flag, now))
        running = next((one for one in reconciliations.unfinished(tx, actor.account_id) if one.flag_id is None), None)
        if running:
            return _report(tx, running)
        asked = reconciliations.request(tx, actor.account_id, reconciliations.ASKED, site.site_url, now, actor.name)
        record(tx, actor, now, "asked_for_check", object_type="integration", object_id=asked.id, object_name=asked.name)
        return _report(tx, asked)


def _ask_for_one(tx: Transaction, actor: Actor, project: str, flag: str, now: int) -> Check:
    one = get_visible_flag(tx, get_visible_project(tx, actor, project), flag)
    if outbox.find(tx, one.id) is None:
        raise Conflict(f"“{one.name}” was never connected with an issue, so Jira has nothing of it.")
    running = next(
        (known for known in reconciliations.unfinished(tx, actor.account_id) if known.flag_id == one.id), None
    )
    return running or reconciliations.request(
        tx, actor.account_id, reconciliations.FLAG, one.name, now, actor.name, one.id
    )


def get_check(ctx: Context, actor: Actor, check: str) -> CheckReport:
    """One check, with what it found so far."""
    with ctx.db.read() as tx:
        found = reconciliations.find(tx, actor.account_id, check)
        if found is None:
            raise NotFound("There is no such check.")
        actor.require(Right.MANAGE_INTEGRATIONS if found.flag_id is None else Right.EDIT_FLAGS)
        if found.flag_id and (push := outbox.find(tx, found.flag_id)):
            get_visible_project(tx, actor, push.project_id)
        return _report(tx, found)


def list_checks(ctx: Context, actor: Actor) -> list[CheckReport]:
    """The last ones, the newest first."""
    actor.require(Right.MANAGE_INTEGRATIONS)
    with ctx.db.read() as tx:
        return read_checks(tx, actor.account_id)


def read_checks(tx: Transaction, account_id: str) -> list[CheckReport]:
    """Within a transaction: the last ones, the newest first."""
    return [_report(tx, one) for one in reconciliations.latest(tx, account_id, SHOWN)]


def _report(tx: Transaction, check: Check) -> CheckReport:
    return CheckReport(check, reconciliations.findings(tx, check, MOST_FINDINGS))
