"""Use cases of approvals: change requests and their reviews."""
