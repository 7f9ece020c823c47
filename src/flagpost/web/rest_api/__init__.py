"""Flagpost's own REST API: everything of the Jira side that the console can do."""

from flagpost.web.rest_api.routes import router

__all__ = ["router"]
