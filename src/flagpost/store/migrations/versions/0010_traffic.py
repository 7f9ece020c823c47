"""What applications are served: sums by the hour, when each treatment was served last, and the live tail."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

_ID = sa.String(length=64)
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply the change. The version before knows nothing of these tables."""
    op.create_table(
        "impression_sums",
        sa.Column("environment_id", _ID, nullable=False),
        sa.Column("flag_id", _ID, nullable=False),
        sa.Column("hour", sa.BigInteger(), nullable=False),
        sa.Column("treatment", sa.String(length=100), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("environment_id", "flag_id", "hour", "treatment", name=op.f("pk_impression_sums")),
    )
    op.create_index(op.f("ix_impression_sums_hour"), "impression_sums", ["hour"])
    op.create_table(
        "treatments_served",
        sa.Column("flag_id", _ID, nullable=False),
        sa.Column("environment_id", _ID, nullable=False),
        sa.Column("treatment", sa.String(length=100), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("flag_id", "environment_id", "treatment", name=op.f("pk_treatments_served")),
    )
    op.create_index(
        op.f("ix_treatments_served_environment_id_first_at"), "treatments_served", ["environment_id", "first_at"]
    )
    op.create_index(op.f("ix_treatments_served_last_at"), "treatments_served", ["last_at"])
    op.create_table(
        "watched_flags",
        sa.Column("environment_id", _ID, nullable=False),
        sa.Column("flag_id", _ID, nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("environment_id", "flag_id", name=op.f("pk_watched_flags")),
    )
    op.create_table(
        "recent_impressions",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("environment_id", _ID, nullable=False),
        sa.Column("flag_id", _ID, nullable=False),
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
    )
    op.create_index(op.f("ix_recent_impressions_kept_at"), "recent_impressions", ["kept_at"])
