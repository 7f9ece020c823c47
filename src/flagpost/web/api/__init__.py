"""Split's Admin API, under /internal/api/v2: its paths, its bodies, its three ways of paging, its errors."""

from flagpost.web.api.routes import router

__all__ = ["router"]
