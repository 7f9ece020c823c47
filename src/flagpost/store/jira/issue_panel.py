"""What the panel on a Jira issue shows."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from flagpost.flags.definition_json import load
from flagpost.flags.model import Definition, FlagStatus
from flagpost.flags.prerequisites import Prerequisites
from flagpost.flags.rollout import FlagState, flag_state
from flagpost.store.db import Transaction
from flagpost.store.flags.prerequisites import load_prerequisites
from flagpost.store.schema.core import definitions, environments, flags, projects
from flagpost.store.schema.jira import connections, issues


@dataclass(frozen=True, slots=True)
class EnvironmentState:
    """A flag in one environment. `saved_by` and `saved_at` are None where it has no definition there."""

    environment_id: str
    environment: str
    state: FlagState
    saved_by: str | None
    saved_at: int | None


@dataclass(frozen=True, slots=True)
class FlagOnIssue:
    """A flag that is connected with an issue. `issue`: the issue's numeric id where it is known, else its key."""

    id: str
    name: str
    project_id: str
    project: str
    issue: str
    environments: tuple[EnvironmentState, ...]

    @property
    def last_save(self) -> EnvironmentState | None:
        """The environment in which it was saved last."""
        saved = [one for one in self.environments if one.saved_at is not None]
        return max(saved, key=lambda one: one.saved_at or 0, default=None)


_SHOWN = (
    sa.select(
        flags.c.id,
        flags.c.name,
        flags.c.project_id,
        flags.c.status,
        projects.c.name.label("project"),
        sa.func.coalesce(issues.c.jira_id, issues.c.key).label("issue"),
        environments.c.id.label("environment_id"),
        environments.c.name.label("environment"),
        definitions.c.body,
        definitions.c.killed,
        definitions.c.updated_by,
        definitions.c.updated_at,
    )
    .join_from(issues, connections, connections.c.issue_id == issues.c.id)
    .join(flags, connections.c.flag_id == flags.c.id)
    .join(projects, flags.c.project_id == projects.c.id)
    .join(environments, environments.c.project_id == projects.c.id)
    .outerjoin(definitions, (definitions.c.flag_id == flags.c.id) & (definitions.c.environment_id == environments.c.id))
    .where(issues.c.account_id == sa.bindparam("account"), projects.c.id.in_(sa.bindparam("projects", expanding=True)))
    .order_by(flags.c.name, flags.c.id, environments.c.production, environments.c.name)
)
# Renaming projects can give a key to another issue, so the key counts only until the numeric id is known.
_THIS_ISSUE = sa.or_(
    issues.c.jira_id == sa.bindparam("jira_id"), issues.c.jira_id.is_(None) & (issues.c.key == sa.bindparam("key"))
)


def flags_on_issue(
    tx: Transaction, account_id: str, jira_id: str, key: str, project_ids: Collection[str]
) -> list[FlagOnIssue]:
    """The flags of these projects that are connected with an issue, by name, each in every environment."""
    names = {"account": account_id, "jira_id": jira_id, "key": key, "projects": list(project_ids)}
    rows = list(tx.execute(_SHOWN.where(_THIS_ISSUE), names)) if project_ids else []
    loaded = [(row, load(row.body) if row.body is not None else None) for row in rows]
    others = load_prerequisites(tx, ((row.environment_id, one) for row, one in loaded if one is not None))
    by_flag: dict[str, list[tuple[Any, EnvironmentState]]] = {row.id: [] for row in rows}
    for row, definition in loaded:
        by_flag[row.id].append((row, _state(row, definition, others.get(row.environment_id, {}))))
    return [_flag(found) for found in by_flag.values()]


def _flag(found: list[tuple[Any, EnvironmentState]]) -> FlagOnIssue:
    first = found[0][0]
    states = {state.environment_id: state for _, state in found}
    return FlagOnIssue(first.id, first.name, first.project_id, first.project, first.issue, tuple(states.values()))


def _state(row: Any, definition: Definition | None, others: Prerequisites) -> EnvironmentState:
    archived = row.status == FlagStatus.ARCHIVED.value
    state = flag_state(definition, killed=bool(row.killed), archived=archived, others=others)
    return EnvironmentState(row.environment_id, row.environment, state, row.updated_by, row.updated_at)


def project_of_flag(tx: Transaction, flag_id: str, project_ids: Collection[str]) -> str | None:
    """Which of these projects the flag with this id is in; None where it is in none of them."""
    query = sa.select(flags.c.project_id).where(flags.c.id == flag_id, flags.c.project_id.in_(project_ids))
    return tx.scalar(query)
