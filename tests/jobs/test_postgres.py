"""The PostgreSQL engine: how it replaces a worker that died."""

from flagpost.jobs import postgres
from flagpost.settings import Settings


def test_a_dead_worker_is_replaced_within_half_a_minute() -> None:
    """The promise, added up from the intervals: a test with a clock would measure how busy the machine is."""
    noticed = postgres._STALLED_AFTER_SECONDS + postgres._REAP_SECONDS
    woken = float(Settings.model_fields["sweep_seconds"].default)
    assert noticed + woken < 30
    assert postgres._HEARTBEAT_SECONDS * 2 < postgres._STALLED_AFTER_SECONDS  # a late heartbeat is no death
