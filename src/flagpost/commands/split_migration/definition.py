"""How Split writes a definition where Flagpost writes it otherwise."""

from typing import Any

_IN_A_SEGMENT = ("IN_SEGMENT", "IN_LARGE_SEGMENT", "IN_RULE_BASED_SEGMENT")


def as_read_here(written: Any) -> Any:
    """A definition, or a segment's rules, as Flagpost reads them; what is not understood is left for it to refuse.

    Harness writes the versions of BETWEEN_SEMVER as `betweenString`, the treatments that another flag has to have as
    `treatments`, and in some places the kind of a segment as the matcher's type (Harness: RuleExternalMapper).
    """
    if isinstance(written, list):
        return [as_read_here(one) for one in written]
    if not isinstance(written, dict):
        return written
    read = {name: as_read_here(value) for name, value in written.items()}
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
