"""What Jira is to be told of flags, read in one go and one moment."""

from collections.abc import Collection

import sqlalchemy as sa

from flagpost.flags.definition_json import load
from flagpost.flags.model import Definition, FlagStatus
from flagpost.flags.prerequisites import Prerequisites
from flagpost.flags.rollout import FlagState, flag_state
from flagpost.jira.payload import JiraFlagState
from flagpost.store.db import Transaction
from flagpost.store.flags.prerequisites import load_prerequisites
from flagpost.store.jira import issues
from flagpost.store.jira.integrations import chosen_projects
from flagpost.store.jira.outbox import OutboxEntry
from flagpost.store.records import Environment
from flagpost.store.schema.core import definitions, flags

_STATES = (
    sa.select(flags, definitions.c.body, definitions.c.killed, definitions.c.updated_at.label("saved_at"))
    .outerjoin_from(
        flags,
        definitions,
        (definitions.c.flag_id == flags.c.id)
        & definitions.c.environment_id.in_(sa.bindparam("environments", expanding=True)),
    )
    .where(flags.c.id.in_(sa.bindparam("flags", expanding=True)))
)


def load_flag_states(
    tx: Transaction, account_id: str, wanted: Collection[OutboxEntry], public_url: str
) -> dict[str, JiraFlagState]:
    """For each of these flags what Jira is to show, by flag id; a flag that Jira must not show is left out.

    That is one that was deleted, has no connection left to an issue Jira knows, or is of a project that the
    integration does not cover or its token may not see.
    """
    chosen = {one.project.id: one for one in chosen_projects(tx, account_id) if one.visible}
    covered = [push.flag_id for push in wanted if push.project_id in chosen]
    connected = issues.issues_of_flags(tx, covered)
    environments = [one.environment.id for one in chosen.values()]
    sequences = {push.flag_id: push.wanted for push in wanted}
    rows = list(tx.execute(_STATES, {"flags": covered, "environments": environments})) if covered else []
    loaded = [(row, load(row.body) if row.body is not None else None) for row in rows]
    places = {row.id: chosen[row.project_id].environment for row in rows}
    others = load_prerequisites(tx, ((places[row.id].id, one) for row, one in loaded if one is not None))
    told = {}
    for row, definition in loaded:
        if refs := tuple(issue.jira_id or issue.key for issue in connected.get(row.id, ()) if not issue.gone):
            state = _state(row, definition, others.get(places[row.id].id, {}))
            told[row.id] = _told(row, state, places[row.id], refs, sequences[row.id], public_url)
    return told


def _state(row: sa.Row[tuple[object, ...]], definition: Definition | None, others: Prerequisites) -> FlagState:
    archived = row.status == FlagStatus.ARCHIVED.value
    return flag_state(definition, killed=bool(row.killed), archived=archived, others=others)


def _told(
    row: sa.Row[tuple[object, ...]],
    state: FlagState,
    environment: Environment,
    refs: tuple[str, ...],
    sequence: int,
    url: str,
) -> JiraFlagState:
    return JiraFlagState(
        id=row.id,
        name=row.name,
        environment_name=environment.name,
        environment_type=environment.jira_type.value,
        state=state,
        url=f"{url}/projects/{row.project_id}/flags/{row.id}?environment={environment.id}",
        last_updated=row.saved_at or row.updated_at,
        sequence=sequence,
        issues=refs,
    )
