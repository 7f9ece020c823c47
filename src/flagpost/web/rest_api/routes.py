"""The REST API's routes. Projects, environments and flags are named by id or by name."""

from typing import Any

from fastapi import APIRouter, Response

from flagpost.actions.jira import integration, issue_links
from flagpost.actions.jira.status import get_integration
from flagpost.web.guard import KeyHolder
from flagpost.web.rest_api import delivery_routes, evaluation, jira_routes, schemas, traffic_routes
from flagpost.web.state import Ctx

_DESCRIPTIONS = {
    400: "The request is not valid; `problems` says where.",
    401: "The API key is missing, unknown, revoked or expired.",
    403: "The key's roles do not allow this.",
    404: "There is no such thing, or the key may not see it.",
    409: "It conflicts with the present state.",
}
router = APIRouter(
    prefix="/api/v1",
    tags=["Jira integration"],
    responses={code: {"model": schemas.ErrorAnswer, "description": text} for code, text in _DESCRIPTIONS.items()},
)


@router.get("/jira/integration")
def show_integration(ctx: Ctx, actor: KeyHolder) -> schemas.Integration:
    """The state of the integration: its projects, the site, how many flags are pending, the last error."""
    return schemas.shown_integration(ctx, get_integration(ctx, actor))


@router.post("/jira/integration", status_code=201)
def set_up(ctx: Ctx, actor: KeyHolder, body: schemas.NewIntegration) -> schemas.NewIntegrationAnswer:
    """Set the integration up. The token is for the Configure page in Jira, and is shown once."""
    token = integration.set_up_integration(ctx, actor, _choices(body.projects), site=body.site)
    shown = schemas.shown_integration(ctx, get_integration(ctx, actor))
    return schemas.NewIntegrationAnswer(**shown.model_dump(), token=token.secret)


@router.put("/jira/integration")
def change(ctx: Ctx, actor: KeyHolder, body: schemas.ChangedIntegration) -> schemas.Integration:
    """Choose other projects or primary environments."""
    return schemas.shown_integration(ctx, integration.change_projects(ctx, actor, _choices(body.projects)))


@router.delete("/jira/integration", status_code=204)
def remove(ctx: Ctx, actor: KeyHolder) -> Response:
    """Remove the integration; Jira deletes every flag."""
    integration.remove_integration(ctx, actor)
    return Response(status_code=204)


@router.post("/jira/integration/resend", status_code=202)
def resend(ctx: Ctx, actor: KeyHolder) -> schemas.Integration:
    """Resync every connected flag; `backfill` shows the progress."""
    return schemas.shown_integration(ctx, integration.resync_all(ctx, actor))


@router.post("/jira/integration/token", status_code=201)
def regenerate_token(ctx: Ctx, actor: KeyHolder) -> schemas.Token:
    """A new token; the old one stops working."""
    return schemas.Token(token=integration.regenerate_token(ctx, actor).secret)


@router.delete("/jira/integration/token", status_code=204)
def revoke_token(ctx: Ctx, actor: KeyHolder) -> Response:
    """Revoke the token."""
    integration.revoke_token(ctx, actor)
    return Response(status_code=204)


@router.post("/jira/integration/projects/{project}/grant")
def grant(ctx: Ctx, actor: KeyHolder, project: str) -> schemas.Integration:
    """Let the integration's token view a restricted project."""
    return schemas.shown_integration(ctx, integration.grant_project(ctx, actor, project))


@router.get("/projects/{project}/flags/{flag}/issues")
def list_issues(ctx: Ctx, actor: KeyHolder, project: str, flag: str) -> schemas.Issues:
    """The issues that a flag is connected with, and whether Jira has its newest version."""
    return _issues(ctx, actor, project, flag)


@router.post("/projects/{project}/flags/{flag}/issues", status_code=201)
def connect(ctx: Ctx, actor: KeyHolder, project: str, flag: str, body: schemas.IssuesToConnect) -> schemas.Issues:
    """Connect a flag with issues; connected ones stay so. On an error, no issue is connected."""
    issue_links.connect_issues(ctx, actor, project, flag, body.issues)
    return _issues(ctx, actor, project, flag)


@router.delete("/projects/{project}/flags/{flag}/issues/{key}", status_code=204)
def disconnect(ctx: Ctx, actor: KeyHolder, project: str, flag: str, key: str) -> Response:
    """Disconnect an issue from a flag."""
    issue_links.disconnect_issue(ctx, actor, project, flag, key)
    return Response(status_code=204)


def _issues(ctx: Ctx, actor: Any, project: str, flag: str) -> schemas.Issues:
    found = issue_links.list_connections(ctx, actor, project, flag)
    status = issue_links.delivery_status(ctx, actor, project, flag)
    return schemas.Issues(issues=[schemas.shown_issue(one) for one in found], delivery=schemas.shown_delivery(status))


def _choices(projects: list[schemas.ProjectChoice]) -> list[tuple[str, str]]:
    return [(choice.project, choice.environment) for choice in projects]


router.include_router(jira_routes.router)
router.include_router(evaluation.router)
router.include_router(delivery_routes.router)
router.include_router(traffic_routes.router)
