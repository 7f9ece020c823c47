"""Atlassian's key set, with which what the Jira app sends is signed.

It is fetched when it is first needed, again every hour, and when a key is asked for that it does not hold, which is how
keys are rotated. Three things must not come of that.

*A storm*: a stranger could make up key ids to have it fetched over and over, and while Atlassian is away every call
would fetch it in vain. So before each fetch it is noted that the next one has to wait, and only one that found what was
asked for strikes that off.

*A queue*: one fetch runs at a time, outside the lock. Whoever holds a key that is known goes on with it; who does not
waits a moment for the fetch that is running, and no longer.

*An outage*: where a fetch fails, the keys that are known go on being believed.
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
_WAIT_AFTER_FAILURE = 5.0  # with no word from Atlassian, calls are put off, and should not be for long
_PATIENCE_SECONDS = 3.0  # for a fetch of another thread's


class SigningKeys:
    """Finds keys by their ids; shared by all threads. `fetch` gives the key set as JSON, or raises JiraUnreachable."""

    def __init__(self, fetch: Callable[[], Any], now: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._now = now
        self._lock = threading.Lock()
        self._keys: dict[str, RSAKey] = {}
        self._fetched_at = self._not_before = float("-inf")
        self._failed = False
        self._running: threading.Event | None = None

    def find(self, key_id: str) -> RSAKey | None:
        """The key with this id; None where Atlassian has none. JiraUnreachable where that cannot be said now."""
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
        """A fetch for the caller to run, or the one that another thread runs; neither, where the next has to wait."""
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
    """The keys by their ids. One of a kind that is not known does not spoil the others (RFC 7517, section 5)."""
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
        raise JiraUnreachable("What came as Atlassian's key set holds no key.")
    return keys
