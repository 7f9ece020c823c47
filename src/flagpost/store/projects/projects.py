"""Projects, and what all flags of a project share: environments, traffic types, rollout statuses, view permissions."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from flagpost.flags.model import JiraEnvironmentType
from flagpost.store import rows
from flagpost.store.db import Condition, Transaction
from flagpost.store.locks import Lock, take
from flagpost.store.records import Environment, Owner, Page, Project, RolloutStatus, TrafficType
from flagpost.store.schema.core import (
    api_keys,
    definitions,
    environments,
    flags,
    groups,
    project_grants,
    projects,
    rollout_statuses,
    traffic_types,
    users,
)

#: Split's labels, in the order a flag goes through them.
ROLLOUT_STATUSES = (
    ("Pre-Production", "Not in production yet", "grey"),
    ("0% in Production", "In production, served to no key", "grey"),
    ("Killed", "Switched off", "red"),
    ("Internal Testing", "Only the team gets it", "blue"),
    ("External Beta", "Some customers get it", "blue"),
    ("Ramping", "More and more get it", "blue"),
    ("Experimenting", "Being measured", "blue"),
    ("100% Released", "Everybody gets it", "green"),
    ("Removed from Code", "No application asks for it any more", "grey"),
    ("Permanent", "Here to stay", "white"),
)


def visible_to(account_id: str, grantees: Collection[str] | None, only: str | None = None) -> Condition:
    """The condition that a project of this account is visible to an actor with these ids; to every actor where None.

    `only` is the id of the one project that a key is bound to.
    """
    own = projects.c.account_id == account_id
    if only is not None:
        own = own & (projects.c.id == only)
    if grantees is None:
        return own
    granted = sa.exists().where(
        project_grants.c.project_id == projects.c.id, project_grants.c.grantee_id.in_(list(grantees))
    )
    return own & (~projects.c.restricted | granted)


# Projects ---------------------------------------------------------------------------------------------------------


_REF: sa.BindParameter[str] = sa.bindparam("ref", type_=sa.Text)
_FIND = (
    sa.select(*rows.PROJECT)
    .where(projects.c.account_id == sa.bindparam("account_id"), sa.or_(projects.c.id == _REF, projects.c.name == _REF))
    .order_by(projects.c.id != _REF)
    .limit(1)
)


def find(tx: Transaction, account_id: str, ref: str) -> Project | None:
    """The project with this id or name, an id first, whether or not an actor may see it."""
    row = tx.execute(_FIND, {"account_id": account_id, "ref": ref}).first()
    return rows.project(row) if row else None


def lock(tx: Transaction, project_id: str, strength: Lock = Lock.CHANGE) -> Project | None:
    """The project with this id, locked until the commit (`store.locks`)."""
    take(tx, projects, [project_id], strength)
    row = tx.execute(sa.select(*rows.PROJECT).where(projects.c.id == project_id)).first()
    return rows.project(row) if row else None


def is_granted(tx: Transaction, project_id: str, grantees: Collection[str]) -> bool:
    """Whether an actor with these ids may view a restricted project."""
    listed = project_grants.c.project_id == project_id, project_grants.c.grantee_id.in_(list(grantees))
    return bool(tx.scalar(sa.select(sa.exists().where(*listed))))


def page(
    tx: Transaction, condition: Condition, name: str | None, name_op: str, offset: int, limit: int
) -> Page[Project]:
    """Projects in order of name. `name_op` compares with `name`: IS, STARTS_WITH or CONTAINS."""
    if name is not None:
        column, wanted = sa.func.lower(projects.c.name), name.lower()
        by_name = projects.c.name == name
        if name_op == "STARTS_WITH":
            by_name = column.startswith(wanted, autoescape=True)
        elif name_op == "CONTAINS":
            by_name = column.contains(wanted, autoescape=True)
        condition = condition & by_name
    total = tx.scalar(sa.select(sa.func.count()).select_from(projects).where(condition)) or 0
    query = sa.select(*rows.PROJECT).where(condition).order_by(projects.c.name).offset(offset).limit(limit)
    return Page([rows.project(row) for row in tx.execute(query)], offset, limit, total)


def list_by_id(tx: Transaction, condition: Condition, ids: Sequence[str]) -> list[Project]:
    """The projects with these ids that fulfil the condition, in order of name."""
    query = sa.select(*rows.PROJECT).where(condition, projects.c.id.in_(ids)).order_by(projects.c.name)
    return [rows.project(row) for row in tx.execute(query)]


def name_is_taken(tx: Transaction, account_id: str, name: str) -> bool:
    """Whether any project of the account has this name, visible or not."""
    taken = sa.exists().where(projects.c.account_id == account_id, projects.c.name == name)
    return bool(tx.scalar(sa.select(taken)))


def insert(tx: Transaction, account_id: str, name: str, requires_title_and_comments: bool, now: int) -> Project:
    """Insert a project with Split's rollout statuses and nothing else in it."""
    project = Project(str(uuid4()), account_id, name, requires_title_and_comments, False, now)
    tx.execute(
        sa.insert(projects).values(
            id=project.id,
            account_id=account_id,
            name=name,
            requires_title_and_comments=requires_title_and_comments,
            created_at=now,
        )
    )
    statuses = [
        {"id": str(uuid4()), "project_id": project.id, "name": n, "description": d, "colour": c, "position": number}
        for number, (n, d, c) in enumerate(ROLLOUT_STATUSES)
    ]
    tx.execute(sa.insert(rollout_statuses), statuses)
    return project


