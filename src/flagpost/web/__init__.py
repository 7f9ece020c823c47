"""The HTTP edge: Admin API, console, and what the Jira app calls. The only package that speaks FastAPI."""
