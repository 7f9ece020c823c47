"""Reading the audit log. `flagpost.actions.unit_of_work` writes it, in the transaction of each change."""

from flagpost.actions.access import Actor, Right
from flagpost.actions.context import Context
from flagpost.actions.lookup import get_visible_environment, get_visible_flag, get_visible_project
from flagpost.store import audit
from flagpost.store.records import AuditEntry, Page


def list_audit(
    ctx: Context,
    actor: Actor,
    project: str,
    *,
    flag: str | None = None,
    environment: str | None = None,
    offset: int = 0,
    limit: int = 20,
) -> Page[AuditEntry]:
    """The log of a project, of one of its flags, or of one environment; the newest first."""
    actor.require(Right.VIEW_FLAGS)
    with ctx.db.read() as tx:
        found = get_visible_project(tx, actor, project)
        only = {"project_id": found.id, "object_id": None, "environment_id": None}
        if flag is not None:
            only["object_id"] = get_visible_flag(tx, found, flag).id
        if environment is not None:
            only["environment_id"] = get_visible_environment(tx, actor, found, environment).id
        return audit.page(tx, actor.account_id, offset, limit, **only)


def list_account_audit(ctx: Context, actor: Actor, *, offset: int = 0, limit: int = 20) -> Page[AuditEntry]:
    """The log of the whole account, for those who manage it."""
    actor.require(Right.MANAGE_PEOPLE)
    with ctx.db.read() as tx:
        return audit.page(tx, actor.account_id, offset, limit)
