"""Dependencies among flags and segments: a flag can depend on another flag's treatment, a segment on other segments."""

from collections.abc import Callable, Iterable


def reaches(start: str, end: str, dependencies_of: Callable[[set[str]], Iterable[str]]) -> bool:
    """Whether `start` depends on `end`, directly or through others.

    `dependencies_of` returns what any of the given names depends on directly. It is called once for each level of the
    graph and never twice for a name, so a cycle ends the search like any other path.
    """
    seen: set[str] = set()
    level = {start}
    while level:
        seen |= level
        level = set(dependencies_of(level)) - seen
    return end in seen
