"""What Jira's answer to a submit says of each flag and issue (Atlassian: SubmitFeatureFlagsResponse). Pure."""

from collections.abc import Sequence
from typing import Any

from flagpost.flags.issue_keys import parse_issue_refs


def unknown_issues(body: dict[str, Any]) -> list[str]:
    """Every issue Jira says it does not know (Atlassian: unknownIssueKeys, unknownAssociations)."""
    named = list(body.get("unknownIssueKeys") or [])
    for association in body.get("unknownAssociations") or []:
        named += association.get("values") or []
    refs, _ = parse_issue_refs(" ".join(str(one) for one in named)) if named else ([], [])
    return refs


def refusal(flag_id: str, told: tuple[str, ...], body: dict[str, Any], unknown: Sequence[str]) -> str | None:
    """Why Jira does not hold this version of a flag; None where it does."""
    failed = body.get("failedFeatureFlags") or {}
    accepted = body.get("acceptedFeatureFlags")
    if flag_id in failed:
        words = "; ".join(str(one.get("message")) for one in failed[flag_id] if isinstance(one, dict))
        return words or "Jira refused it and gave no reason."
    if told and set(told) <= set(unknown):
        return f"Jira knows none of its issues: {', '.join(told[:10])}."
    if accepted is not None and flag_id not in accepted:
        return "Jira did not accept it and gave no reason."
    return None
