"""What a run of the faults survived, for the report that `python -m benchmarks.faults` prints."""

import json
import os
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.end_to_end.burst import Burst


def heavy() -> bool:
    """Whether this is not the regular run but the long one."""
    return "FLAGPOST_FAULTS_REPORT" in os.environ


@dataclass
class Survived:
    """One test's seed, and what it went through. `test` and `store` say which it was."""

    test: str
    store: str
    seed: int
    faults: Counter[str] = field(default_factory=Counter)
    begun: float = field(default_factory=time.monotonic)

    def times(self, regular: int) -> int:
        """How many faults there are to be: more in the long run."""
        return regular * (4 if heavy() else 1)

    @property
    def seconds_away(self) -> int:
        """How long Jira is away: minutes in the long run."""
        return 150 if heavy() else 6

    def note(self, fault: str, count: int = 1) -> None:
        self.faults[fault] += count

    def done(self, burst: Burst | None = None, *, changes: int = 0, unanswered: int = 0) -> None:
        """The test has held; the report's line of it."""
        line = {
            "test": self.test,
            "store": self.store,
            "seed": self.seed,
            "changes": burst.acknowledged if burst else changes,
            "unanswered": burst.unanswered if burst else unanswered,
            "faults": self.faults,
            "seconds": round(time.monotonic() - self.begun, 1),
        }
        print(line)
        if heavy():
            with Path(os.environ["FLAGPOST_FAULTS_REPORT"]).open("a") as report:
                report.write(json.dumps(line) + "\n")
