"""SQL for projects, environments, traffic types and attributes."""
