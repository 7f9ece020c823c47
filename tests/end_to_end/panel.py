"""The panel on an issue, called as Jira calls it: with a token that says which issue it is, and who looks."""

from typing import Any

from jira_sandbox.state import CLOUD_ID
from tests.end_to_end.world import World

ELI = "557058:eli"


def ask(
    world: World,
    what: str = "",
    body: Any = None,
    *,
    issue: str = "PAY-1",
    person: str | None = ELI,
    extension: Any = None,
    **how: Any,
) -> dict[str, Any]:
    """The sandbox's `status`, `body` and `token` of a call; GET where nothing is sent."""
    found = next(one for one in world.sandbox.get("/issues") if one["key"] == issue)
    on_issue = {"type": "jira:issuePanel", "issue": {"id": found["id"], "key": issue, "type": "Story", "typeId": "1"}}
    context: dict[str, Any] = {
        "cloudId": CLOUD_ID,
        "siteUrl": world.sandbox.url,
        "moduleKey": "feature-flags",
        "localId": "x",
    }
    context["extension"] = on_issue if extension is None else extension
    claims = {"principal": person, "context": context, **how.pop("claims", {})}
    call = {"method": "GET" if body is None else "POST", "path": f"/forge/panel{what}", "claims": claims, **how}
    return world.sandbox.call(world.installation, endpoint="panel", body=body, **call)


def done(world: World, what: str = "", body: Any = None, **how: Any) -> Any:
    """The answer to a call that must succeed."""
    sent = ask(world, what, body, **how)
    assert sent["status"] == 200, sent
    return sent["body"]


def refused(world: World, what: str, body: Any, status: int, **how: Any) -> str:
    """Why a call was refused, with this status."""
    sent = ask(world, what, body, **how)
    assert sent["status"] == status, sent
    return str(sent["body"]["error"]["message"])
