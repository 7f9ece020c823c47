"""The tables of change requests and of the comments on them."""

import sqlalchemy as sa

from flagpost.store.schema.core import Id, Name, id_column, metadata, reference, time_column

OPEN = ("REQUESTED", "SCHEDULE_REQUESTED", "SCHEDULED")
_IS_OPEN = sa.text(f"status IN ({', '.join(repr(one) for one in OPEN)})")

change_requests = sa.Table(
    "change_requests",
    metadata,
    id_column(),
    reference("account_id", "accounts"),
    reference("project_id", "projects"),
    reference("environment_id", "environments"),
    sa.Column("object_type", sa.String(20), nullable=False),  # flag, segment, large_segment, rule_based_segment
    sa.Column("object_id", Id, nullable=False),  # of the flag or segment
    sa.Column("object_name", Name, nullable=False),
    sa.Column("operation", sa.String(20), nullable=False),  # CREATE, UPDATE, KILL, RESTORE, ARCHIVE, UPLOAD
    sa.Column("wanted", sa.JSON, nullable=False),  # what the object is to become, in the Admin API's shape
    sa.Column("before", sa.JSON),  # what the object was when this was submitted; None where it was not there
    sa.Column("status", sa.String(20), nullable=False),
    sa.Column("title", sa.Text, nullable=False, server_default=""),
    sa.Column("comment", sa.Text, nullable=False, server_default=""),
    sa.Column("approvers", sa.JSON, nullable=False),  # emails and names of groups that are asked
    sa.Column("rollout_status_id", Id),
    time_column("scheduled_for", nullable=True),
    sa.Column("scheduled_timezone", sa.String(64)),
    sa.Column("submitter_type", sa.String(10), nullable=False),
    sa.Column("submitter_id", Id, nullable=False),
    sa.Column("submitter_name", Name, nullable=False),
    sa.Column("upload_hash", sa.String(64), unique=True),  # of the one-time address that a file can be sent to
    time_column("upload_until", nullable=True),
    time_column("created_at"),
    time_column("updated_at"),
    sa.Index(None, "project_id", "status", "created_at"),
    sa.Index(None, "status", "scheduled_for"),
    # An object has one change request at a time in an environment: it is locked until that one is decided.
    sa.Index(
        "uq_change_requests_open",
        "object_id",
        "environment_id",
        unique=True,
        sqlite_where=_IS_OPEN,
        postgresql_where=_IS_OPEN,
    ),
)
change_request_comments = sa.Table(
    "change_request_comments",
    metadata,
    id_column(),
    reference("change_request_id", "change_requests"),
    sa.Column("author_name", Name, nullable=False),
    sa.Column("role", sa.String(20), nullable=False),  # SUBMITTER, APPROVER, COMMENTER
    sa.Column("text", sa.Text, nullable=False),
    time_column("at"),
    sa.Index(None, "change_request_id", "at"),
)
