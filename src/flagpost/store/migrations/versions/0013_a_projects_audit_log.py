"""An index for the page of a project's audit log, which went through the whole account's."""

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Apply the change."""
    op.create_index(op.f("ix_audit_entries_project_id_id"), "audit_entries", ["project_id", "id"])
