"""Where Split writes a definition in another way than Flagpost reads it."""

from typing import Any

_IN_A_SEGMENT = ("IN_SEGMENT", "IN_LARGE_SEGMENT", "IN_RULE_BASED_SEGMENT")


def normalize(written: Any) -> Any:
    """A definition, or a segment's rules, in the form that Flagpost reads. Unknown parts stay for Flagpost to refuse.

    Harness writes the versions of BETWEEN_SEMVER as `betweenString`, the treatments that another flag must have as
    `treatments`, and in some places the kind of a segment as the type of the matcher (Harness: RuleExternalMapper).
    """
    if isinstance(written, list):
        return [normalize(one) for one in written]
    if not isinstance(written, dict):
        return written
    read = {name: normalize(value) for name, value in written.items()}
    return _matcher(read) if isinstance(read.get("type"), str) and "negate" in read else read


def _matcher(read: dict[str, Any]) -> dict[str, Any]:
    if read.get("betweenString") and not read.get("betweenVersions"):
        read["betweenVersions"] = read["betweenString"]
    depends = read.get("depends")
    if isinstance(depends, dict) and depends.get("treatment") is None:
        read["depends"] = {**depends, "treatment": depends.get("treatments")}
    if read["type"] in _IN_A_SEGMENT:
        read |= {"type": "IN_SEGMENT", "attribute": None}
    return read
