"""How values are shown on pages."""

import time
from datetime import UTC, datetime

from jinja2 import Environment
from markupsafe import Markup

from flagpost.flags.rollout import in_words

_STEPS = ((60, "second"), (60, "minute"), (24, "hour"), (30.4, "day"), (12, "month"), (1_000_000, "year"))


def install(environment: Environment) -> None:
    """Give templates these filters."""
    environment.filters.update(ago=ago, exactly=exactly, when=when, state_in_words=in_words)


def exactly(moment: int) -> str:
    """A time to the second, in UTC."""
    return f"{datetime.fromtimestamp(moment / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def ago(moment: int, now: int | None = None) -> str:
    """How long ago a time was, or how far ahead it is, as people say it."""
    seconds = ((now or time.time_ns() // 1_000_000) - moment) / 1000
    ahead, amount = seconds < 0, abs(seconds)
    if amount < 10:
        return "now" if ahead else "just now"
    for size, name in _STEPS:
        if amount < size:
            number = int(amount)
            text = f"{number} {name}{'' if number == 1 else 's'}"
            return f"in {text}" if ahead else f"{text} ago"
        amount /= size
    return exactly(moment)


def when(moment: int | None) -> Markup:
    """A time as an element: relative to read, exact on hover."""
    if moment is None:
        return Markup("<span class=muted>never</span>")
    machine = datetime.fromtimestamp(moment / 1000, UTC).isoformat(timespec="seconds")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(machine, exactly(moment), ago(moment))
