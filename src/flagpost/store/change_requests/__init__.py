"""SQL for change requests."""
