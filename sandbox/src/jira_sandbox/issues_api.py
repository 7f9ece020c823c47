"""The few calls of REST v3 about issues and projects, the token endpoint, and what a site says of itself."""

import secrets
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse

from jira_sandbox.state import Issue, World, account_id

_CATEGORIES = {
    "To Do": ("new", "To Do", "blue-gray"),
    "Done": ("done", "Done", "green"),
}


def category(status: str) -> tuple[str, str, str]:
    """The status category of a status: its key, name and colour, as Jira has them."""
    return _CATEGORIES.get(status, ("indeterminate", "In Progress", "yellow"))


def issue_json(world: World, issue: Issue) -> dict[str, Any]:
    """An issue as REST v3 shows it."""
    key, name, colour = category(issue.status)
    person = issue.assignee and {
        "accountId": account_id(issue.assignee),
        "displayName": issue.assignee,
        "active": True,
    }
    return {
        "id": issue.id,
        "key": issue.key,
        "self": f"{world.base_url}/rest/api/3/issue/{issue.id}",
        "fields": {
            "summary": issue.summary,
            "status": {"name": issue.status, "statusCategory": {"key": key, "name": name, "colorName": colour}},
            "issuetype": {"name": issue.type},
            "project": asdict(world.project_of(issue)),
            "assignee": person,
        },
    }


def _permission(key: str, world: World) -> dict[str, Any]:
    name = key.replace("_", " ").title()
    found = {"id": "10", "key": key, "name": name, "type": "PROJECT", "description": ""}
    return {**found, "havePermission": world.settings.browse_permitted}


def _error(status: int, message: str) -> JSONResponse:
    return JSONResponse({"errorMessages": [message], "errors": {}}, status)


def router(world: World) -> APIRouter:
    """All of it, under both addresses."""
    api = APIRouter()

    @api.post("/oauth/token")
    def token(body: dict[str, Any]) -> JSONResponse:
        known = (world.settings.oauth_client_id, world.settings.oauth_client_secret)
        if (body.get("client_id"), body.get("client_secret")) != known or body.get("audience") != "api.atlassian.com":
            return JSONResponse({"error": "access_denied", "error_description": "Unauthorized"}, 401)
        if body.get("grant_type") != "client_credentials":
            return JSONResponse({"error": "unsupported_grant_type"}, 400)  # RFC 6749, 5.2
        new = secrets.token_urlsafe(24)
        life = world.settings.oauth_token_seconds
        world.issue_token(f"oauth:{known[0]}", new, life)
        scope = "write:feature-flag-info:jira"
        return JSONResponse({"access_token": new, "expires_in": life, "token_type": "Bearer", "scope": scope})

    @api.get("/_edge/tenant_info")
    def tenant() -> dict[str, str]:
        return {"cloudId": world.cloud_id}

    for base in ("/rest/api/3", f"/ex/jira/{world.cloud_id}/rest/api/3"):
        refused = _bouncer(world, at_gateway=base.startswith("/ex/"))
        _site_routes(api, world, base, refused)
        _issue_routes(api, world, base, refused)
        _project_routes(api, world, base, refused)
    return api


Bouncer = Callable[..., JSONResponse | None]
"""The response to a caller without the right to call; None for a caller with it."""

_STRANGER = {"x-seraph-loginreason": "AUTHENTICATED_FAILED"}


def _bouncer(world: World, *, at_gateway: bool) -> Bouncer:
    """Apps come through the gateway; API tokens, too, if they have scopes, else to the site (Atlassian)."""

    def refused(request: Request, stranger: JSONResponse | None = None) -> JSONResponse | None:
        proof = request.headers.get("authorization", "")
        by_app = at_gateway and not (world.provider_of(proof) or "oauth:").startswith("oauth:")
        allowed = by_app or world.accepts_api_token(proof, at_gateway=at_gateway)
        if allowed:
            return None
        if stranger and proof and world.settings.expired_tokens_are_strangers:
            stranger.headers.update(_STRANGER)
            return stranger
        return _error(401, "Client must be authenticated to access this resource.")

    return refused


def _site_routes(api: APIRouter, world: World, base: str, refused: Bouncer) -> None:
    @api.get(f"{base}/serverInfo")
    def server_info() -> dict[str, str]:
        return {"baseUrl": world.base_url, "deploymentType": "Cloud", "serverTitle": "Jira sandbox"}

    @api.get(f"{base}/myself")
    def myself(request: Request) -> Any:
        me = {"accountId": "557058:app", "displayName": "Flagpost", "accountType": "app"}
        return refused(request) or me

    @api.get(f"{base}/mypermissions")
    def my_permissions(request: Request, permissions: str = "") -> Any:
        if answer := refused(request):
            return answer
        if not permissions:
            return _error(400, "The 'permissions' query parameter is required.")
        return {"permissions": {one: _permission(one, world) for one in permissions.split(",")}}


def _issue_routes(api: APIRouter, world: World, base: str, refused: Bouncer) -> None:
    @api.get(f"{base}/issue/{{ref}}")
    def get_issue(request: Request, ref: str) -> Any:
        nothing = _error(404, "Issue does not exist or you do not have permission to see it.")
        if answer := refused(request, nothing):
            return answer
        with world.lock:
            issue = world.find_issue(ref, as_app=True)
            found = issue_json(world, issue) if issue else None
        return found or nothing

    @api.post(f"{base}/issue/bulkfetch")
    def bulk_fetch(request: Request, body: dict[str, Any]) -> Any:
        refs = body.get("issueIdsOrKeys")
        if answer := refused(request, JSONResponse({"issues": [], "issueErrors": []})):
            return answer
        if not isinstance(refs, list) or not 1 <= len(refs) <= 100:
            return _error(400, "issueIdsOrKeys: 1 to 100 are needed")
        with world.lock:
            found = {issue.id: issue for ref in refs if (issue := world.find_issue(str(ref), as_app=True))}
            ordered = sorted(found.values(), key=lambda issue: int(issue.id))
            return {"issues": [issue_json(world, issue) for issue in ordered], "issueErrors": []}


def _project_routes(api: APIRouter, world: World, base: str, refused: Bouncer) -> None:
    @api.get(f"{base}/project/search")
    def search(
        request: Request,
        start: Annotated[int, Query(alias="startAt", ge=0)] = 0,
        most: Annotated[int, Query(alias="maxResults", ge=1)] = 50,
    ) -> Any:
        """A page of the projects that may be seen, by key; at most 100 (Atlassian)."""
        if answer := refused(request):
            return answer
        visible, most = world.visible_projects(), min(most, 100)
        values = [asdict(one) for one in visible[start : start + most]]
        last = start + most >= len(visible)
        return {"startAt": start, "maxResults": most, "total": len(visible), "isLast": last, "values": values}
