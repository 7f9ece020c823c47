"""Waiting for a condition, with a limit that only a broken test reaches."""

import time
from collections.abc import Callable

_LIMIT_SECONDS = 60.0


def until(holds: Callable[[], bool]) -> None:
    """Return as soon as the condition holds."""
    ends_at = time.monotonic() + _LIMIT_SECONDS
    while not holds():
        assert time.monotonic() < ends_at
        time.sleep(0.002)
