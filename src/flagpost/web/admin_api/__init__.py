"""Split's Admin API, under /internal/api/v2 and /api/v3: its paths, bodies, three ways of paging, and errors."""

from flagpost.web.admin_api.routes import router

__all__ = ["router"]
