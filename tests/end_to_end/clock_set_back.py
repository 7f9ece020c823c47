"""Flagpost on a host whose clock is set back by an hour when this process is sent SIGUSR1: `python -m … serve …`.

What counts seconds since the start (the monotonic clock) goes on, as it does on such a host.
"""

import signal
import time
from datetime import UTC, datetime, timedelta

import time_machine

from flagpost.cli import main

HOUR = timedelta(hours=1)


def set_back(*_: object) -> None:
    """For good: every clock of this process that tells the time of day."""
    time_machine.travel(datetime.fromtimestamp(time.time(), UTC) - HOUR, tick=True).start()


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, set_back)
    main()
