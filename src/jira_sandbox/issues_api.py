"""The few calls of REST v3 that are about issues, the token endpoint, and what a site says of itself."""

import secrets
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request
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
            "project": asdict(world.add_project(issue.project, issue.project)),
            "assignee": person,
        },
    }


def _permission(key: str, world: World) -> dict[str, Any]:
    name = key.replace("_", " ").capitalize()
    found = {"id": "10", "key": key, "name": name, "type": "PROJECT", "description": ""}
    return {**found, "havePermission": world.settings.browse_permitted}


def _not_found() -> JSONResponse:
    message = "Issue does not exist or you do not have permission to see it."
    return JSONResponse({"errorMessages": [message], "errors": {}}, 404)


def router(world: World) -> APIRouter:
    """All of it, under both addresses."""
    api = APIRouter()

    @api.post("/oauth/token")
    def token(body: dict[str, Any]) -> JSONResponse:
        known = (world.settings.oauth_client_id, world.settings.oauth_client_secret)
        if (body.get("client_id"), body.get("client_secret")) != known or body.get("audience") != "api.atlassian.com":
            return JSONResponse({"error": "access_denied", "error_description": "Unauthorized"}, 401)
        new = secrets.token_urlsafe(24)
        life = world.settings.oauth_token_seconds
        world.issue_token(f"oauth:{known[0]}", new, life)
        scope = "write:feature-flag-info:jira"
        return JSONResponse({"access_token": new, "expires_in": life, "token_type": "Bearer", "scope": scope})

    @api.get("/_edge/tenant_info")
    def tenant() -> dict[str, str]:
        return {"cloudId": world.cloud_id}

    for base in ("/rest/api/3", f"/ex/jira/{world.cloud_id}/rest/api/3"):
        _issue_routes(api, world, base)
    return api


def _issue_routes(api: APIRouter, world: World, base: str) -> None:
    at_gateway = base.startswith("/ex/")

    def allowed(request: Request) -> bool:
        proof = request.headers.get("authorization", "")
        by_app = at_gateway and not (world.provider_of(proof) or "oauth:").startswith("oauth:")
        return by_app or world.accepts_api_token(proof, at_gateway=at_gateway)

    @api.get(f"{base}/serverInfo")
    def server_info() -> dict[str, str]:
        return {"baseUrl": world.base_url, "deploymentType": "Cloud", "serverTitle": "Jira sandbox"}

    @api.get(f"{base}/myself")
    def myself(request: Request) -> Any:
        if not allowed(request):
            return JSONResponse({"errorMessages": ["Unauthorized"]}, 401)
        return {"accountId": "557058:app", "displayName": "Flagpost", "accountType": "app"}

    @api.get(f"{base}/mypermissions")
    def my_permissions(request: Request, permissions: str = "") -> Any:
        if not allowed(request):
            return JSONResponse({"errorMessages": ["Unauthorized"]}, 401)
        if not permissions:
            return JSONResponse({"errorMessages": ["The 'permissions' query parameter is required."]}, 400)
        return {"permissions": {one: _permission(one, world) for one in permissions.split(",")}}

    @api.get(f"{base}/issue/{{ref}}")
    def get_issue(request: Request, ref: str) -> Any:
        if not allowed(request):
            return JSONResponse({"errorMessages": ["Unauthorized"]}, 401)
        issue = world.find_issue(ref, as_app=True)
        return issue_json(world, issue) if issue else _not_found()

    @api.post(f"{base}/issue/bulkfetch")
    def bulk_fetch(request: Request, body: dict[str, Any]) -> Any:
        refs = body.get("issueIdsOrKeys")
        if not allowed(request):
            return JSONResponse({"errorMessages": ["Unauthorized"]}, 401)
        if not isinstance(refs, list) or not 1 <= len(refs) <= 100:
            return JSONResponse({"errorMessages": ["issueIdsOrKeys: 1 to 100 are needed"]}, 400)
        found = {issue.id: issue for ref in refs if (issue := world.find_issue(str(ref), as_app=True))}
        ordered = sorted(found.values(), key=lambda issue: int(issue.id))
        return {"issues": [issue_json(world, issue) for issue in ordered], "issueErrors": []}
