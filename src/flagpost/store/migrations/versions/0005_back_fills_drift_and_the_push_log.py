"""Back-fills that are remembered, drift that is looked for, and a log of what Jira was told."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Apply the change."""
    op.create_table(
        "jira_backfills",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.String(length=10), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=True),
        sa.Column("flag_id", sa.String(length=64), nullable=True),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("requested_at", sa.BigInteger(), nullable=False),
        sa.Column("requested_by", sa.String(length=255), nullable=False),
        sa.Column("total", sa.Integer(), server_default="0", nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.String(length=20), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", sa.String(length=255), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_jira_backfills_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jira_backfills")),
    )
    with op.batch_alter_table("jira_backfills", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_jira_backfills_account_id_requested_at"), ["account_id", "requested_at"], unique=False
        )
        batch_op.create_index(
            "ix_jira_backfills_open",
            ["account_id"],
            unique=False,
            sqlite_where=sa.text("outcome IS NULL"),
            postgresql_where=sa.text("outcome IS NULL"),
        )

    op.create_table(
        "jira_drift_checks",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("flag_id", sa.String(length=64), nullable=True),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("requested_at", sa.BigInteger(), nullable=False),
        sa.Column("requested_by", sa.String(length=255), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("first", sa.String(length=64), server_default="", nullable=False),
        sa.Column("position", sa.String(length=64), server_default="", nullable=False),
        sa.Column("went_round", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("total", sa.Integer(), server_default="0", nullable=False),
        sa.Column("read", sa.Integer(), server_default="0", nullable=False),
        sa.Column("shown", sa.Integer(), server_default="0", nullable=False),
        sa.Column("waiting", sa.Integer(), server_default="0", nullable=False),
        sa.Column("later", sa.Integer(), server_default="0", nullable=False),
        sa.Column("differed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("repaired", sa.Integer(), server_default="0", nullable=False),
        sa.Column("rest_until", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.String(length=20), nullable=True),
        sa.Column("words", sa.Text(), server_default="", nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_jira_drift_checks_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jira_drift_checks")),
    )
    with op.batch_alter_table("jira_drift_checks", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_jira_drift_checks_account_id_requested_at"), ["account_id", "requested_at"], unique=False
        )
        batch_op.create_index(
            "ix_jira_drift_checks_open",
            ["account_id"],
            unique=False,
            sqlite_where=sa.text("outcome IS NULL"),
            postgresql_where=sa.text("outcome IS NULL"),
        )

    op.create_table(
        "push_hours",
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("hour", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("accepted", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        sa.Column("waited_ms", sa.BigInteger(), nullable=False),
        sa.Column("longest_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_push_hours_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account_id", "hour", name=op.f("pk_push_hours")),
    )
    op.create_table(
        "push_log",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("flag_id", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("flag_name", sa.String(length=255), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("what", sa.String(length=10), nullable=False),
        sa.Column("outcome", sa.String(length=10), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=True),
        sa.Column("default_value", sa.String(length=255), nullable=True),
        sa.Column("rollout", sa.String(length=255), nullable=True),
        sa.Column("issues", sa.Integer(), server_default="0", nullable=False),
        sa.Column("words", sa.Text(), server_default="", nullable=False),
        sa.Column("trace_id", sa.String(length=100), nullable=True),
        sa.Column("waited_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_push_log_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_push_log")),
    )
    with op.batch_alter_table("push_log", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_push_log_account_id_at_id"), ["account_id", "at", "id"], unique=False)
        batch_op.create_index(
            "ix_push_log_refused",
            ["account_id", "at", "id"],
            unique=False,
            sqlite_where=sa.text("outcome = 'refused'"),
            postgresql_where=sa.text("outcome = 'refused'"),
        )
        batch_op.create_index(batch_op.f("ix_push_log_flag_id_at_id"), ["flag_id", "at", "id"], unique=False)

    op.create_table(
        "jira_drift_findings",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("check_id", sa.String(length=64), nullable=False),
        sa.Column("flag_id", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("flag_name", sa.String(length=255), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("repaired", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["check_id"], ["jira_drift_checks.id"], name=op.f("fk_jira_drift_findings_check_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jira_drift_findings")),
    )
    with op.batch_alter_table("jira_drift_findings", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_jira_drift_findings_check_id_at"), ["check_id", "at"], unique=False)
        batch_op.create_index(batch_op.f("ix_jira_drift_findings_flag_id_at"), ["flag_id", "at"], unique=False)

    with op.batch_alter_table("pushes", schema=None) as batch_op:
        batch_op.add_column(sa.Column("resend_id", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("resend_version", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("resend_only", sa.Boolean(), server_default=sa.false(), nullable=False))
        batch_op.add_column(sa.Column("deleted_at", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("read_back_at", sa.BigInteger(), nullable=True))
        batch_op.create_index(batch_op.f("ix_pushes_flag_name_account_id"), ["flag_name", "account_id"], unique=False)
        batch_op.create_index(
            "ix_pushes_read_back",
            ["read_back_at"],
            unique=False,
            sqlite_where=sa.text("read_back_at IS NOT NULL"),
            postgresql_where=sa.text("read_back_at IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_pushes_resent",
            ["resend_id"],
            unique=False,
            sqlite_where=sa.text("resend_id IS NOT NULL"),
            postgresql_where=sa.text("resend_id IS NOT NULL"),
        )
    # What Jira was asked to delete before this version: looked at too, in case it is still there.
    op.execute("UPDATE pushes SET deleted_at = delivered_at WHERE NOT held AND delivered > 0")
