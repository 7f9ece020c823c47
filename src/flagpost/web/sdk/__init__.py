"""The protocols of Split's SDKs and of OpenFeature's providers: raw routes, answered from memory."""

from flagpost.web.sdk.response_cache import ResponseCache
from flagpost.web.sdk.routes import Applications, mounts

__all__ = ["Applications", "ResponseCache", "mounts"]
