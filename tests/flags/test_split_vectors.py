"""The test vectors that Split publishes with its SDKs."""

import csv
from pathlib import Path

import pytest

from flagpost.flags.bucketing import bucket
from flagpost.flags.matching import value_test
from flagpost.flags.model import BetweenVersions, Matcher
from flagpost.flags.semantic_versions import Version, read_version
from tests.conftest import SHARED

VECTORS = SHARED / "contracts" / "split"


def rows(name: str) -> list[list[str]]:
    """A file's rows; skips where the vectors are not beside the project."""
    return [line for line in csv.reader(text_of(name).splitlines()) if line]


def text_of(name: str) -> str:
    path: Path = VECTORS / name
    if not path.is_file():
        pytest.skip("Split's test vectors are not beside the project (shared/contracts/split)")
    return path.read_text()


def version(text: str) -> Version:
    found = read_version(text)
    assert found is not None, text
    return found


@pytest.mark.parametrize("name", ["murmur3-sample.csv", "murmur3-custom-uuids.csv"])
def test_buckets_are_split_s(name: str) -> None:
    for seed, key, hashed, into in rows(name):
        assert bucket(key, int(seed)) == int(into) == int(hashed) % 100 + 1


@pytest.mark.parametrize(
    ("key", "seed", "into"),
    [
        ("user_0", 1569859022, 16),
        ("user_1", 1569859022, 66),
        ("user_0", -554128485, 13),
        ("ключ", 1569859022, 74),
        ("", 0, 1),
    ],
)
def test_a_seed_may_be_negative_and_a_key_any_text(key: str, seed: int, into: int) -> None:
    assert bucket(key, seed) == into


def test_half_a_surrogate_pair_is_an_error_and_not_a_crash() -> None:
    with pytest.raises(UnicodeEncodeError):
        bucket("a\ud83e", 1)


def test_versions_are_ordered_as_split_orders_them() -> None:
    for higher, lower in rows("valid-semantic-versions.csv")[1:]:
        assert version(higher).compare(version(lower)) == 1
        assert version(lower).compare(version(higher)) == -1
        assert version(lower).compare(version(lower)) == 0


def test_versions_are_equal_where_split_says_so() -> None:
    for one, other, equal in rows("equal-to-semver.csv")[1:]:
        assert (version(one).text == version(other).text) == (equal == "true")


def test_what_split_does_not_take_for_a_version_is_none() -> None:
    assert [text for (text,) in rows("invalid-semantic-versions.csv")[1:] if read_version(text)] == []


def test_versions_lie_between_others_where_split_says_so() -> None:
    for low, middle, high, expected in rows("between-semver.csv")[1:]:
        between = value_test(Matcher("BETWEEN_SEMVER", between_versions=BetweenVersions(low, high)))
        assert between(middle) == (expected == "true")


def test_expressions_match_where_split_s_do() -> None:
    lines = [line.split("#") for line in text_of("regex.txt").splitlines() if line.count("#") == 2]
    assert len(lines) > 100
    for expression, text, expected in lines:
        assert value_test(Matcher("MATCHES_STRING", string=expression))(text) == (expected == "true"), expression
