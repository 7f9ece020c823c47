"""Everything Atlassian: what Jira is told, how it is asked, and what it tells us."""
