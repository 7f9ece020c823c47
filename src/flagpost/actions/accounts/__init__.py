"""Use cases of people and keys: users, sessions, API keys, the first start."""
