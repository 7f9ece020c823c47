"""The console: the pages for people."""

from flagpost.web.console.routes import router

__all__ = ["router"]
