"""Numbers that rise with every change of a flag in an environment, for the applications that evaluate it."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Apply the change. `store.flags.change_log.catch_up` numbers what is there already, at the next start."""
    op.create_table(
        "flag_changes",
        sa.Column("environment_id", sa.String(length=64), nullable=False),
        sa.Column("flag_id", sa.String(length=64), nullable=False),
        sa.Column("flag_name", sa.String(length=255), nullable=False),
        sa.Column("traffic_type", sa.String(length=255), nullable=False),
        sa.Column("change_number", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["environment_id"],
            ["environments.id"],
            name=op.f("fk_flag_changes_environment_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("environment_id", "flag_id", name=op.f("pk_flag_changes")),
    )
    with op.batch_alter_table("flag_changes", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_flag_changes_environment_id_change_number"),
            ["environment_id", "change_number"],
            unique=False,
        )
