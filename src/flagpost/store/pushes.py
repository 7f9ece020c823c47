"""What Jira has been told of each flag, and what it should be told: the outbox.

A row's `wanted` is raised in the same transaction as the change it stands for, so a change that was committed can not
be forgotten. Versions are the time in milliseconds, or one more than the last where the clock stands still or went
back. So they only ever rise, even for a flag that was deleted in Jira and connected again, and after a restore from an
older backup (Atlassian: updates with a lower `updateSequenceId` than the stored one are ignored).
"""

from collections.abc import Collection

import sqlalchemy as sa

from flagpost.store.db import Transaction
from flagpost.store.tables import jira_integration_projects, pushes


def _raise(tx: Transaction, condition: sa.ColumnElement[bool], now: int) -> int:
    version = sa.case((pushes.c.wanted < now, now), else_=pushes.c.wanted + 1)
    behind_since = sa.case((pushes.c.wanted > pushes.c.delivered, pushes.c.wanted_at), else_=now)
    return tx.execute(sa.update(pushes).where(condition).values(wanted=version, wanted_at=behind_since)).rowcount


def mark_changed(tx: Transaction, flag_ids: Collection[str], now: int) -> int:
    """Have Jira hear of these flags again. Flags that were never connected have no row and cost nothing.

    Returns how many will be told; wake the site after the commit if any.
    """
    return _raise(tx, pushes.c.flag_id.in_(flag_ids), now) if flag_ids else 0


def mark_changed_in_project(tx: Transaction, project_id: str, now: int) -> int:
    """The same for every connected flag of a project."""
    return _raise(tx, pushes.c.project_id == project_id, now)


def mark_changed_in_environment(tx: Transaction, environment_id: str, now: int) -> int:
    """The same for every flag that Jira is shown this environment of; nothing where it is no primary environment."""
    shown = sa.select(jira_integration_projects.c.project_id).where(
        jira_integration_projects.c.environment_id == environment_id
    )
    return _raise(tx, pushes.c.project_id.in_(shown), now)
