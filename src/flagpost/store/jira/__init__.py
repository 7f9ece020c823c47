"""What the store knows about Jira: the integration and its site, issues, the outbox, and how delivery fares.

**Lock order.** On PostgreSQL, two transactions that lock the same rows in different orders wait for each other, until
the database ends one of them. So every function here locks rows in one order, and always with FOR NO KEY UPDATE, which
lets other transactions insert rows that refer to the locked one:

1. the account (`accounts.hold`)
2. its integration, Jira site and credentials
3. project, flag, definition, segment, change request (the other packages of the store)
4. outbox entries, several of them in the order of their flag ids
5. issues, and the connections with them
6. resyncs, removals and reconciliations

A transaction that writes issues or merges their connections holds the account from the start, because an issue leads to
outbox entries that are not known beforehand. A transaction that only raises or records outbox entries does not.
SQLite has one writer at a time, so there the locks do nothing.
"""
