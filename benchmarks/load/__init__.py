"""The load benchmark: many connected flags over many Jira sites, on either store."""
