"""Credentials without an app, people of Jira, issues that are refreshed, removals that are proven."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Apply the change."""
    op.create_table(
        "jira_credentials",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("site_url", sa.String(length=500), nullable=False),
        sa.Column("cloud_id", sa.String(length=100), nullable=False),
        sa.Column("client_id", sa.String(length=255), nullable=False),
        sa.Column("client_secret", sa.LargeBinary(), nullable=False),
        sa.Column("delete_refused", sa.Text(), nullable=True),
        sa.Column("api_email", sa.String(length=255), nullable=True),
        sa.Column("api_token", sa.LargeBinary(), nullable=True),
        sa.Column("api_base_url", sa.String(length=500), nullable=True),
        sa.Column("api_refused", sa.Text(), nullable=True),
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
        sa.Column("words", sa.Text(), server_default="", nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_jira_removals_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jira_removals")),
    )
    with op.batch_alter_table("jira_removals", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_jira_removals_account_id_requested_at"), ["account_id", "requested_at"], unique=False
        )

    op.create_table(
        "jira_people",
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("atlassian_id", sa.String(length=255), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("linked_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_jira_people_account_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_jira_people_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("account_id", "atlassian_id", name=op.f("pk_jira_people")),
    )
    with op.batch_alter_table("jira_people", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_jira_people_user_id"), ["user_id"], unique=False)

    with op.batch_alter_table("issues", schema=None) as batch_op:
        batch_op.add_column(sa.Column("jira_project_id", sa.String(length=30), nullable=True))
        batch_op.add_column(sa.Column("due_at", sa.BigInteger(), server_default="0", nullable=False))
        batch_op.create_index(batch_op.f("ix_issues_account_id_due_at"), ["account_id", "due_at"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_issues_account_id_jira_project_id"), ["account_id", "jira_project_id"], unique=False
        )

    with op.batch_alter_table("jira_sites", schema=None) as batch_op:
        batch_op.add_column(sa.Column("way", sa.String(length=10), server_default="app", nullable=False))
        batch_op.add_column(sa.Column("resend_wanted_at", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("quiet_until", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("moved_to", sa.String(length=500), nullable=True))

    with op.batch_alter_table("pushes", schema=None) as batch_op:
        batch_op.add_column(sa.Column("told_issues", sa.JSON(), nullable=True))
        batch_op.drop_index(batch_op.f("ix_pushes_behind"), sqlite_where=sa.text("wanted > delivered"))
        batch_op.create_index(
            "ix_pushes_waiting",
            ["account_id", "wanted", "project_id"],
            unique=False,
            sqlite_where=sa.text("wanted > delivered"),
            postgresql_where=sa.text("wanted > delivered"),
        )
