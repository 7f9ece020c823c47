"""Dependencies among flags and segments: a flag can depend on another flag's treatment, a segment on other segments."""

from collections.abc import Callable, Iterable, Iterator

from flagpost.flags.model import Definition


def flag_dependencies(definition: Definition) -> Iterator[tuple[str, str]]:
    """The flags that a definition depends on, each with its path in the Admin API's shape."""
    for number, one in enumerate(definition.prerequisites):
        yield f"prerequisites[{number}].splitName", one.flag
    for number, rule in enumerate(definition.rules):
        for place, matcher in enumerate(rule.matchers):
            if matcher.depends:
                yield f"rules[{number}].condition.matchers[{place}].depends.splitName", matcher.depends.flag


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
