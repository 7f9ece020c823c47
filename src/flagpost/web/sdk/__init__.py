"""What Split's SDKs and OpenFeature's providers call: raw routes, answered from memory."""

from flagpost.web.sdk.response_cache import ResponseCache
from flagpost.web.sdk.routes import Applications, mounts

__all__ = ["Applications", "ResponseCache", "mounts"]
