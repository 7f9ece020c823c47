"""The pages people use."""

from flagpost.web.console.routes import router

__all__ = ["router"]