def update(tx: Transaction, project_id: str, **values: Any) -> None:
    """Set columns of a project."""
    tx.execute(sa.update(projects).where(projects.c.id == project_id).values(**values))


def delete(tx: Transaction, project_id: str) -> None:
    """Delete a project and everything in it."""
    tx.execute(sa.delete(flags).where(flags.c.project_id == project_id))
    tx.execute(sa.delete(projects).where(projects.c.id == project_id))


def count_flags(tx: Transaction, project_id: str) -> int:
    """How many flags a project has, active and archived."""
    return tx.scalar(sa.select(sa.func.count()).select_from(flags).where(flags.c.project_id == project_id)) or 0


# Environments -----------------------------------------------------------------------------------------------------


def list_environments(tx: Transaction, project_id: str) -> list[Environment]:
    """A project's environments in order of name, those for production last."""
    query = sa.select(*rows.ENVIRONMENT).where(environments.c.project_id == project_id)
    found = tx.execute(query.order_by(environments.c.production, environments.c.name))
    return [rows.environment(row) for row in found]


def environments_of(tx: Transaction, project_ids: Collection[str]) -> dict[str, list[Environment]]:
    """The environments of these projects by the project's id, in order of name, those for production last."""
    found: dict[str, list[Environment]] = {id: [] for id in project_ids}
    query = sa.select(*rows.ENVIRONMENT).where(environments.c.project_id.in_(list(project_ids)))
    for row in tx.execute(query.order_by(environments.c.production, environments.c.name)):
        one = rows.environment(row)
        found[one.project_id].append(one)
    return found


def find_environment(tx: Transaction, project_id: str, ref: str) -> Environment | None:
    """The environment with this id or name."""
    mine = environments.c.project_id == project_id
    either = sa.or_(environments.c.id == ref, environments.c.name == ref)
    row = tx.execute(
        sa.select(*rows.ENVIRONMENT).where(mine, either).order_by(environments.c.id != ref).limit(1)
    ).first()
    return rows.environment(row) if row else None


def lock_environment(tx: Transaction, environment_id: str, strength: Lock = Lock.CHANGE) -> Environment | None:
    """The environment with this id, locked until the commit (`store.locks`)."""
    take(tx, environments, [environment_id], strength)
    row = tx.execute(sa.select(*rows.ENVIRONMENT).where(environments.c.id == environment_id)).first()
    return rows.environment(row) if row else None


def find_visible_environment(tx: Transaction, condition: Condition, environment_id: str) -> Environment | None:
    """The environment with this id, of a project that fulfils the condition."""
    visible = environments.c.project_id.in_(sa.select(projects.c.id).where(condition))
    row = tx.execute(sa.select(*rows.ENVIRONMENT).where(environments.c.id == environment_id, visible)).first()
    return rows.environment(row) if row else None


def insert_environment(
    tx: Transaction,
    project_id: str,
    name: str,
    *,
    production: bool,
    jira_type: JiraEnvironmentType,
    permissions: dict[str, Any],
    now: int,
) -> Environment:
    """Insert an environment."""
    environment = Environment(str(uuid4()), project_id, name, production, jira_type, permissions, now)
    tx.execute(
        sa.insert(environments).values(
            id=environment.id,
            project_id=project_id,
            name=name,
            production=production,
            jira_type=jira_type.value,
            permissions=permissions,
            created_at=now,
        )
    )
    return environment


def update_environment(tx: Transaction, environment_id: str, **values: Any) -> None:
    """Set columns of an environment."""
    tx.execute(sa.update(environments).where(environments.c.id == environment_id).values(**values))


def delete_environment(tx: Transaction, environment_id: str) -> None:
    """Delete an environment and the definitions in it."""
    tx.execute(sa.delete(environments).where(environments.c.id == environment_id))


def count_definitions(tx: Transaction, environment_id: str) -> int:
    """How many flags have a definition in an environment."""
    mine = definitions.c.environment_id == environment_id
    return tx.scalar(sa.select(sa.func.count()).select_from(definitions).where(mine)) or 0


# Traffic types and rollout statuses -------------------------------------------------------------------------------


def list_traffic_types(tx: Transaction, project_id: str) -> list[TrafficType]:
    """A project's traffic types, in order of name."""
    query = sa.select(*rows.TRAFFIC_TYPE).where(traffic_types.c.project_id == project_id)
    return [rows.traffic_type(row) for row in tx.execute(query.order_by(traffic_types.c.name))]


