"""Use cases of the Jira integration: set-up, issue links, the issue panel, webhooks, delivery health, resync."""
