"""From rows to records: the columns and the one mapper of each record that several queries select.

A query selects `nested(table, "name")`, and the mapper of that record reads the columns by these names.
"""

from typing import Any

import sqlalchemy as sa

from flagpost.flags.model import JiraEnvironmentType
from flagpost.store.records import Environment, Project, RolloutStatus, TrafficType
from flagpost.store.schema.core import environments, projects, rollout_statuses, traffic_types


def nested(table: sa.Table, name: str) -> list[sa.Label[Any]]:
    """All columns of a table under names that no other table's columns have: `name__column`."""
    return [column.label(f"{name}__{column.name}") for column in table.c]


PROJECT = nested(projects, "project")
ENVIRONMENT = nested(environments, "environment")
TRAFFIC_TYPE = nested(traffic_types, "traffic_type")
ROLLOUT_STATUS = nested(rollout_statuses, "rollout_status")


def project(row: Any) -> Project:
    """From a row that has PROJECT."""
    return Project(
        id=row.project__id,
        account_id=row.project__account_id,
        name=row.project__name,
        requires_title_and_comments=row.project__requires_title_and_comments,
        restricted=row.project__restricted,
        created_at=row.project__created_at,
    )


def environment(row: Any) -> Environment:
    """From a row that has ENVIRONMENT."""
    return Environment(
        id=row.environment__id,
        project_id=row.environment__project_id,
        name=row.environment__name,
        production=row.environment__production,
        jira_type=JiraEnvironmentType(row.environment__jira_type),
        permissions=row.environment__permissions,
        created_at=row.environment__created_at,
    )


def traffic_type(row: Any) -> TrafficType:
    """From a row that has TRAFFIC_TYPE."""
    return TrafficType(
        id=row.traffic_type__id,
        project_id=row.traffic_type__project_id,
        name=row.traffic_type__name,
        display_attribute_id=row.traffic_type__display_attribute_id,
    )


def rollout_status(row: Any) -> RolloutStatus:
    """From a row that has ROLLOUT_STATUS."""
    return RolloutStatus(
        id=row.rollout_status__id,
        name=row.rollout_status__name,
        description=row.rollout_status__description,
        colour=row.rollout_status__colour,
    )
