"""Every table of Flagpost: `metadata` is whole once this module is imported, whatever file a table stands in."""

from flagpost.store.schema import change_requests, jira, targeting
from flagpost.store.schema.core import metadata

__all__ = ["change_requests", "jira", "metadata", "targeting"]
