"""The audit log: written by every action in its own transaction, read by people."""

from collections.abc import Mapping
from typing import Any

from flagpost.actions.access import Actor, Right
from flagpost.actions.context import Context
from flagpost.actions.lookup import get_visible_environment, get_visible_flag, get_visible_project
from flagpost.store import audit
from flagpost.store.db import Transaction
from flagpost.store.records import AuditEntry, Page


def record(
    tx: Transaction,
    actor: Actor,
    now: int,
    change: str,
    *,
    object_type: str,
    object_id: str,
    object_name: str,
    project_id: str | None = None,
    environment_id: str | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    title: str = "",
    comment: str = "",
) -> None:
    """Note who changed what. For a definition, the object is its flag: people look for it there."""
    audit.write(
        tx,
        {
            "account_id": actor.account_id,
            "project_id": project_id,
            "environment_id": environment_id,
            "object_type": object_type,
            "object_id": object_id,
            "object_name": object_name,
            "change": change,
            "actor_type": actor.type.value,
            "actor_id": actor.id,
            "actor_name": actor.name,
            "title": title,
            "comment": comment,
            "before": dict(before) if before is not None else None,
            "after": dict(after) if after is not None else None,
            "at": now,
        },
    )


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
