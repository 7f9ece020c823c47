"""What the response to a submit says about each flag and issue (Atlassian: SubmitFeatureFlagsResponse). Pure."""

from collections.abc import Sequence
from typing import Any

from flagpost.flags.issue_keys import parse_issue_refs


def unknown_issues(body: dict[str, Any]) -> list[str]:
    """The issues that Jira does not know (Atlassian: unknownIssueKeys, unknownAssociations)."""
    named = list(body.get("unknownIssueKeys") or [])
    for association in body.get("unknownAssociations") or []:
        named += association.get("values") or []
    refs, _ = parse_issue_refs(" ".join(str(one) for one in named)) if named else ([], [])
    return refs


def refusal(flag_id: str, sent_issues: tuple[str, ...], body: dict[str, Any], unknown: Sequence[str]) -> str | None:
    """Why Jira did not store this version of a flag; None where it did."""
    failed = body.get("failedFeatureFlags") or {}
    accepted = body.get("acceptedFeatureFlags")
    if flag_id in failed:
        words = "; ".join(str(one.get("message")) for one in failed[flag_id] if isinstance(one, dict))
        return words or "Jira refused it and gave no reason."
    if sent_issues and set(sent_issues) <= set(unknown):
        return f"Jira knows none of its issues: {', '.join(sent_issues[:10])}."
    if accepted is not None and flag_id not in accepted:
        return "Jira did not accept it and gave no reason."
    return None
