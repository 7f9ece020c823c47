"""The first schema: every table, and on PostgreSQL the queue of `flagpost.jobs.postgres`.

The queue has a schema of its own. Its text is procrastinate's, of version 3.10, to which pyproject.toml holds the
dependency: a newer one brings its changes as a migration. Written by `python tools/new_migration.py --first`.
"""

import sqlalchemy as sa
from alembic import op
from procrastinate.schema import SchemaManager

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create every table, those that others refer to first."""
    _create_accounts()
    _create_impression_sums()
    _create_jira_installations()
    _create_recent_impressions()
    _create_treatments_served()
    _create_used_invocation_tokens()
    _create_watched_flags()
    _create_audit_entries()
    _create_delivery_hours()
    _create_delivery_log()
    _create_groups()
    _create_issues()
    _create_jira_credentials()
    _create_jira_removals()
    _create_jira_sites()
    _create_outbox_entries()
    _create_projects()
    _create_reconciliations()
    _create_resyncs()
    _create_users()
    _create_api_keys()
    _create_environments()
    _create_flag_sets()
    _create_group_members()
    _create_jira_account_links()
    _create_one_time_links()
    _create_outbox_requests()
    _create_project_grants()
    _create_reconciliation_findings()
    _create_rollout_statuses()
    _create_sessions()
    _create_traffic_types()
    _create_attributes()
    _create_change_requests()
    _create_change_sequence()
    _create_flag_changes()
    _create_flags()
    _create_identities()
    _create_jira_integrations()
    _create_segments()
    _create_change_request_comments()
    _create_connections()
    _create_definitions()
    _create_flag_owners()
    _create_flag_tags()
    _create_jira_integration_projects()
    _create_seed_overrides()
    _create_segment_definitions()
    _create_definition_dependencies()
    _create_segment_keys()
    _create_segment_revisions()
    _create_queue()


def _create_accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
    )


def _create_impression_sums() -> None:
    op.create_table(
        "impression_sums",
        sa.Column("environment_id", sa.String(length=64), nullable=False),
        sa.Column("flag_id", sa.String(length=64), nullable=False),
        sa.Column("hour", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("treatment", sa.String(length=100), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("environment_id", "flag_id", "hour", "treatment", name=op.f("pk_impression_sums")),
    )
    op.create_index(op.f("ix_impression_sums_hour"), "impression_sums", ["hour"], unique=False)


def _create_jira_installations() -> None:
    op.create_table(
        "jira_installations",
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("cloud_id", sa.String(length=100), nullable=False),
        sa.Column("site_url", sa.String(length=500), nullable=True),
        sa.Column("api_base_url", sa.String(length=500), nullable=False),
        sa.Column("system_token", sa.LargeBinary(), nullable=True),
        sa.Column("system_token_expires_at", sa.BigInteger(), nullable=True),
        sa.Column("installed_at", sa.BigInteger(), nullable=False),
        sa.Column("last_seen_at", sa.BigInteger(), nullable=False),
        sa.Column("removed_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jira_installations")),
    )
    op.create_index(op.f("ix_jira_installations_cloud_id"), "jira_installations", ["cloud_id"], unique=False)


def _create_recent_impressions() -> None:
    op.create_table(
        "recent_impressions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("environment_id", sa.String(length=64), nullable=False),
        sa.Column("flag_id", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("treatment", sa.String(length=100), nullable=False),
        sa.Column("label", sa.String(length=255), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kept_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recent_impressions")),
    )
    op.create_index(
        op.f("ix_recent_impressions_environment_id_flag_id_id"),
        "recent_impressions",
        ["environment_id", "flag_id", "id"],
        unique=False,
    )
    op.create_index(op.f("ix_recent_impressions_kept_at"), "recent_impressions", ["kept_at"], unique=False)


def _create_treatments_served() -> None:
    op.create_table(
        "treatments_served",
        sa.Column("flag_id", sa.String(length=64), nullable=False),
        sa.Column("environment_id", sa.String(length=64), nullable=False),
        sa.Column("treatment", sa.String(length=100), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("flag_id", "environment_id", "treatment", name=op.f("pk_treatments_served")),
    )
    op.create_index(
        op.f("ix_treatments_served_environment_id_first_at"),
        "treatments_served",
        ["environment_id", "first_at"],
        unique=False,
    )
    op.create_index(op.f("ix_treatments_served_last_at"), "treatments_served", ["last_at"], unique=False)


def _create_used_invocation_tokens() -> None:
    op.create_table(
        "used_invocation_tokens",
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_used_invocation_tokens")),
    )
    op.create_index(
        op.f("ix_used_invocation_tokens_expires_at"), "used_invocation_tokens", ["expires_at"], unique=False
    )


def _create_watched_flags() -> None:
    op.create_table(
        "watched_flags",
        sa.Column("environment_id", sa.String(length=64), nullable=False),
        sa.Column("flag_id", sa.String(length=64), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("environment_id", "flag_id", name=op.f("pk_watched_flags")),
    )


def _create_audit_entries() -> None:
    op.create_table(
        "audit_entries",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=True),
        sa.Column("environment_id", sa.String(length=64), nullable=True),
        sa.Column("object_type", sa.String(length=30), nullable=False),
        sa.Column("object_id", sa.String(length=64), nullable=False),
        sa.Column("object_name", sa.String(length=255), nullable=False),
        sa.Column("change", sa.String(length=40), nullable=False),
        sa.Column("actor_type", sa.String(length=10), nullable=False),
        sa.Column("actor_id", sa.String(length=64), nullable=False),
        sa.Column("actor_name", sa.String(length=255), nullable=False),
        sa.Column("title", sa.Text(), server_default="", nullable=False),
        sa.Column("comment", sa.Text(), server_default="", nullable=False),
        sa.Column("before", sa.JSON(), nullable=True),
        sa.Column("after", sa.JSON(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_audit_entries_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entries")),
    )
    op.create_index(op.f("ix_audit_entries_account_id_id"), "audit_entries", ["account_id", "id"], unique=False)
    op.create_index(op.f("ix_audit_entries_environment_id_id"), "audit_entries", ["environment_id", "id"], unique=False)
    op.create_index(op.f("ix_audit_entries_object_id_id"), "audit_entries", ["object_id", "id"], unique=False)
    op.create_index(op.f("ix_audit_entries_project_id_id"), "audit_entries", ["project_id", "id"], unique=False)


def _create_delivery_hours() -> None:
    op.create_table(
        "delivery_hours",
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("hour", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("accepted", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        sa.Column("total_delay_ms", sa.BigInteger(), nullable=False),
        sa.Column("longest_delay_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_delivery_hours_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account_id", "hour", name=op.f("pk_delivery_hours")),
    )


def _create_delivery_log() -> None:
    op.create_table(
        "delivery_log",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("flag_id", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("flag_name", sa.String(length=255), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("action", sa.String(length=10), nullable=False),
        sa.Column("outcome", sa.String(length=10), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=True),
        sa.Column("default_value", sa.String(length=255), nullable=True),
        sa.Column("rollout", sa.String(length=255), nullable=True),
        sa.Column("issues", sa.Integer(), server_default="0", nullable=False),
        sa.Column("message", sa.Text(), server_default="", nullable=False),
        sa.Column("trace_id", sa.String(length=100), nullable=True),
        sa.Column("delay_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_delivery_log_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery_log")),
    )
    op.create_index(op.f("ix_delivery_log_account_id_at_id"), "delivery_log", ["account_id", "at", "id"], unique=False)
    op.create_index(op.f("ix_delivery_log_flag_id_at_id"), "delivery_log", ["flag_id", "at", "id"], unique=False)
    op.create_index(
        "ix_delivery_log_refused",
        "delivery_log",
        ["account_id", "at", "id"],
        unique=False,
        sqlite_where=sa.text("outcome = 'refused'"),
        postgresql_where=sa.text("outcome = 'refused'"),
    )


def _create_groups() -> None:
    op.create_table(
        "groups",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_groups_account_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_groups")),
        sa.UniqueConstraint("account_id", "name", name=op.f("uq_groups_account_id_name")),
    )


def _create_issues() -> None:
    op.create_table(
        "issues",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("jira_id", sa.String(length=30), nullable=True),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("summary", sa.Text(), server_default="", nullable=False),
        sa.Column("issue_type", sa.String(length=255), server_default="", nullable=False),
        sa.Column("status", sa.String(length=255), server_default="", nullable=False),
        sa.Column("status_category", sa.String(length=30), server_default="", nullable=False),
        sa.Column("assignee", sa.String(length=255), server_default="", nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("checked_at", sa.BigInteger(), nullable=True),
        sa.Column("jira_project_id", sa.String(length=30), nullable=True),
        sa.Column("due_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("event_count", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_issues_account_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_issues")),
        sa.UniqueConstraint("account_id", "jira_id", name=op.f("uq_issues_account_id_jira_id")),
        sa.UniqueConstraint("account_id", "key", name=op.f("uq_issues_account_id_key")),
    )
    op.create_index(op.f("ix_issues_account_id_due_at"), "issues", ["account_id", "due_at"], unique=False)
    op.create_index(
        op.f("ix_issues_account_id_jira_project_id"), "issues", ["account_id", "jira_project_id"], unique=False
    )


def _create_jira_credentials() -> None:
    op.create_table(
        "jira_credentials",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("site_url", sa.String(length=500), nullable=False),
        sa.Column("cloud_id", sa.String(length=100), nullable=False),
        sa.Column("client_id", sa.String(length=255), nullable=False),
        sa.Column("client_secret", sa.LargeBinary(), nullable=False),
        sa.Column("delete_refusal", sa.Text(), nullable=True),
        sa.Column("api_email", sa.String(length=255), nullable=True),
        sa.Column("api_token", sa.LargeBinary(), nullable=True),
        sa.Column("api_base_url", sa.String(length=500), nullable=True),
        sa.Column("api_refusal", sa.Text(), nullable=True),
        sa.Column("webhook_secret", sa.LargeBinary(), nullable=True),
        sa.Column("webhook_seen_at", sa.BigInteger(), nullable=True),
        sa.Column("webhook_refused_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=255), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_jira_credentials_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jira_credentials")),
        sa.UniqueConstraint("account_id", name=op.f("uq_jira_credentials_account_id")),
    )


def _create_jira_removals() -> None:
    op.create_table(
        "jira_removals",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=True),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("requested_at", sa.BigInteger(), nullable=False),
        sa.Column("requested_by", sa.String(length=255), nullable=False),
        sa.Column("flags", sa.Integer(), nullable=False),
        sa.Column("sample", sa.JSON(), nullable=False),
        sa.Column("swept_at", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.String(length=20), nullable=True),
        sa.Column("message", sa.Text(), server_default="", nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_jira_removals_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jira_removals")),
    )
    op.create_index(
        op.f("ix_jira_removals_account_id_requested_at"), "jira_removals", ["account_id", "requested_at"], unique=False
    )


def _create_jira_sites() -> None:
    op.create_table(
        "jira_sites",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("cloud_id", sa.String(length=100), nullable=False),
        sa.Column("site_url", sa.String(length=500), nullable=False),
        sa.Column("installation_id", sa.String(length=255), nullable=False),
        sa.Column("connected_at", sa.BigInteger(), nullable=False),
        sa.Column("auth_method", sa.String(length=10), server_default="app", nullable=False),
        sa.Column("disconnected_at", sa.BigInteger(), nullable=True),
        sa.Column("paused_until", sa.BigInteger(), nullable=True),
        sa.Column("suspended_reason", sa.Text(), nullable=True),
        sa.Column("last_success_at", sa.BigInteger(), nullable=True),
        sa.Column("last_error_at", sa.BigInteger(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("consecutive_failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("resync_total", sa.Integer(), server_default="0", nullable=False),
        sa.Column("resync_started_at", sa.BigInteger(), nullable=True),
        sa.Column("resync_finished_at", sa.BigInteger(), nullable=True),
        sa.Column("resync_requested_at", sa.BigInteger(), nullable=True),
        sa.Column("quota_resets_at", sa.BigInteger(), nullable=True),
        sa.Column("moved_to", sa.String(length=500), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_jira_sites_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jira_sites")),
        sa.UniqueConstraint("account_id", name=op.f("uq_jira_sites_account_id")),
        sa.UniqueConstraint("cloud_id", name=op.f("uq_jira_sites_cloud_id")),
    )


def _create_outbox_entries() -> None:
    op.create_table(
        "outbox_entries",
        sa.Column("flag_id", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("flag_name", sa.String(length=255), nullable=False),
        sa.Column("latest_version", sa.BigInteger(), nullable=False),
        sa.Column("delivered_version", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("may_exist_remotely", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("refusal", sa.Text(), nullable=True),
        sa.Column("trace_id", sa.String(length=100), nullable=True),
        sa.Column("pending_since", sa.BigInteger(), nullable=False),
        sa.Column("delivered_at", sa.BigInteger(), nullable=True),
        sa.Column("sent_issues", sa.JSON(), nullable=True),
        sa.Column("deferred_until", sa.BigInteger(), nullable=True),
        sa.Column("failed_attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("resync_id", sa.String(length=64), nullable=True),
        sa.Column("resync_version", sa.BigInteger(), nullable=True),
        sa.Column("resync_only", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.Column("compare_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_outbox_entries_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("flag_id", name=op.f("pk_outbox_entries")),
    )
    op.create_index(
        "ix_outbox_entries_compare",
        "outbox_entries",
        ["compare_at"],
        unique=False,
        sqlite_where=sa.text("compare_at IS NOT NULL"),
        postgresql_where=sa.text("compare_at IS NOT NULL"),
    )
    op.create_index(
        op.f("ix_outbox_entries_flag_name_account_id"), "outbox_entries", ["flag_name", "account_id"], unique=False
    )
    op.create_index(
        "ix_outbox_entries_pending",
        "outbox_entries",
        ["account_id", "latest_version", "project_id"],
        unique=False,
        sqlite_where=sa.text("latest_version > delivered_version"),
        postgresql_where=sa.text("latest_version > delivered_version"),
    )
    op.create_index(op.f("ix_outbox_entries_project_id"), "outbox_entries", ["project_id"], unique=False)
    op.create_index(
        "ix_outbox_entries_refused",
        "outbox_entries",
        ["account_id"],
        unique=False,
        sqlite_where=sa.text("refusal IS NOT NULL"),
        postgresql_where=sa.text("refusal IS NOT NULL"),
    )
    op.create_index(
        "ix_outbox_entries_resync",
        "outbox_entries",
        ["resync_id"],
        unique=False,
        sqlite_where=sa.text("resync_id IS NOT NULL"),
        postgresql_where=sa.text("resync_id IS NOT NULL"),
    )


def _create_projects() -> None:
    op.create_table(
        "projects",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("requires_title_and_comments", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("restricted", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_projects_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_projects")),
        sa.UniqueConstraint("account_id", "name", name=op.f("uq_projects_account_id_name")),
    )


def _create_reconciliations() -> None:
    op.create_table(
        "reconciliations",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("flag_id", sa.String(length=64), nullable=True),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("requested_at", sa.BigInteger(), nullable=False),
        sa.Column("requested_by", sa.String(length=255), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("start_after", sa.String(length=64), server_default="", nullable=False),
        sa.Column("position", sa.String(length=64), server_default="", nullable=False),
        sa.Column("wrapped_around", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("total", sa.Integer(), server_default="0", nullable=False),
        sa.Column("read", sa.Integer(), server_default="0", nullable=False),
        sa.Column("found", sa.Integer(), server_default="0", nullable=False),
        sa.Column("skipped", sa.Integer(), server_default="0", nullable=False),
        sa.Column("postponed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("differed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("repaired", sa.Integer(), server_default="0", nullable=False),
        sa.Column("resume_at", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.String(length=20), nullable=True),
        sa.Column("message", sa.Text(), server_default="", nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_reconciliations_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconciliations")),
    )
    op.create_index(
        op.f("ix_reconciliations_account_id_requested_at"),
        "reconciliations",
        ["account_id", "requested_at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_reconciliations_kind_requested_at"), "reconciliations", ["kind", "requested_at"], unique=False
    )
    op.create_index(
        "ix_reconciliations_open",
        "reconciliations",
        ["account_id"],
        unique=False,
        sqlite_where=sa.text("outcome IS NULL"),
        postgresql_where=sa.text("outcome IS NULL"),
    )


def _create_resyncs() -> None:
    op.create_table(
        "resyncs",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.String(length=10), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=True),
        sa.Column("flag_id", sa.String(length=64), nullable=True),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("requested_at", sa.BigInteger(), nullable=False),
        sa.Column("requested_by", sa.String(length=255), nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=False),
        sa.Column("total", sa.Integer(), server_default="0", nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.String(length=20), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", sa.String(length=255), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_resyncs_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resyncs")),
    )
    op.create_index(op.f("ix_resyncs_account_id_requested_at"), "resyncs", ["account_id", "requested_at"], unique=False)
    op.create_index(
        "ix_resyncs_open",
        "resyncs",
        ["account_id"],
        unique=False,
        sqlite_where=sa.text("outcome IS NULL"),
        postgresql_where=sa.text("outcome IS NULL"),
    )


def _create_users() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("email", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("password_hash", sa.String(length=255), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_users_account_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
    )
    op.create_index(op.f("ix_users_account_id_name"), "users", ["account_id", "name"], unique=False)


def _create_api_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=True),
        sa.Column("environment_ids", sa.JSON(), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("hint", sa.String(length=8), nullable=False),
        sa.Column("created_by", sa.String(length=255), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_api_keys_account_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_api_keys_project_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_api_keys_secret_hash")),
    )
    op.create_index(op.f("ix_api_keys_account_id_name"), "api_keys", ["account_id", "name"], unique=False)
    op.create_index(op.f("ix_api_keys_project_id"), "api_keys", ["project_id"], unique=False)


def _create_environments() -> None:
    op.create_table(
        "environments",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("production", sa.Boolean(), nullable=False),
        sa.Column("jira_type", sa.String(length=20), nullable=False),
        sa.Column("permissions", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_environments_project_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_environments")),
        sa.UniqueConstraint("project_id", "name", name=op.f("uq_environments_project_id_name")),
    )


def _create_flag_sets() -> None:
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


def _create_group_members() -> None:
    op.create_table(
        "group_members",
        sa.Column("group_id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["groups.id"], name=op.f("fk_group_members_group_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_group_members_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("group_id", "user_id", name=op.f("pk_group_members")),
    )
    op.create_index(op.f("ix_group_members_user_id"), "group_members", ["user_id"], unique=False)


def _create_jira_account_links() -> None:
    op.create_table(
        "jira_account_links",
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("atlassian_id", sa.String(length=255), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("linked_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_jira_account_links_account_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_jira_account_links_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account_id", "atlassian_id", name=op.f("pk_jira_account_links")),
    )
    op.create_index(op.f("ix_jira_account_links_user_id"), "jira_account_links", ["user_id"], unique=False)


def _create_one_time_links() -> None:
    op.create_table(
        "one_time_links",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("purpose", sa.String(length=20), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_one_time_links_account_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_one_time_links_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_one_time_links")),
    )


def _create_outbox_requests() -> None:
    op.create_table(
        "outbox_requests",
        sa.Column("flag_id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["flag_id"], ["outbox_entries.flag_id"], name=op.f("fk_outbox_requests_flag_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("flag_id", "version", name=op.f("pk_outbox_requests")),
    )


def _create_project_grants() -> None:
    op.create_table(
        "project_grants",
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("grantee_type", sa.String(length=10), nullable=False),
        sa.Column("grantee_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_project_grants_project_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("project_id", "grantee_type", "grantee_id", name=op.f("pk_project_grants")),
    )
    op.create_index(op.f("ix_project_grants_grantee_id"), "project_grants", ["grantee_id"], unique=False)


def _create_reconciliation_findings() -> None:
    op.create_table(
        "reconciliation_findings",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("reconciliation_id", sa.String(length=64), nullable=False),
        sa.Column("flag_id", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("flag_name", sa.String(length=255), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("repaired", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["reconciliation_id"],
            ["reconciliations.id"],
            name=op.f("fk_reconciliation_findings_reconciliation_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconciliation_findings")),
    )
    op.create_index(
        op.f("ix_reconciliation_findings_flag_id_at"), "reconciliation_findings", ["flag_id", "at"], unique=False
    )
    op.create_index(
        op.f("ix_reconciliation_findings_reconciliation_id_at"),
        "reconciliation_findings",
        ["reconciliation_id", "at"],
        unique=False,
    )


def _create_rollout_statuses() -> None:
    op.create_table(
        "rollout_statuses",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("colour", sa.String(length=20), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_rollout_statuses_project_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rollout_statuses")),
        sa.UniqueConstraint("project_id", "name", name=op.f("uq_rollout_statuses_project_id_name")),
    )


def _create_sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_seen_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("user_agent", sa.String(length=255), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sessions_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_sessions")),
        sa.UniqueConstraint("id", name=op.f("uq_sessions_id")),
    )
    op.create_index(op.f("ix_sessions_user_id"), "sessions", ["user_id"], unique=False)


def _create_traffic_types() -> None:
    op.create_table(
        "traffic_types",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("display_attribute_id", sa.String(length=255), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_traffic_types_project_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_traffic_types")),
        sa.UniqueConstraint("project_id", "name", name=op.f("uq_traffic_types_project_id_name")),
    )


def _create_attributes() -> None:
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


def _create_change_requests() -> None:
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


def _create_change_sequence() -> None:
    op.create_table(
        "change_sequence",
        sa.Column("environment_id", sa.String(length=64), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["environment_id"], ["environments.id"], name=op.f("fk_change_sequence_environment_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("environment_id", name=op.f("pk_change_sequence")),
    )


def _create_flag_changes() -> None:
    op.create_table(
        "flag_changes",
        sa.Column("environment_id", sa.String(length=64), nullable=False),
        sa.Column("flag_id", sa.String(length=64), nullable=False),
        sa.Column("flag_name", sa.String(length=255), nullable=False),
        sa.Column("traffic_type", sa.String(length=255), nullable=False),
        sa.Column("change_number", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["environment_id"], ["environments.id"], name=op.f("fk_flag_changes_environment_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("environment_id", "flag_id", name=op.f("pk_flag_changes")),
    )
    op.create_index(
        op.f("ix_flag_changes_environment_id_change_number"),
        "flag_changes",
        ["environment_id", "change_number"],
        unique=False,
    )


def _create_flags() -> None:
    op.create_table(
        "flags",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("traffic_type_id", sa.String(length=64), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("rollout_status_id", sa.String(length=64), nullable=False),
        sa.Column("rollout_status_at", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=10), server_default="active", nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_flags_project_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["rollout_status_id"], ["rollout_statuses.id"], name=op.f("fk_flags_rollout_status_id")
        ),
        sa.ForeignKeyConstraint(["traffic_type_id"], ["traffic_types.id"], name=op.f("fk_flags_traffic_type_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_flags")),
        sa.UniqueConstraint("project_id", "name", name=op.f("uq_flags_project_id_name")),
    )
    op.create_index(
        op.f("ix_flags_project_id_status_changed_at"), "flags", ["project_id", "status", "changed_at"], unique=False
    )
    op.create_index(op.f("ix_flags_project_id_status_name"), "flags", ["project_id", "status", "name"], unique=False)
    op.create_index(op.f("ix_flags_rollout_status_id"), "flags", ["rollout_status_id"], unique=False)
    op.create_index(op.f("ix_flags_traffic_type_id"), "flags", ["traffic_type_id"], unique=False)


def _create_identities() -> None:
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


def _create_jira_integrations() -> None:
    op.create_table(
        "jira_integrations",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("key_id", sa.String(length=64), nullable=False),
        sa.Column("expected_site", sa.String(length=500), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=255), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_jira_integrations_account_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name=op.f("fk_jira_integrations_key_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jira_integrations")),
        sa.UniqueConstraint("account_id", name=op.f("uq_jira_integrations_account_id")),
    )


def _create_segments() -> None:
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


def _create_change_request_comments() -> None:
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


def _create_connections() -> None:
    op.create_table(
        "connections",
        sa.Column("flag_id", sa.String(length=64), nullable=False),
        sa.Column("issue_id", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=255), nullable=False),
        sa.ForeignKeyConstraint(["flag_id"], ["flags.id"], name=op.f("fk_connections_flag_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["issue_id"], ["issues.id"], name=op.f("fk_connections_issue_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("flag_id", "issue_id", name=op.f("pk_connections")),
    )
    op.create_index(op.f("ix_connections_issue_id"), "connections", ["issue_id"], unique=False)


def _create_definitions() -> None:
    op.create_table(
        "definitions",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("flag_id", sa.String(length=64), nullable=False),
        sa.Column("environment_id", sa.String(length=64), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("killed", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_by", sa.String(length=255), nullable=False),
        sa.Column("flag_set_ids", sa.JSON(), server_default="[]", nullable=False),
        sa.ForeignKeyConstraint(
            ["environment_id"], ["environments.id"], name=op.f("fk_definitions_environment_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["flag_id"], ["flags.id"], name=op.f("fk_definitions_flag_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_definitions")),
        sa.UniqueConstraint("flag_id", "environment_id", name=op.f("uq_definitions_flag_id_environment_id")),
    )
    op.create_index(
        op.f("ix_definitions_environment_id_killed"), "definitions", ["environment_id", "killed"], unique=False
    )


def _create_flag_owners() -> None:
    op.create_table(
        "flag_owners",
        sa.Column("flag_id", sa.String(length=64), nullable=False),
        sa.Column("owner_type", sa.String(length=10), nullable=False),
        sa.Column("owner_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["flag_id"], ["flags.id"], name=op.f("fk_flag_owners_flag_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("flag_id", "owner_type", "owner_id", name=op.f("pk_flag_owners")),
    )
    op.create_index(op.f("ix_flag_owners_owner_id"), "flag_owners", ["owner_id"], unique=False)


def _create_flag_tags() -> None:
    op.create_table(
        "flag_tags",
        sa.Column("flag_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["flag_id"], ["flags.id"], name=op.f("fk_flag_tags_flag_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_flag_tags_project_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("flag_id", "name", name=op.f("pk_flag_tags")),
    )
    op.create_index("ix_flag_tags_project_name", "flag_tags", ["project_id", "name"], unique=False)


def _create_jira_integration_projects() -> None:
    op.create_table(
        "jira_integration_projects",
        sa.Column("integration_id", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("environment_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["environment_id"],
            ["environments.id"],
            name=op.f("fk_jira_integration_projects_environment_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["integration_id"],
            ["jira_integrations.id"],
            name=op.f("fk_jira_integration_projects_integration_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_jira_integration_projects_project_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("integration_id", "project_id", name=op.f("pk_jira_integration_projects")),
        sa.UniqueConstraint("project_id", name=op.f("uq_jira_integration_projects_project_id")),
    )
    op.create_index(
        op.f("ix_jira_integration_projects_environment_id"),
        "jira_integration_projects",
        ["environment_id"],
        unique=False,
    )


def _create_seed_overrides() -> None:
    op.create_table(
        "seed_overrides",
        sa.Column("flag_id", sa.String(length=64), nullable=False),
        sa.Column("environment_id", sa.String(length=64), nullable=False),
        sa.Column("shares", sa.Integer(), nullable=False),
        sa.Column("exposure", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["environment_id"], ["environments.id"], name=op.f("fk_seed_overrides_environment_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["flag_id"], ["flags.id"], name=op.f("fk_seed_overrides_flag_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("flag_id", "environment_id", name=op.f("pk_seed_overrides")),
    )
    op.create_index(op.f("ix_seed_overrides_environment_id"), "seed_overrides", ["environment_id"], unique=False)


def _create_segment_definitions() -> None:
    op.create_table(
        "segment_definitions",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("segment_id", sa.String(length=64), nullable=False),
        sa.Column("environment_id", sa.String(length=64), nullable=False),
        sa.Column("body", sa.JSON(), nullable=True),
        sa.Column("key_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("revision", sa.Integer(), server_default="0", nullable=False),
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


def _create_definition_dependencies() -> None:
    op.create_table(
        "definition_dependencies",
        sa.Column("definition_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("target", sa.String(length=255), nullable=False),
        sa.ForeignKeyConstraint(
            ["definition_id"],
            ["definitions.id"],
            name=op.f("fk_definition_dependencies_definition_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("definition_id", "kind", "target", name=op.f("pk_definition_dependencies")),
    )
    op.create_index(
        op.f("ix_definition_dependencies_target_kind"), "definition_dependencies", ["target", "kind"], unique=False
    )


def _create_segment_keys() -> None:
    op.create_table(
        "segment_keys",
        sa.Column("definition_id", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=250), nullable=False),
        sa.Column("removed", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["definition_id"],
            ["segment_definitions.id"],
            name=op.f("fk_segment_keys_definition_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("definition_id", "key", name=op.f("pk_segment_keys")),
    )
    op.create_index(
        op.f("ix_segment_keys_definition_id_revision"), "segment_keys", ["definition_id", "revision"], unique=False
    )


def _create_segment_revisions() -> None:
    op.create_table(
        "segment_revisions",
        sa.Column("definition_id", sa.String(length=64), nullable=False),
        sa.Column("revision", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("change_number", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["definition_id"],
            ["segment_definitions.id"],
            name=op.f("fk_segment_revisions_definition_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("definition_id", "revision", name=op.f("pk_segment_revisions")),
    )


def _create_queue() -> None:
    connection = op.get_bind()
    if connection.dialect.name != "postgresql":
        return
    connection.exec_driver_sql("CREATE SCHEMA flagpost_jobs")
    connection.exec_driver_sql("SET LOCAL search_path TO flagpost_jobs")
    connection.connection.cursor().execute(SchemaManager.get_schema())  # many statements, and signs of per cent
    connection.exec_driver_sql("SET LOCAL search_path TO DEFAULT")
