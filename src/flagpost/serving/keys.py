"""Which application a request comes from, by its SDK key, without a database query for each request.

Each process caches the result of a lookup for one second, so a revoked key stops working within a second. While the
database is away, keys that worked at their last lookup keep working: applications must not lose their flags with it.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from flagpost.actions.accounts.api_keys import hash_of, note_use, require_working
from flagpost.actions.context import Context
from flagpost.errors import NotSignedIn
from flagpost.store.accounts import api_keys
from flagpost.store.db import StoreError

log = structlog.get_logger(__name__)

SERVER_SIDE, CLIENT_SIDE = "server_side", "client_side"
_CACHE_SECONDS = 1.0
_MAX_CACHED = 10_000


@dataclass(frozen=True, slots=True)
class SdkKey:
    """A working key, and the one environment that it opens."""

    id: str
    account_id: str
    project_id: str
    environment_id: str
    kind: str


@dataclass(frozen=True, slots=True)
class _Lookup:
    """The result of a lookup: a key, or the reason why there is none. `expires` is by the monotonic clock."""

    key: SdkKey | None
    refusal: str
    expires: float


class SdkKeys:
    """Looks keys up and caches them; shared by all threads."""

    def __init__(self, ctx: Context, now: Callable[[], float] = time.monotonic) -> None:
        self._ctx = ctx
        self._now = now
        self._cache: dict[str, _Lookup] = {}

    def cached(self, secret: str) -> SdkKey | None:
        """The key with this secret; None where the cache does not know. NotSignedIn where the lookup refused it."""
        lookup = self._cache.get(secret)
        if lookup is None or lookup.expires < self._now():
            return None
        return _key_of(lookup)

    def look_up(self, secret: str) -> SdkKey:
        """The key with this secret, from the database. NotSignedIn says why it does not work."""
        try:
            lookup = self._look_up(secret)
        except StoreError as error:
            expired = self._cache.get(secret)
            if expired is None:
                raise
            log.warning("sdk.key_accepted_without_database", error=str(error))
            return _key_of(expired)
        if len(self._cache) >= _MAX_CACHED:
            self._cache.clear()
        self._cache[secret] = lookup
        return _key_of(lookup)

    def _look_up(self, secret: str) -> _Lookup:
        expires = self._now() + _CACHE_SECONDS
        with self._ctx.db.read() as tx:
            key = api_keys.find_by_secret(tx, hash_of(secret))
        if key is not None and key.kind not in (SERVER_SIDE, CLIENT_SIDE):
            return _Lookup(None, "This key is for the Admin API. Applications need an SDK key.", expires)
        if key is None or key.project_id is None:
            return _Lookup(None, "This SDK key is not known.", expires)
        try:
            require_working(key, self._ctx.clock())
        except NotSignedIn as error:
            return _Lookup(None, error.message, expires)
        note_use(self._ctx, key)
        found = SdkKey(key.id, key.account_id, key.project_id, key.environment_ids[0], key.kind)
        return _Lookup(found, "", expires)


def _key_of(lookup: _Lookup) -> SdkKey:
    if lookup.key is None:
        raise NotSignedIn(lookup.refusal)
    return lookup.key
