"""Failed attempts are counted in a sliding window, and in bounded memory that forgets the oldest names only."""

import pytest

from flagpost.actions.accounts.rate_limit import FailedAttempts
from flagpost.errors import TooManyRequests

NOW = 1_790_000_000_000
MINUTE = 60_000


def fail(attempts: FailedAttempts, name: str, times: int, now: int = NOW) -> None:
    for _ in range(times):
        attempts.record(now, name)


def test_a_name_is_refused_at_the_limit_and_no_other_is() -> None:
    attempts = FailedAttempts(3)
    fail(attempts, "ada", 2)
    attempts.require_allowed(NOW, "ada")
    fail(attempts, "ada", 1)
    with pytest.raises(TooManyRequests, match="10 minutes") as refused:
        attempts.require_allowed(NOW + MINUTE, "bob", "ada")
    assert refused.value.retry_after == 9 * 60 + 1
    attempts.require_allowed(NOW, "bob")


def test_the_window_slides() -> None:
    attempts = FailedAttempts(2)
    fail(attempts, "ada", 1)
    fail(attempts, "ada", 1, NOW + 5 * MINUTE)
    with pytest.raises(TooManyRequests):
        attempts.require_allowed(NOW + 10 * MINUTE - 1, "ada")
    attempts.require_allowed(NOW + 10 * MINUTE, "ada")
    fail(attempts, "ada", 1, NOW + 10 * MINUTE)
    with pytest.raises(TooManyRequests):
        attempts.require_allowed(NOW + 10 * MINUTE, "ada")


def test_a_name_that_succeeded_starts_again() -> None:
    attempts = FailedAttempts(1)
    fail(attempts, "ada", 1)
    attempts.reset("ada")
    attempts.require_allowed(NOW, "ada")


def test_failures_under_thousands_of_other_names_reset_no_count() -> None:
    attempts = FailedAttempts(10)
    fail(attempts, "ada", 10)
    for number in range(20_000):
        attempts.record(NOW + number, f"stranger{number}", f"address{number // 10}")
    with pytest.raises(TooManyRequests):
        attempts.require_allowed(NOW + 20_000, "ada")


def test_at_the_bound_only_the_names_that_failed_longest_ago_are_forgotten() -> None:
    attempts = FailedAttempts(1, max_names=3)
    for moment, name in enumerate(("ada", "bob", "cem", "ada", "dan", "eve")):
        attempts.record(NOW + moment, name)
    for name in ("bob", "cem"):
        attempts.require_allowed(NOW + 6, name)
    for name in ("ada", "dan", "eve"):
        with pytest.raises(TooManyRequests):
            attempts.require_allowed(NOW + 6, name)


def test_asking_whether_a_name_is_allowed_remembers_nothing() -> None:
    attempts = FailedAttempts(1)
    for number in range(1000):
        attempts.require_allowed(NOW, f"visitor{number}")
    assert len(attempts._failures) == 0
