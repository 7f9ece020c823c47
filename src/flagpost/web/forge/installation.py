"""The app's Configure page, its installation and uninstallation, and the events that it forwards.

Atlassian expects a 2xx with JSON within 5 seconds for events, and retries them: each event may come twice.
"""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from flagpost.actions.context import Context
from flagpost.actions.jira import configure_page as actions
from flagpost.actions.jira import webhooks
from flagpost.actions.jira.configure_page import SiteStatus
from flagpost.web.guard import FromConfigurePage, FromJira, JiraCall
from flagpost.web.state import Ctx

router = APIRouter()

_OK = {"status": "ok"}


class ConfigureBody(BaseModel):
    """What the Configure page sends."""

    model_config = ConfigDict(extra="ignore")

    token: str = Field(max_length=2000)


@router.get("/configure")
def status(ctx: Ctx, call: FromConfigurePage) -> dict[str, Any]:
    """The state of the site, for the Configure page."""
    return _shown(ctx, call, actions.site_status(ctx, call.invocation, call.system_token))


@router.post("/configure")
def configure(ctx: Ctx, call: FromConfigurePage, body: ConfigureBody) -> dict[str, Any]:
    """The Configure page's Save: connect the site with the token."""
    return _shown(ctx, call, actions.configure(ctx, call.invocation, body.token, call.system_token))


@router.post("/installed")
def installed(ctx: Ctx, call: FromJira) -> dict[str, str]:
    """The app was installed or upgraded (Atlassian: avi:forge:installed:app, avi:forge:upgraded:app)."""
    actions.keep_token(ctx, call.invocation, call.system_token)
    return _OK


@router.post("/token")
def token(ctx: Ctx, call: FromJira) -> dict[str, str]:
    """The hourly trigger, which brings a fresh system token."""
    actions.keep_token(ctx, call.invocation, call.system_token)
    return _OK


@router.post("/events")
def events(ctx: Ctx, call: FromJira, body: dict[str, Any]) -> dict[str, str]:
    """An issue or a project of Jira changed (Atlassian: avi:jira:…)."""
    webhooks.handle_event(ctx, call.invocation, body)
    return _OK


@router.post("/uninstall")
def uninstall(ctx: Ctx, call: FromJira) -> dict[str, str]:
    """The app is about to be uninstalled (Atlassian: preUninstall)."""
    actions.uninstalled(ctx, call.invocation)
    return _OK


def _shown(ctx: Context, call: JiraCall, status: SiteStatus) -> dict[str, Any]:
    return {
        "status": "connected" if status.connected else "not_connected",
        "flagpost": ctx.settings.public_url,
        "site": call.invocation.site_url,
        "projects": [{"project": project, "environment": environment} for project, environment in status.projects],
    }
