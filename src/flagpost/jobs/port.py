"""When deliveries run: what Flagpost asks of an engine. The outbox is the truth, the engine is the clock."""

from typing import Protocol

from flagpost.store.jira.metrics import Queue


class Engine(Protocol):
    """Runs deliveries: one at a time for an account on all hosts together, at most one more waiting."""

    def start(self) -> None:
        """Start working. The first sweep finds what earlier processes left."""

    def stop(self, timeout: float) -> None:
        """Finish the batches in hand, for at most `timeout` seconds, and begin nothing new."""

    def wake(self, account_id: str) -> None:
        """Run this account's delivery soon. Returns at once, from any thread. The sweep repeats a wake that is lost."""

    def alive(self) -> bool:
        """Whether this engine would run a delivery."""

    def queue(self) -> Queue | None:
        """How many deliveries wait and run; None where the database knows (`store.jira.metrics.queue`)."""
