"""Seeds that came from Split: by which keys are dealt out where a flag was moved in with them."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

_ID = sa.String(length=64)


def upgrade() -> None:
    """Apply the change. The version before reckons every seed from ids: it would deal the moved flags anew."""
    op.create_table(
        "carried_seeds",
        sa.Column("flag_id", _ID, nullable=False),
        sa.Column("environment_id", _ID, nullable=False),
        sa.Column("shares", sa.Integer(), nullable=False),
        sa.Column("exposure", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["environment_id"], ["environments.id"], name=op.f("fk_carried_seeds_environment_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["flag_id"], ["flags.id"], name=op.f("fk_carried_seeds_flag_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("flag_id", "environment_id", name=op.f("pk_carried_seeds")),
    )
    op.create_index(op.f("ix_carried_seeds_environment_id"), "carried_seeds", ["environment_id"])
