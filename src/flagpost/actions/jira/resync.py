"""Resync: sending to Jira again everything, a project or one flag; how far a resync is; and cancelling it."""

from flagpost.actions.access import Actor, Right
from flagpost.actions.context import Context
from flagpost.actions.jira.site import lock_connected_site
from flagpost.actions.lookup import get_visible_flag, get_visible_project
from flagpost.actions.unit_of_work import Change, Subject, transactional
from flagpost.errors import Conflict, InvalidInput, NotFound
from flagpost.store.db import Transaction
from flagpost.store.jira import integrations, outbox, resyncs
from flagpost.store.jira.integrations import Site
from flagpost.store.jira.resyncs import Progress, Resync
from flagpost.store.locks import Lock

SHOWN = 10


@transactional
def start_resync(change: Change, project: str | None = None, flag: str | None = None) -> Progress:
    """Send every connected flag to Jira again, those of a project, or one flag of it.

    Everything: also where delivery had stopped or paused. Conflict where no site is connected, or the flag was never
    connected with an issue.
    """
    _require(change.actor, flag)
    if flag is not None and project is None:
        raise InvalidInput("Say which project the flag is in.", "project")
    asked = _everything(change) if project is None else _part(change, project, flag)
    change.saved("resync_started", _subject(asked))
    change.wake_delivery()
    present = resyncs.find(change.tx, change.actor.account_id, asked.id)
    assert present is not None  # noqa: S101 - inserted or found above
    return resyncs.progress(change.tx, present, change.now)


def _require(actor: Actor, flag: str | None) -> None:
    actor.require(Right.MANAGE_INTEGRATIONS if flag is None else Right.EDIT_FLAGS)


def _everything(change: Change) -> Resync:
    """The resync of the whole site. Delivery begins it, because it knows whether Jira holds flags already."""
    tx, actor = change.tx, change.actor
    site = lock_connected_site(change)
    integrations.request_resync(tx, site.id, change.now)
    waiting = resyncs.requested_of_site(tx, actor.account_id)
    return waiting or resyncs.insert(tx, actor.account_id, site.site_url, change.now, actor.name)


def _part(change: Change, project: str, flag: str | None) -> Resync:
    tx, actor, now = change.tx, change.actor, change.now
    place = get_visible_project(tx, actor, project, lock=Lock.SHARE)
    one = None if flag is None else get_visible_flag(tx, place, flag, lock=Lock.SHARE)
    lock_connected_site(change)
    if one is None:
        asked = resyncs.insert(tx, actor.account_id, place.name, now, actor.name, resyncs.PROJECT, project_id=place.id)
    elif outbox.find(tx, one.id) is None:
        raise Conflict(f"“{one.name}” was never connected with an issue, so there is nothing to send.")
    else:
        of = {"project_id": place.id, "flag_id": one.id}
        asked = resyncs.insert(tx, actor.account_id, one.name, now, actor.name, resyncs.FLAG, **of)
    resyncs.begin(tx, asked, now)
    return asked


@transactional
def cancel(change: Change, resync: str) -> Progress:
    """End a resync that is running. Flags that changed since they were sent last are sent all the same.

    Conflict where it is over, or where every flag that is left changed, as after a site was connected.
    """
    tx, actor, now = change.tx, change.actor, change.now
    site = integrations.lock_site(tx, actor.account_id)
    found = _find(tx, actor, resync)
    if found.outcome is not None:
        raise Conflict("This is over already.")
    spared = resyncs.cancel(tx, found, now, actor.name)
    if found.started_at is None and site:
        _take_back(change, site)
    if found.started_at is not None and not spared:
        raise Conflict("Every flag that is left has changed since Jira received it, so all of them have to be sent.")
    if found.scope == resyncs.SITE and site and site.resync_finished_at is None:
        integrations.update_site(tx, site.id, resync_finished_at=now)
    change.saved("resync_cancelled", _subject(found))
    return Progress(_find(tx, actor, resync), 0, 0.0)


def _take_back(change: Change, site: Site) -> None:
    if site.resync_started_at is None:
        raise Conflict("Jira holds no flag yet, so there is nothing to cancel: every flag has to be sent.")
    integrations.update_site(change.tx, site.id, resync_requested_at=None)


def get_resync(ctx: Context, actor: Actor, resync: str) -> Progress:
    """How far a resync is."""
    with ctx.db.read() as tx:
        return resyncs.progress(tx, _find(tx, actor, resync), ctx.clock())


def list_resyncs(ctx: Context, actor: Actor) -> list[Progress]:
    """The latest resyncs of the account, the newest first."""
    actor.require(Right.MANAGE_INTEGRATIONS)
    with ctx.db.read() as tx:
        return read_resyncs(tx, actor.account_id, ctx.clock())


def read_resyncs(tx: Transaction, account_id: str, now: int) -> list[Progress]:
    """Within a transaction: the latest of the account, the newest first."""
    return [resyncs.progress(tx, one, now) for one in resyncs.latest(tx, account_id, SHOWN)]


def _find(tx: Transaction, actor: Actor, resync: str) -> Resync:
    """A resync that the actor may see: of one flag, who may change that flag; of more, who manages integrations."""
    found = resyncs.find(tx, actor.account_id, resync)
    if found is None:
        raise NotFound("There is no such resync.")
    _require(actor, found.flag_id)
    if found.flag_id is not None and found.project_id is not None:
        get_visible_project(tx, actor, found.project_id)
    return found


def _subject(resync: Resync) -> Subject:
    return Subject("integration", resync.id, resync.name, resync.project_id)
