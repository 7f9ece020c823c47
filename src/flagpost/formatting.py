"""Amounts and times as text, for pages, logs and the command line."""

from datetime import UTC, datetime

_STEPS = ((60, "second"), (60, "minute"), (24, "hour"), (30.4, "day"), (12, "month"), (1_000_000, "year"))


def counted(number: int, noun: str) -> str:
    """A number with its noun: *1 flag*, *2 flags*."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def exactly(moment: int) -> str:
    """A time in milliseconds, to the second, in UTC: *2026-01-02 03:04:05 UTC*."""
    return f"{datetime.fromtimestamp(moment / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def iso(moment: int) -> str:
    """A time in milliseconds, to the second, in ISO 8601."""
    return datetime.fromtimestamp(moment / 1000, UTC).isoformat(timespec="seconds")


def lasting(milliseconds: int) -> str:
    """A duration: *12 ms*, *3.4 s*, *5 min*, *2 h 5 min*, *3 days*."""
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    seconds = milliseconds / 1000
    if seconds < 60:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    return counted(hours // 24, "day")


def ago(moment: int, now: int) -> str:
    """A time relative to now: *just now*, *5 minutes ago*, *in 2 days*. Both in milliseconds."""
    ahead, amount = moment > now, abs(now - moment) / 1000
    if amount < 10:
        return "now" if ahead else "just now"
    for size, name in _STEPS:
        if amount < size:
            text = counted(int(amount), name)
            return f"in {text}" if ahead else f"{text} ago"
        amount /= size
    return exactly(moment)
