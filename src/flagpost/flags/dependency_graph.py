"""Flags and segments that ask for each other: whether following what they ask for leads somewhere."""

from collections.abc import Callable, Iterable


def reaches(start: str, end: str, asked_by: Callable[[set[str]], Iterable[str]]) -> bool:
    """Whether `start` asks for `end`, itself or by way of others; `asked_by` names all that these names ask for.

    It is given each name once, those of a step together; circles on the way are no trouble.
    """
    seen: set[str] = set()
    waiting = {start}
    while waiting:
        seen |= waiting
        waiting = set(asked_by(waiting)) - seen
    return end in seen
