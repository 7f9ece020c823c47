"""What Split's SDKs and OpenFeature's providers call: raw routes, answered from memory."""

from flagpost.web.sdk.routes import mount

__all__ = ["mount"]
