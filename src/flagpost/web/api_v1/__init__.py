"""Flagpost's own REST API: everything of the Jira side that the console can do."""

from flagpost.web.api_v1.routes import router

__all__ = ["router"]
