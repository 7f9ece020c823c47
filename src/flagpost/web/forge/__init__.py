"""The endpoints of the Flagpost app in Jira; an invocation token authenticates each call."""

from flagpost.web.forge.routes import router

__all__ = ["router"]
