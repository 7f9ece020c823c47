"""Atlassian's key set, whose keys sign what the Jira app sends.

Flagpost fetches it when it is first needed, again every hour, and when a token names a key that is not in it, which is
how Atlassian rotates keys. Three things must not follow from that.

*A storm*: a stranger could invent key ids to cause one fetch after another, and while Atlassian does not answer, every
call would fetch in vain. So each fetch first notes that the next one has to wait, and removes that note only where it
found the key that was asked for.

*A queue*: one fetch runs at a time, outside the lock. A call with a known key goes on; a call with an unknown key waits
a moment for the fetch that is running, and no longer.

*An outage*: where a fetch fails, the known keys stay valid.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

import structlog
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, RSAKey

from flagpost.jira.client import JiraUnreachable

log = structlog.get_logger(__name__)

_LIFE_SECONDS = 3600.0
_WAIT_AFTER_FRUITLESS_FETCH = 30.0
_WAIT_AFTER_FAILURE = 5.0  # until Atlassian answers, calls with unknown keys fail, which should not last
_PATIENCE_SECONDS = 3.0  # for a fetch of another thread


class SigningKeys:
    """Finds keys by their ids; for all threads. `fetch` returns the key set as JSON, or raises JiraUnreachable."""

    def __init__(self, fetch: Callable[[], Any], now: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._now = now
        self._lock = threading.Lock()
        self._keys: dict[str, RSAKey] = {}
        self._fetched_at = self._not_before = float("-inf")
        self._failed = False
        self._running: threading.Event | None = None

    def find(self, key_id: str) -> RSAKey | None:
        """The key with this id; None where Atlassian has none. Raises JiraUnreachable while Atlassian does not say."""
        if key_id not in self._keys:
            return self._newly_fetched(key_id)
        if self._now() - self._fetched_at > _LIFE_SECONDS:
            self._renew(key_id)
        return self._keys.get(key_id)

    def _renew(self, key_id: str) -> None:
        mine, _ = self._begin()
        if mine:
            try:
                self._run(mine, key_id)
            except JiraUnreachable as error:
                log.warning("jira.key_set_kept", said=error.message)

    def _newly_fetched(self, key_id: str) -> RSAKey | None:
        mine, running = self._begin()
        if mine:
            self._run(mine, key_id)
        elif running and not running.wait(_PATIENCE_SECONDS):
            raise JiraUnreachable("Atlassian's key set takes long to come.")
        found = self._keys.get(key_id)
        if found is None and self._failed:
            raise JiraUnreachable("Atlassian's key set could not be fetched just now.")
        return found

    def _begin(self) -> tuple[threading.Event | None, threading.Event | None]:
        """A fetch for the caller to run, or the one that another thread runs; neither where a fetch has to wait."""
        with self._lock:
            if self._running or self._now() < self._not_before:
                return None, self._running
            self._not_before = self._now() + _WAIT_AFTER_FRUITLESS_FETCH
            self._running = threading.Event()
            return self._running, None

    def _run(self, mine: threading.Event, key_id: str) -> None:
        self._failed = True
        try:
            self._keys = _rsa_keys(self._fetch())
            self._fetched_at, self._failed = self._now(), False
        finally:
            with self._lock:
                if self._failed:
                    self._not_before = self._now() + _WAIT_AFTER_FAILURE
                elif key_id in self._keys:
                    self._not_before = float("-inf")
                self._running = None
            mine.set()


def _rsa_keys(key_set: Any) -> dict[str, RSAKey]:
    """The keys by their ids. A key of an unknown kind is skipped (RFC 7517, section 5)."""
    found = key_set.get("keys") if isinstance(key_set, dict) else None
    keys: dict[str, RSAKey] = {}
    for one in found if isinstance(found, list) else []:
        try:
            key = JWKRegistry.import_key(one)
        except (JoseError, ValueError, TypeError, KeyError, AttributeError):
            continue
        if isinstance(key, RSAKey) and key.kid:
            keys[key.kid] = key
    if not keys:
        raise JiraUnreachable("Atlassian's key set holds no key.")
    return keys
