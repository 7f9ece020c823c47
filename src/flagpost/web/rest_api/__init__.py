"""Flagpost's own REST API under /api/v1: the Jira integration, evaluation and traffic."""

from flagpost.web.rest_api.routes import router

__all__ = ["router"]
