"""Marks on issues, raised by what Jira tells of them; and flags that are put off, because Jira fails at them."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Apply the change."""
    with op.batch_alter_table("issues", schema=None) as batch_op:
        batch_op.add_column(sa.Column("marks", sa.Integer(), server_default="0", nullable=False))
    with op.batch_alter_table("pushes", schema=None) as batch_op:
        batch_op.add_column(sa.Column("put_off_until", sa.BigInteger(), nullable=True))
