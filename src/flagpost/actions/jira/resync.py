"""Sending again what Jira was told already: everything, a project, or one flag; how far that is; and cancelling it."""

from flagpost.actions.access import Actor, Right
from flagpost.actions.audit import record
from flagpost.actions.context import Context
from flagpost.actions.lookup import get_visible_flag, get_visible_project
from flagpost.errors import Conflict, InvalidInput, NotFound
from flagpost.store.db import Transaction
from flagpost.store.jira import integrations, outbox, resyncs
from flagpost.store.jira.integrations import Site
from flagpost.store.jira.resyncs import Backfill, Progress

SHOWN = 10


def send_again(ctx: Context, actor: Actor, project: str | None = None, flag: str | None = None) -> Progress:
    """Have Jira told again of every connected flag, of those of a project, or of one flag of it.

    Everything: also tries again whatever had stopped delivery. Conflict where no site is connected, or the flag was
    never connected with an issue.
    """
    _require(actor, flag)
    if flag is not None and project is None:
        raise InvalidInput("Say which project the flag is in.", "project")
    now = ctx.clock()
    with ctx.db.write() as tx:
        site = connected_site(tx, actor)
        asked = _everything(tx, actor, site, now) if project is None else _part(tx, actor, project, flag, now)
        _record(tx, actor, now, asked, "resent")
        shown = resyncs.find(tx, actor.account_id, asked.id)
        assert shown is not None  # noqa: S101 - it was made a line above
        found = resyncs.progress(tx, shown, now)
    ctx.wake(actor.account_id)
    return found


def connected_site(tx: Transaction, actor: Actor) -> Site:
    """The Jira site the account is connected to. Conflict where there is none."""
    site = integrations.site_of_account(tx, actor.account_id)
    if site is None or site.disconnected_at:
        raise Conflict("No Jira site is connected yet.")
    return site


def _require(actor: Actor, flag: str | None) -> None:
    actor.require(Right.MANAGE_INTEGRATIONS if flag is None else Right.EDIT_FLAGS)


def _everything(tx: Transaction, actor: Actor, site: Site, now: int) -> Backfill:
    """Begun by the delivery, which knows whether Jira holds anything yet; asked for twice, it is done once."""
    integrations.want_everything(tx, site.id, now)
    waiting = resyncs.waiting_for_site(tx, actor.account_id)
    return waiting or resyncs.insert(tx, actor.account_id, site.site_url, now, actor.name)


def _part(tx: Transaction, actor: Actor, project: str, flag: str | None, now: int) -> Backfill:
    place = get_visible_project(tx, actor, project)
    if flag is None:
        asked = resyncs.insert(tx, actor.account_id, place.name, now, actor.name, resyncs.PROJECT, project_id=place.id)
    else:
        one = get_visible_flag(tx, place, flag)
        if outbox.find(tx, one.id) is None:
            raise Conflict(f"“{one.name}” was never connected with an issue, so there is nothing to send.")
        of = {"project_id": place.id, "flag_id": one.id}
        asked = resyncs.insert(tx, actor.account_id, one.name, now, actor.name, resyncs.FLAG, **of)
    resyncs.begin(tx, asked, now)
    return asked


def cancel(ctx: Context, actor: Actor, backfill: str) -> Progress:
    """End one that is under way. Changes that Jira has yet to hear of are sent all the same.

    Conflict where it is over, or where all that is left is news to Jira, as after a site was connected.
    """
    now = ctx.clock()
    with ctx.db.write() as tx:
        found = _reach(tx, actor, backfill)
        if found.outcome is not None:
            raise Conflict("This is over already.")
        site = integrations.site_of_account(tx, actor.account_id)
        if found.started_at is None and site:
            _take_back(tx, site)
        spared = resyncs.cancel(tx, found, now, actor.name)
        if found.started_at is not None and not spared:
            raise Conflict("What is left of it is news to Jira, so all of it has to be sent.")
        if found.scope == resyncs.SITE and site and site.backfill_finished_at is None:
            integrations.update_site(tx, site.id, backfill_finished_at=now)
        _record(tx, actor, now, found, "cancelled_resend")
        ended = _reach(tx, actor, backfill)
    return Progress(ended, 0, 0.0)


def _take_back(tx: Transaction, site: Site) -> None:
    if site.backfill_started_at is None:
        raise Conflict("Jira holds nothing yet, so there is nothing to cancel: all of this is news to it.")
    integrations.update_site(tx, site.id, resend_wanted_at=None)


def get_backfill(ctx: Context, actor: Actor, backfill: str) -> Progress:
    """How far one is."""
    with ctx.db.read() as tx:
        return resyncs.progress(tx, _reach(tx, actor, backfill), ctx.clock())


def list_backfills(ctx: Context, actor: Actor) -> list[Progress]:
    """The latest of the account, the newest first."""
    actor.require(Right.MANAGE_INTEGRATIONS)
    with ctx.db.read() as tx:
        return read_resyncs(tx, actor.account_id, ctx.clock())


def read_resyncs(tx: Transaction, account_id: str, now: int) -> list[Progress]:
    """Within a transaction: the latest of the account, the newest first."""
    return [resyncs.progress(tx, one, now) for one in resyncs.latest(tx, account_id, SHOWN)]


def _reach(tx: Transaction, actor: Actor, backfill: str) -> Backfill:
    """One that the actor may see: of a flag, whoever may change that flag; of more, whoever manages integrations."""
    found = resyncs.find(tx, actor.account_id, backfill)
    if found is None:
        raise NotFound("There is no such back-fill.")
    _require(actor, found.flag_id)
    if found.flag_id is not None and found.project_id is not None:
        get_visible_project(tx, actor, found.project_id)
    return found


def _record(tx: Transaction, actor: Actor, now: int, what: Backfill, change: str) -> None:
    record(
        tx,
        actor,
        now,
        change,
        object_type="integration",
        object_id=what.id,
        object_name=what.name,
        project_id=what.project_id,
    )
