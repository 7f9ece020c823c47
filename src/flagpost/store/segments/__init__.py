"""SQL for segments and their keys."""
