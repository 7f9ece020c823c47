"""Who an application is, by its SDK key, without asking the database each time.

A key that was looked up is believed for a second, in every process: so a revoked key ends within a second. While the
database is away, what was known goes on being believed, since applications must not lose their flags with it.
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
_BELIEVED_SECONDS = 1.0
_MOST_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class SdkKey:
    """A key that works, and the one environment it opens."""

    id: str
    account_id: str
    project_id: str
    environment_id: str
    kind: str


@dataclass(frozen=True, slots=True)
class _Known:
    key: SdkKey | None
    why_not: str
    until: float


class SdkKeys:
    """Looks keys up and remembers them for a moment; shared by all threads."""

    def __init__(self, ctx: Context, now: Callable[[], float] = time.monotonic) -> None:
        self._ctx = ctx
        self._now = now
        self._known: dict[str, _Known] = {}

    def remembered(self, secret: str) -> SdkKey | None:
        """The key with this secret, if that was looked up a moment ago. NotSignedIn if it did not work then."""
        known = self._known.get(secret)
        if known is None or known.until < self._now():
            return None
        return _key_of(known)

    def look_up(self, secret: str) -> SdkKey:
        """The key with this secret. NotSignedIn says why it does not work."""
        try:
            found = self._find(secret)
        except StoreError as error:
            before = self._known.get(secret)
            if before is None:
                raise
            log.warning("sdk.key_believed_without_database", said=str(error))
            return _key_of(before)
        if len(self._known) >= _MOST_REMEMBERED:
            self._known.clear()
        self._known[secret] = found
        return _key_of(found)

    def _find(self, secret: str) -> _Known:
        until = self._now() + _BELIEVED_SECONDS
        with self._ctx.db.read() as tx:
            key = api_keys.find_by_secret(tx, hash_of(secret))
        if key is not None and key.kind not in (SERVER_SIDE, CLIENT_SIDE):
            return _Known(None, "This key is for the Admin API. Applications need an SDK key.", until)
        if key is None or key.project_id is None:
            return _Known(None, "This SDK key is not known.", until)
        try:
            require_working(key, self._ctx.clock())
        except NotSignedIn as error:
            return _Known(None, error.message, until)
        note_use(self._ctx, key)
        return _Known(SdkKey(key.id, key.account_id, key.project_id, key.environment_ids[0], key.kind), "", until)


def _key_of(known: _Known) -> SdkKey:
    if known.key is None:
        raise NotSignedIn(known.why_not)
    return known.key
