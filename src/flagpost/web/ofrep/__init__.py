"""OpenFeature's Remote Evaluation Protocol, for its official providers."""

from flagpost.web.ofrep.routes import routes

__all__ = ["routes"]
