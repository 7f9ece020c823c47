"""What the Flagpost app in Jira calls, each call proven by an invocation token."""

from flagpost.web.forge.routes import router

__all__ = ["router"]
