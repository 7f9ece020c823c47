"""Segments and their keys, flag sets, attributes, identities, change requests, and the numbers of changes."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0006"


def upgrade() -> None:
    """Apply the change: new tables, and a column that the version before leaves empty."""
    op.create_table(
        "flag_sets",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_flag_sets_project_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_flag_sets")),
        sa.UniqueConstraint("project_id", "name", name=op.f("uq_flag_sets_project_id_name")),
    )
    op.create_table(
        "attributes",
        sa.Column("traffic_type_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("display_name", sa.String(length=255), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("data_type", sa.String(length=20), nullable=True),
        sa.Column("is_searchable", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("suggested_values", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["traffic_type_id"], ["traffic_types.id"], name=op.f("fk_attributes_traffic_type_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("traffic_type_id", "id", name=op.f("pk_attributes")),
    )
    op.create_table(
        "change_numbers",
        sa.Column("environment_id", sa.String(length=64), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["environment_id"], ["environments.id"], name=op.f("fk_change_numbers_environment_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("environment_id", name=op.f("pk_change_numbers")),
    )
    op.create_table(
        "change_requests",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("environment_id", sa.String(length=64), nullable=False),
        sa.Column("object_type", sa.String(length=20), nullable=False),
        sa.Column("object_id", sa.String(length=64), nullable=False),
        sa.Column("object_name", sa.String(length=255), nullable=False),
        sa.Column("operation", sa.String(length=20), nullable=False),
        sa.Column("wanted", sa.JSON(), nullable=False),
        sa.Column("before", sa.JSON(), nullable=True),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("title", sa.Text(), server_default="", nullable=False),
        sa.Column("comment", sa.Text(), server_default="", nullable=False),
        sa.Column("approvers", sa.JSON(), nullable=False),
        sa.Column("rollout_status_id", sa.String(length=64), nullable=True),
        sa.Column("scheduled_for", sa.BigInteger(), nullable=True),
        sa.Column("scheduled_timezone", sa.String(length=64), nullable=True),
        sa.Column("submitter_type", sa.String(length=10), nullable=False),
        sa.Column("submitter_id", sa.String(length=64), nullable=False),
        sa.Column("submitter_name", sa.String(length=255), nullable=False),
        sa.Column("upload_hash", sa.String(length=64), nullable=True),
        sa.Column("upload_until", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_change_requests_account_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["environment_id"], ["environments.id"], name=op.f("fk_change_requests_environment_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_change_requests_project_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_change_requests")),
        sa.UniqueConstraint("upload_hash", name=op.f("uq_change_requests_upload_hash")),
    )
    op.create_index(
        op.f("ix_change_requests_project_id_status_created_at"),
        "change_requests",
        ["project_id", "status", "created_at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_change_requests_status_scheduled_for"), "change_requests", ["status", "scheduled_for"], unique=False
    )
    op.create_index(
        "uq_change_requests_open",
        "change_requests",
        ["object_id", "environment_id"],
        unique=True,
        sqlite_where=sa.text("status IN ('REQUESTED', 'SCHEDULE_REQUESTED', 'SCHEDULED')"),
        postgresql_where=sa.text("status IN ('REQUESTED', 'SCHEDULE_REQUESTED', 'SCHEDULED')"),
    )
    op.create_table(
        "identities",
        sa.Column("traffic_type_id", sa.String(length=64), nullable=False),
        sa.Column("environment_id", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=250), nullable=False),
        sa.Column("attribute_values", sa.JSON(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["environment_id"], ["environments.id"], name=op.f("fk_identities_environment_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["traffic_type_id"], ["traffic_types.id"], name=op.f("fk_identities_traffic_type_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("traffic_type_id", "environment_id", "key", name=op.f("pk_identities")),
    )
    op.create_index(op.f("ix_identities_environment_id"), "identities", ["environment_id"], unique=False)
    op.create_table(
        "segments",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("traffic_type_id", sa.String(length=64), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("removed_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_segments_project_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["traffic_type_id"], ["traffic_types.id"], name=op.f("fk_segments_traffic_type_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_segments")),
        sa.UniqueConstraint("project_id", "name", name=op.f("uq_segments_project_id_name")),
    )
    op.create_index(op.f("ix_segments_traffic_type_id"), "segments", ["traffic_type_id"], unique=False)
    op.create_table(
        "change_request_comments",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("change_request_id", sa.String(length=64), nullable=False),
        sa.Column("author_name", sa.String(length=255), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["change_request_id"],
            ["change_requests.id"],
            name=op.f("fk_change_request_comments_change_request_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_change_request_comments")),
    )
    op.create_index(
        op.f("ix_change_request_comments_change_request_id_at"),
        "change_request_comments",
        ["change_request_id", "at"],
        unique=False,
    )
    op.create_table(
        "segment_definitions",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("segment_id", sa.String(length=64), nullable=False),
        sa.Column("environment_id", sa.String(length=64), nullable=False),
        sa.Column("body", sa.JSON(), nullable=True),
        sa.Column("key_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("change_number", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_by", sa.String(length=255), nullable=False),
        sa.Column("removed_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["environment_id"],
            ["environments.id"],
            name=op.f("fk_segment_definitions_environment_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["segment_id"], ["segments.id"], name=op.f("fk_segment_definitions_segment_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_segment_definitions")),
        sa.UniqueConstraint(
            "segment_id", "environment_id", name=op.f("uq_segment_definitions_segment_id_environment_id")
        ),
    )
    op.create_index(
        op.f("ix_segment_definitions_environment_id_change_number"),
        "segment_definitions",
        ["environment_id", "change_number"],
        unique=False,
    )
    op.create_table(
        "segment_keys",
        sa.Column("definition_id", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=250), nullable=False),
        sa.Column("removed", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("change_number", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["definition_id"],
            ["segment_definitions.id"],
            name=op.f("fk_segment_keys_definition_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("definition_id", "key", name=op.f("pk_segment_keys")),
    )
    op.create_index(
        op.f("ix_segment_keys_definition_id_change_number"),
        "segment_keys",
        ["definition_id", "change_number"],
        unique=False,
    )
    op.create_index(op.f("ix_segment_keys_key"), "segment_keys", ["key"], unique=False)
    op.add_column("definitions", sa.Column("flag_set_ids", sa.JSON(), nullable=True))
