"""An index for what the drift check asks of all sites at once; and none for what nobody asks of segments' keys."""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Apply the change."""
    op.create_index(
        op.f("ix_jira_drift_checks_kind_requested_at"), "jira_drift_checks", ["kind", "requested_at"], unique=False
    )
    op.drop_index(op.f("ix_segment_keys_key"), table_name="segment_keys")
