"""A token bucket that tells its caller how long to wait."""

from dataclasses import dataclass


@dataclass
class TokenBucket:
    """Holds up to `most` tokens and gains `per_second`; full at first. Not safe for use by several threads at once.

    Where it holds less than the bucket of the server and fills more slowly, it never empties that one.
    """

    most: float
    per_second: float
    _left: float | None = None
    _at: float = 0.0

    @classmethod
    def empty(cls, most: float, per_second: float, now: float) -> "TokenBucket":
        """A bucket that holds nothing at `now`."""
        return cls(most, per_second, 0.0, now)

    def take(self, now: float, cost: float = 1.0, patience: float | None = None) -> float | None:
        """Take `cost` tokens, and return how many seconds to wait before using them.

        Where that is longer than `patience`, takes nothing and returns None.
        """
        left = self.left(now)
        wait = max(0.0, (cost - left) / self.per_second)
        if patience is not None and wait > patience:
            return None
        self._left, self._at = left - cost, now
        return wait

    def left(self, now: float) -> float:
        """How many tokens it holds; below zero where callers are waiting for tokens that they have taken."""
        return self.most if self._left is None else min(self.most, self._left + (now - self._at) * self.per_second)
