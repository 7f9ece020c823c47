"""What Jira should show of flags, read from the database in one go."""

from collections.abc import Collection

import sqlalchemy as sa

from flagpost.flags.definition_json import load
from flagpost.flags.model import FlagStatus
from flagpost.flags.rollout import flag_state
from flagpost.jira.payload import JiraFlagState
from flagpost.store.db import Transaction
from flagpost.store.jira import issues
from flagpost.store.jira.integrations import ChosenProject, chosen_projects
from flagpost.store.jira.outbox import OutboxEntry
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
    states = {}
    for row in tx.execute(_STATES, {"flags": list(covered), "environments": environments}):
        refs = tuple(issue.jira_id or issue.key for issue in connected.get(row.id, ()) if not issue.gone)
        if refs:
            place, version = chosen[row.project_id], covered[row.id].latest_version
            states[row.id] = _state(row, place, refs, version, public_url)
    return states


def _state(
    row: sa.Row[tuple[object, ...]], place: ChosenProject, refs: tuple[str, ...], version: int, public_url: str
) -> JiraFlagState:
    definition = load(row.body) if row.body is not None else None
    state = flag_state(definition, killed=bool(row.killed), archived=row.status == FlagStatus.ARCHIVED.value)
    return JiraFlagState(
        id=row.id,
        name=row.name,
        environment_name=place.environment.name,
        environment_type=place.environment.jira_type.value,
        state=state,
        url=f"{public_url}/projects/{row.project_id}/flags/{row.id}?environment={place.environment.id}",
        last_updated=row.saved_at or row.updated_at,
        version=version,
        issues=refs,
    )
