"""Flagpost: self-hosted feature flags whose flags and Jira Cloud issues stay connected."""

__version__ = "0.1.0"