_TRAFFIC_TYPE = (
    sa.select(*rows.TRAFFIC_TYPE)
    .where(sa.or_(traffic_types.c.id == _REF, traffic_types.c.name == _REF))
    .order_by(traffic_types.c.id != _REF)
    .limit(1)
)
_TRAFFIC_TYPE_OF_PROJECT = _TRAFFIC_TYPE.where(traffic_types.c.project_id == sa.bindparam("project"))


def find_traffic_type(tx: Transaction, project_id: str, ref: str) -> TrafficType | None:
    """The project's traffic type with this id or name."""
    row = tx.execute(_TRAFFIC_TYPE_OF_PROJECT, {"project": project_id, "ref": ref}).first()
    return rows.traffic_type(row) if row else None


def find_visible_traffic_type(tx: Transaction, condition: Condition, ref: str) -> TrafficType | None:
    """The traffic type with this id or name, of a project that fulfils the condition."""
    visible = traffic_types.c.project_id.in_(sa.select(projects.c.id).where(condition))
    row = tx.execute(_TRAFFIC_TYPE.where(visible), {"ref": ref}).first()
    return rows.traffic_type(row) if row else None


def insert_traffic_type(tx: Transaction, project_id: str, name: str, now: int) -> TrafficType:
    """Insert a traffic type."""
    new = TrafficType(str(uuid4()), project_id, name, None)
    tx.execute(sa.insert(traffic_types).values(id=new.id, project_id=project_id, name=name, created_at=now))
    return new


def traffic_type_is_used(tx: Transaction, traffic_type_id: str) -> bool:
    """Whether any flag has this traffic type."""
    return bool(tx.scalar(sa.select(sa.exists().where(flags.c.traffic_type_id == traffic_type_id))))


def delete_traffic_type(tx: Transaction, traffic_type_id: str) -> None:
    """Delete a traffic type, which no flag may have."""
    tx.execute(sa.delete(traffic_types).where(traffic_types.c.id == traffic_type_id))


def list_rollout_statuses(tx: Transaction, project_id: str) -> list[RolloutStatus]:
    """A project's rollout statuses, in the order in which a flag goes through them."""
    query = sa.select(*rows.ROLLOUT_STATUS).where(rollout_statuses.c.project_id == project_id)
    found = tx.execute(query.order_by(rollout_statuses.c.position))
    return [rows.rollout_status(row) for row in found]


_FIRST_STATUS = (
    sa.select(*rows.ROLLOUT_STATUS)
    .where(rollout_statuses.c.project_id == sa.bindparam("project"))
    .order_by(rollout_statuses.c.position)
    .limit(1)
)
_STATUS = _FIRST_STATUS.where(sa.or_(rollout_statuses.c.id == _REF, rollout_statuses.c.name == _REF))


def find_rollout_status(tx: Transaction, project_id: str, ref: str | None) -> RolloutStatus | None:
    """The rollout status with this id or name; the first one where `ref` is None."""
    query = _FIRST_STATUS if ref is None else _STATUS
    row = tx.execute(query, {"project": project_id} | ({} if ref is None else {"ref": ref})).first()
    return rows.rollout_status(row) if row else None


# View permissions -------------------------------------------------------------------------------------------------


def list_grants(tx: Transaction, project_id: str) -> list[Owner]:
    """The users, groups and keys that may view a restricted project, in order of name."""
    named = sa.union_all(
        sa.select(users.c.id, users.c.name),
        sa.select(groups.c.id, groups.c.name),
        sa.select(api_keys.c.id, api_keys.c.name),
    ).subquery()
    query = (
        sa.select(project_grants.c.grantee_type, project_grants.c.grantee_id, named.c.name)
        .join_from(project_grants, named, project_grants.c.grantee_id == named.c.id)
        .where(project_grants.c.project_id == project_id)
        .order_by(project_grants.c.grantee_type, named.c.name)
    )
    return [Owner(*row) for row in tx.execute(query)]


def replace_grants(tx: Transaction, project_id: str, grants: Iterable[tuple[str, str]]) -> None:
    """Let exactly these (each a type and an id) view the project."""
    tx.execute(sa.delete(project_grants).where(project_grants.c.project_id == project_id))
    new = [{"project_id": project_id, "grantee_type": kind, "grantee_id": id} for kind, id in dict.fromkeys(grants)]
    if new:
        tx.execute(sa.insert(project_grants), new)


def names_of(tx: Transaction, account_id: str, wanted: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """The names of these users, groups and keys of the account; one that does not exist is left out."""
    found: dict[tuple[str, str], str] = {}
    for kind, table in (("user", users), ("group", groups), ("api_key", api_keys)):
        ids = [id for wanted_kind, id in wanted if wanted_kind == kind]
        if ids:
            query = sa.select(table.c.id, table.c.name).where(table.c.account_id == account_id, table.c.id.in_(ids))
            found |= {(kind, row.id): row.name for row in tx.execute(query)}
    return found
