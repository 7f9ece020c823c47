"""Which requests made the changes that a push carries, so that the log leads from a change to the call at Jira."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Apply the change. The version before goes on without the column."""
    with op.batch_alter_table("pushes", schema=None) as batch_op:
        batch_op.add_column(sa.Column("wanted_by", sa.Text(), nullable=True))
