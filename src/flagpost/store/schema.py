"""Every table of Flagpost: `metadata` is whole once this module is imported, whatever file a table stands in."""

from flagpost.store import change_request_tables, jira_tables, targeting_tables
from flagpost.store.tables import metadata

__all__ = ["change_request_tables", "jira_tables", "metadata", "targeting_tables"]
