"""The endpoints that the app's manifest declares (`flagpost.jira.manifest`).

Atlassian wants a 2xx with JSON within 5 seconds for events, and retries them: each of these may come twice.
"""

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from flagpost.actions import configure as actions
from flagpost.actions.configure import SiteStatus
from flagpost.errors import TooLarge
from flagpost.web.guard import FromJira
from flagpost.web.state import Ctx

router = APIRouter(prefix="/forge", include_in_schema=False)

MAX_BODY = 512 * 1024


class ConfigureBody(BaseModel):
    """What the Configure page sends."""

    model_config = ConfigDict(extra="ignore")

    token: str = Field(max_length=2000)


def _require_small(request: Request) -> None:
    if int(request.headers.get("content-length") or 0) > MAX_BODY:
        raise TooLarge


@router.get("/configure")
def status(ctx: Ctx, call: FromJira) -> dict[str, Any]:
    """How the site stands, for the Configure page."""
    return _shown(actions.site_status(ctx, call.invocation, call.system_token))


@router.post("/configure")
def configure(ctx: Ctx, call: FromJira, body: ConfigureBody) -> dict[str, Any]:
    """The Configure page's Save: connect the site with the token."""
    return _shown(actions.configure(ctx, call.invocation, body.token, call.system_token))


@router.post("/installed")
def installed(ctx: Ctx, call: FromJira, request: Request) -> dict[str, str]:
    """The app was installed or upgraded (Atlassian: avi:forge:installed:app, avi:forge:upgraded:app)."""
    _require_small(request)
    actions.keep_token(ctx, call.invocation, call.system_token)
    return {"status": "ok"}


@router.post("/token")
def token(ctx: Ctx, call: FromJira, request: Request) -> dict[str, str]:
    """The hourly trigger, which brings a fresh system token."""
    _require_small(request)
    actions.keep_token(ctx, call.invocation, call.system_token)
    return {"status": "ok"}


@router.post("/uninstall")
def uninstall(ctx: Ctx, call: FromJira, request: Request) -> dict[str, str]:
    """The app is about to be uninstalled (Atlassian: preUninstall)."""
    _require_small(request)
    actions.uninstalled(ctx, call.invocation)
    return {"status": "ok"}


def _shown(status: SiteStatus) -> dict[str, Any]:
    return {
        "status": "connected" if status.connected else "not_connected",
        "projects": [{"project": project, "environment": environment} for project, environment in status.projects],
    }
