"""The embedded engine: one delivery an account at a time, and no wake that is lost while it runs."""

import threading
import time
from collections.abc import Callable

from flagpost.jobs.embedded import EmbeddedEngine
from tests.jobs.waiting import until


class Deliveries:
    """Deliveries that wait for an event, and are counted."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.at_once = 0
        self.most_at_once: dict[str, int] = {}
        self.go = threading.Event()
        self._lock = threading.Lock()
        self._running: dict[str, int] = {}

    def __call__(self, account: str, stopping: Callable[[], bool]) -> None:
        with self._lock:
            self.begun.append(account)
            self._running[account] = self._running.get(account, 0) + 1
            self.most_at_once[account] = max(self.most_at_once.get(account, 0), self._running[account])
        self.go.wait(60)
        with self._lock:
            self._running[account] -= 1


def test_one_delivery_an_account_at_a_time_and_at_most_one_waiting() -> None:
    deliveries = Deliveries()
    engine = EmbeddedEngine(deliveries, lambda: [], 60)
    engine.start()
    for _ in range(20):
        engine.wake("a")
        engine.wake("b")
    until(lambda: len(deliveries.begun) == 2)
    deliveries.go.set()
    until(lambda: len(deliveries.begun) == 4)
    time.sleep(0.05)
    assert sorted(deliveries.begun) == ["a", "a", "b", "b"]
    assert deliveries.most_at_once == {"a": 1, "b": 1}
    engine.stop()


def test_a_wake_during_a_run_has_it_run_once_more() -> None:
    deliveries = Deliveries()
    engine = EmbeddedEngine(deliveries, lambda: [], 60)
    engine.start()
    engine.wake("a")
    until(lambda: deliveries.begun == ["a"])
    engine.wake("a")
    deliveries.go.set()
    until(lambda: deliveries.begun == ["a", "a"])
    engine.stop()


def test_the_sweep_finds_what_no_wake_told_of() -> None:
    deliveries = Deliveries()
    deliveries.go.set()
    waiting: list[str] = []
    engine = EmbeddedEngine(deliveries, lambda: list(waiting), 0.05)
    engine.start()
    waiting.append("a")
    until(lambda: "a" in deliveries.begun)
    engine.stop()


def test_a_delivery_that_fails_does_not_stop_the_next() -> None:
    calls: list[str] = []

    def fail_once(account: str, stopping: Callable[[], bool]) -> None:
        calls.append(account)
        if len(calls) == 1:
            raise RuntimeError("broken")

    engine = EmbeddedEngine(fail_once, lambda: ["a"], 0.05)
    engine.start()
    until(lambda: len(calls) > 1)
    assert engine.alive()
    engine.stop()


def test_a_stop_waits_for_the_run_in_hand_and_begins_nothing_new() -> None:
    deliveries = Deliveries()
    engine = EmbeddedEngine(deliveries, lambda: [], 60)
    engine.start()
    engine.wake("a")
    until(lambda: deliveries.begun == ["a"])
    threading.Timer(0.2, deliveries.go.set).start()
    engine.stop()
    assert deliveries.go.is_set()
    engine.wake("b")
    assert deliveries.begun == ["a"]
    assert not engine.alive()
