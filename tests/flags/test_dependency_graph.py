"""Searching the dependencies among flags and segments."""

import pytest

from flagpost.flags.dependency_graph import reaches

DEPENDENCIES = {"a": ["b", "c"], "b": ["d"], "c": ["a"], "d": []}


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [("a", "a", True), ("a", "d", True), ("c", "d", True), ("d", "a", False), ("b", "c", False), ("gone", "a", False)],
)
def test_dependencies_reach_others_through_any_number_and_through_cycles(start: str, end: str, expected: bool) -> None:
    assert reaches(start, end, lambda names: {one for name in names for one in DEPENDENCIES.get(name, ())}) is expected


def test_dependencies_of_each_name_are_looked_up_once() -> None:
    looked_up: list[str] = []

    def dependencies_of(names: set[str]) -> list[str]:
        looked_up.extend(sorted(names))
        return [one for name in names for one in DEPENDENCIES[name]]

    reaches("a", "nowhere", dependencies_of)
    assert sorted(looked_up) == ["a", "b", "c", "d"]
