"""What Jira should show of flags."""

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
    tx: Transaction, account_id: str, entries: Collection[OutboxEntry], public_url: str
) -> dict[str, JiraFlagState]:
    """What Jira should show for each of these entries, by flag id; a flag that Jira must not show is left out.

    Such a flag was deleted, or has no connection with an issue that Jira knows, or is in a project that the
    integration does not cover or its token may not see.
    """
    chosen = {one.project.id: one for one in chosen_projects(tx, account_id) if one.visible}
    covered = {entry.flag_id: entry for entry in entries if entry.project_id in chosen}
    if not covered:
        return {}
    connected = issues.issues_of_flags(tx, covered)
    environments = [one.environment.id for one in chosen.values()]
    rows = list(tx.execute(_STATES, {"flags": list(covered), "environments": environments}))
    loaded = [(row, load(row.body) if row.body is not None else None) for row in rows]
    places = {row.id: chosen[row.project_id].environment for row in rows}
    others = load_prerequisites(tx, ((places[row.id].id, one) for row, one in loaded if one is not None))
    states = {}
    for row, definition in loaded:
        place = places[row.id]
        if refs := tuple(issue.jira_id or issue.key for issue in connected.get(row.id, ()) if not issue.gone):
            shown = _shown(row, definition, others.get(place.id, {}))
            version = covered[row.id].latest_version
            states[row.id] = _state(row, shown, place, refs, version=version, public_url=public_url)
    return states


def _shown(row: sa.Row[tuple[object, ...]], definition: Definition | None, others: Prerequisites) -> FlagState:
    archived = row.status == FlagStatus.ARCHIVED.value
    return flag_state(definition, killed=bool(row.killed), archived=archived, others=others)


def _state(
    row: sa.Row[tuple[object, ...]],
    shown: FlagState,
    environment: Environment,
    issues: tuple[str, ...],
    *,
    version: int,
    public_url: str,
) -> JiraFlagState:
    return JiraFlagState(
        id=row.id,
        name=row.name,
        environment_name=environment.name,
        environment_type=environment.jira_type.value,
        state=shown,
        url=f"{public_url}/projects/{row.project_id}/flags/{row.id}?environment={environment.id}",
        last_updated=row.saved_at or row.updated_at,
        version=version,
        issues=issues,
    )
