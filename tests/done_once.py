"""What each test would do anew, and is done once a process instead: together it was half of a small test's time.

Nothing about the product changes by it: the same statements are sent, the same certificates believed, the same
settings read.
"""

import os
from functools import cache
from typing import Any

import httpx2._transports.default as http_transport
import pytest
import sqlalchemy as sa
from pydantic_settings import EnvSettingsSource


def share(patch: pytest.MonkeyPatch) -> None:
    """Share it, until `patch` is undone."""
    patch.setattr(sa, "create_engine", _engine_of_one_dialect(sa.create_engine))
    patch.setattr(
        http_transport, "create_ssl_context", _context_by_certificates(vars(http_transport)["create_ssl_context"])
    )
    patch.setattr(EnvSettingsSource, "__call__", _read_where_any_is_set(EnvSettingsSource.__call__))


def _context_by_certificates(create: Any) -> Any:
    """Reading the certificates takes 30 ms; a test that names others of its own gets a context of its own."""

    @cache
    def kept(_file: str | None, *args: Any, **how: Any) -> Any:
        return create(*args, **how)

    return lambda *args, **how: kept(os.environ.get("SSL_CERT_FILE"), *args, **how)


def _engine_of_one_dialect(create: Any) -> Any:
    """SQLAlchemy remembers what it compiled by engine and dialect; each test opens its database with a new engine.

    An engine with an isolation level of its own keeps its dialect, which applies that level to every connection.
    """
    known: dict[str, Any] = {}

    def create_engine(url: sa.URL | str, **how: Any) -> sa.Engine:
        engine: sa.Engine = create(url, **how)
        if "isolation_level" in how:  # which the dialect keeps
            return engine
        engine.dialect, engine._compiled_cache = known.setdefault(
            sa.make_url(url).drivername, (engine.dialect, engine._compiled_cache)
        )
        return engine

    return create_engine


def _read_where_any_is_set(read: Any) -> Any:
    """Working out the variables' names takes 20 ms, and mostly there is none to read."""

    def call(source: EnvSettingsSource) -> dict[str, Any]:
        is_set = any(name.upper().startswith(source.env_prefix) for name in os.environ)
        return read(source) if is_set else {}

    return call
