"""Every matcher of Split's Admin API, and which field contains its value.

`sdk_type` is the matcher's name in what SDKs download; for IN_SEGMENT, the segment's kind decides it. Split does not
document the Admin API's fields for semantic versions: Flagpost uses `string` and `strings` as for text, and
`betweenVersions` with `from` and `to` like `between` for numbers.
"""

from dataclasses import dataclass
from typing import Literal

ValueField = Literal["string", "strings", "number", "date", "between", "between_versions", "boolean", "depends"]


@dataclass(frozen=True, slots=True)
class MatcherKind:
    """One kind of matcher: its Admin API `type`, the field with its value, and its label for users."""

    type: str
    field: ValueField
    label: str
    group: str
    sdk_type: str
    needs_attribute: bool = False

    @property
    def json_name(self) -> str:
        """The name of the value's field in JSON."""
        return {"boolean": "bool", "between_versions": "betweenVersions"}.get(self.field, self.field)


_KINDS = (
    MatcherKind("IN_SEGMENT", "string", "is in segment", "Segment", "IN_SEGMENT"),
    MatcherKind("IN_LIST_STRING", "strings", "is one of", "Text", "WHITELIST"),
    MatcherKind("STARTS_WITH_STRING", "strings", "starts with", "Text", "STARTS_WITH"),
    MatcherKind("ENDS_WITH_STRING", "strings", "ends with", "Text", "ENDS_WITH"),
    MatcherKind("CONTAINS_STRING", "strings", "contains", "Text", "CONTAINS_STRING"),
    MatcherKind("MATCHES_STRING", "string", "matches (regular expression)", "Text", "MATCHES_STRING"),
    MatcherKind("EQUAL_SET", "strings", "is exactly the set", "Set", "EQUAL_TO_SET", True),
    MatcherKind("ANY_OF_SET", "strings", "has any of", "Set", "CONTAINS_ANY_OF_SET", True),
    MatcherKind("ALL_OF_SET", "strings", "has all of", "Set", "CONTAINS_ALL_OF_SET", True),
    MatcherKind("PART_OF_SET", "strings", "is part of the set", "Set", "PART_OF_SET", True),
    MatcherKind("EQUAL_NUMBER", "number", "is", "Number", "EQUAL_TO", True),
    MatcherKind("LESS_THAN_OR_EQUAL_NUMBER", "number", "is at most", "Number", "LESS_THAN_OR_EQUAL_TO", True),
    MatcherKind("GREATER_THAN_OR_EQUAL_NUMBER", "number", "is at least", "Number", "GREATER_THAN_OR_EQUAL_TO", True),
    MatcherKind("BETWEEN_NUMBER", "between", "is between", "Number", "BETWEEN", True),
    MatcherKind("ON_DATE", "date", "is on", "Date", "EQUAL_TO", True),
    MatcherKind("ON_OR_BEFORE_DATE", "date", "is on or before", "Date", "LESS_THAN_OR_EQUAL_TO", True),
    MatcherKind("ON_OR_AFTER_DATE", "date", "is on or after", "Date", "GREATER_THAN_OR_EQUAL_TO", True),
    MatcherKind("BETWEEN_DATE", "between", "is between (dates)", "Date", "BETWEEN", True),
    MatcherKind("BOOLEAN", "boolean", "is", "True or false", "EQUAL_TO_BOOLEAN", True),
    MatcherKind("IN_SPLIT", "depends", "gets, of the flag", "Other flag", "IN_SPLIT_TREATMENT"),
    MatcherKind("EQUAL_TO_SEMVER", "string", "is version", "Version", "EQUAL_TO_SEMVER", True),
    MatcherKind(
        "GREATER_THAN_OR_EQUAL_TO_SEMVER", "string", "is version at least", "Version",
        "GREATER_THAN_OR_EQUAL_TO_SEMVER", True,
    ),
    MatcherKind(
        "LESS_THAN_OR_EQUAL_TO_SEMVER", "string", "is version at most", "Version", "LESS_THAN_OR_EQUAL_TO_SEMVER", True
    ),
    MatcherKind(
        "BETWEEN_SEMVER", "between_versions", "is between (versions)", "Version", "BETWEEN_SEMVER", True
    ),
    MatcherKind("IN_LIST_SEMVER", "strings", "is one of the versions", "Version", "IN_LIST_SEMVER", True),
)  # fmt: skip

MATCHERS: dict[str, MatcherKind] = {kind.type: kind for kind in _KINDS}
DATE_MATCHERS = frozenset(kind.type for kind in _KINDS if kind.group == "Date")
SEMVER_MATCHERS = frozenset(kind.type for kind in _KINDS if kind.group == "Version")
KEY_MATCHERS = frozenset({"IN_SEGMENT", "IN_SPLIT"})  # these test the key, and have no attribute
