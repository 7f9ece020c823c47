"""SQL for accounts, users, groups, sessions and API keys."""
