"""What Jira tells of an issue raises a mark, so that a look-up that was on its way then is known to be too old."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Apply the change."""
    with op.batch_alter_table("issues", schema=None) as batch_op:
        batch_op.add_column(sa.Column("marks", sa.Integer(), server_default="0", nullable=False))
