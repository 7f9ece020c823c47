"""Use cases: one function is one transaction is one verb of the user's language."""
