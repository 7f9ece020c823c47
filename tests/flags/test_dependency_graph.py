"""Following what flags and segments ask for."""

import pytest

from flagpost.flags.dependency_graph import reaches

ASKS = {"a": ["b", "c"], "b": ["d"], "c": ["a"], "d": []}


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [("a", "a", True), ("a", "d", True), ("c", "d", True), ("d", "a", False), ("b", "c", False), ("gone", "a", False)],
)
def test_whether_one_leads_to_another_and_circles_on_the_way_end(start: str, end: str, expected: bool) -> None:
    assert reaches(start, end, lambda names: {one for name in names for one in ASKS.get(name, ())}) is expected


def test_each_name_is_asked_about_once() -> None:
    asked: list[str] = []

    def asked_by(names: set[str]) -> list[str]:
        asked.extend(sorted(names))
        return [one for name in names for one in ASKS[name]]

    reaches("a", "nowhere", asked_by)
    assert sorted(asked) == ["a", "b", "c", "d"]
