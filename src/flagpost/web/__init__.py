"""The HTTP edge: Admin API, REST API, SDK endpoints, console, the Jira app's endpoints. Only it uses FastAPI."""
