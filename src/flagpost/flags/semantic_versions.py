"""Semantic versions as Split's SDKs read and order them: by semver.org, except that build metadata counts for equality.

Source: `splitio/models/grammar/matchers/utils/utils.py` of Split's Python SDK. It reads digits with Python's `int`, and
so does this module, which includes the digits of other scripts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Version:
    """A version; two are equal where their `text`, which has no leading zeros, is equal."""

    numbers: tuple[int, int, int]
    pre_release: tuple[str, ...]
    metadata: str

    @cached_property
    def text(self) -> str:
        """The version in its only canonical spelling."""
        before = f"-{'.'.join(self.pre_release)}" if self.pre_release else ""
        return ".".join(map(str, self.numbers)) + before + (f"+{self.metadata}" if self.metadata else "")

    def compare(self, other: "Version") -> int:
        """-1, 0 or 1 where this version comes before, with or after the other; metadata does not affect the order."""
        if self.numbers != other.numbers:
            return 1 if self.numbers > other.numbers else -1
        if not (self.pre_release and other.pre_release):
            return bool(other.pre_release) - bool(self.pre_release)
        return _compare_pre_releases(self.pre_release, other.pre_release)


def read_version(text: str) -> Version | None:
    """The version that a text contains; None where it contains none."""
    rest, plus, metadata = text.partition("+")
    plain, dash, pre_release = rest.partition("-")
    if (plus and not metadata) or (dash and not pre_release):
        return None
    try:
        major, minor, patch = map(int, plain.split("."))
        parts = tuple(str(int(part)) if part.isnumeric() else part for part in pre_release.split(".") if dash)
    except ValueError:
        return None
    return Version((major, minor, patch), parts, metadata)


def _compare_pre_releases(ours: Sequence[str], theirs: Sequence[str]) -> int:
    for one, other in zip(ours, theirs, strict=False):
        if one != other:
            first, second = (int(one), int(other)) if one.isnumeric() and other.isnumeric() else (one, other)
            return 1 if first > second else -1  # type: ignore[operator]  # both are numbers, or both are text
    return (len(ours) > len(theirs)) - (len(ours) < len(theirs))
