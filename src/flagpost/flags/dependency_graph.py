"""Flags and segments that ask for each other: what one asks for, and whether following that leads somewhere."""

from collections.abc import Callable, Iterable, Iterator

from flagpost.flags.model import Definition


def flags_asked(definition: Definition) -> Iterator[tuple[str, str]]:
    """The flags whose treatments a definition asks for, each with its path in the Admin API's shape."""
    for number, one in enumerate(definition.prerequisites):
        yield f"prerequisites[{number}].splitName", one.flag
    for number, rule in enumerate(definition.rules):
        for place, matcher in enumerate(rule.matchers):
            if matcher.depends:
                yield f"rules[{number}].condition.matchers[{place}].depends.splitName", matcher.depends.flag


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
