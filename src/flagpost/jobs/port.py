"""When deliveries run: what the rest of Flagpost asks of an engine. The outbox is the truth, this is the clock."""

from typing import Protocol

from flagpost.store.jira.metrics import Queue


class Engine(Protocol):
    """Runs deliveries: one at a time for an account on all hosts together, at most one more waiting."""

    def start(self) -> None:
        """Begin, with a sweep at once for whatever was left behind."""

    def stop(self, timeout: float) -> None:
        """Finish the batches in hand, for at most `timeout` seconds, and begin nothing new."""

    def wake(self, account_id: str) -> None:
        """Have this account's delivery run now. Returns at once; may be called from any thread, and be lost."""

    def alive(self) -> bool:
        """Whether deliveries would run."""

    def queue(self) -> Queue | None:
        """What is waiting and running; None where that is in the database (`store.jira.metrics.queue`)."""
