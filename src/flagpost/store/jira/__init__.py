"""SQL for the Jira integration: the outbox, the delivery log, issues, resyncs, reconciliation."""
