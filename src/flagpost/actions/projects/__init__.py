"""Use cases of projects, their environments, and their attributes and identities."""
