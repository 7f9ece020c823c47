"""Which changes have to go through a change request.

An environment's `changePermissions` (Split's, as the Admin API takes them) say whether approvals are required there,
who may pass without one, and whether kills may. While a change request for a flag or segment is open, it is locked:
nothing but an allowed kill changes it until that is decided.
"""

from collections.abc import Mapping
from typing import Any

from flagpost.actions.access import Actor
from flagpost.errors import ApprovalRequired, Conflict
from flagpost.store.change_requests import requests as change_requests
from flagpost.store.db import Transaction
from flagpost.store.records import Environment


def require_direct_change(tx: Transaction, actor: Actor, environment: Environment, object_id: str) -> None:
    """ApprovalRequired, in Split's words, where a change has to be approved; Conflict where one is waiting for that."""
    if must_ask(actor, environment):
        raise ApprovalRequired(f"Approvals are required. orgId={actor.account_id} envId={environment.id}")
    require_unlocked(tx, environment, object_id)


def require_direct_kill(tx: Transaction, actor: Actor, environment: Environment, object_id: str) -> None:
    """ApprovalRequired or Conflict where a kill has to be approved. An environment may let kills pass at any time."""
    if requires_approval(environment) and not allows_kills(environment):
        require_direct_change(tx, actor, environment, object_id)


def must_ask(actor: Actor, environment: Environment) -> bool:
    """Whether another user has to approve this actor's changes in an environment."""
    return requires_approval(environment) and not _may_skip(actor, environment)


def requires_approval(environment: Environment) -> bool:
    """Whether another user approves changes in an environment before they apply."""
    return _permissions(environment).get("areApprovalsRequired") is True


def allows_kills(environment: Environment) -> bool:
    """Whether a kill needs no approval in an environment. As in Split, it needs none unless settings say so."""
    return _permissions(environment).get("allowKills", True) is not False


def restricted_approvers(environment: Environment) -> frozenset[str] | None:
    """The ids of the only users and groups that may approve in an environment; None where every editor may."""
    permissions = _permissions(environment)
    return _ids(permissions.get("approvers")) if permissions.get("areApproversRestricted") is True else None


def _may_skip(actor: Actor, environment: Environment) -> bool:
    return bool(_ids(_permissions(environment).get("approvalSkippableBy")) & {actor.id, *actor.group_ids})


def require_unlocked(tx: Transaction, environment: Environment, object_id: str) -> None:
    """Conflict where a change request for this flag or segment is open."""
    if found := change_requests.open_id(tx, object_id, environment.id):
        raise Conflict(f"A change request is open in {environment.name} ({found}). Decide or withdraw it first.")


def _permissions(environment: Environment) -> Mapping[str, Any]:
    found = environment.permissions.get("changePermissions")
    return found if isinstance(found, Mapping) else {}


def _ids(listed: object) -> frozenset[str]:
    if not isinstance(listed, list):
        return frozenset()
    return frozenset(one["id"] for one in listed if isinstance(one, Mapping) and isinstance(one.get("id"), str))
