"""Flagpost: self-hosted feature flags whose flags and Jira Cloud issues stay connected."""
