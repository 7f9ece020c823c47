"""Everything Atlassian: what Flagpost sends to Jira, how it asks Jira, and what Jira sends."""
