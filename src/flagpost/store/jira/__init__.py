"""What the store knows about Jira: the integration and its site, issues, the outbox, and how delivery fares.

Rows are locked in the order of `flagpost.store.locks`: the account first, and after the rows of the other packages the
Jira site, outbox entries in the order of their flag ids, resyncs, issues with the connections between them and flags,
and last removals and reconciliations. A transaction that changes issues or moves their connections locks the account
from its start, because an issue leads to outbox entries that are not known beforehand. A transaction that only raises
or records outbox entries does not need the account.
"""
