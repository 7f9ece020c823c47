"""The panel on an issue. The invocation token names the issue and the user; a body only names flags and codes."""

from typing import Any
from urllib.parse import quote

from fastapi import APIRouter
from pydantic import BaseModel, Field

from flagpost.actions.context import Context
from flagpost.actions.jira import issue_panel as actions
from flagpost.actions.jira.issue_panel import Panel
from flagpost.flags.rollout import StateKind
from flagpost.formatting import iso
from flagpost.store.jira.issue_panel import EnvironmentState, FlagOnIssue
from flagpost.web.guard import FromPanel
from flagpost.web.state import Ctx

router = APIRouter(prefix="/panel")


class SearchBody(BaseModel):
    """Part of a flag's name."""

    q: str = Field(max_length=255, pattern=r"^[^\x00]*$")


class FlagBody(BaseModel):
    """A flag, by its id."""

    flag: str = Field(max_length=64, pattern=r"^[0-9A-Za-z-]+$")


class CodeBody(BaseModel):
    """A code that the page /jira/link showed."""

    code: str = Field(max_length=64)


@router.get("")
def show(ctx: Ctx, call: FromPanel) -> dict[str, Any]:
    """The issue's flags, and what the user may do."""
    return _shown(ctx, actions.show(ctx, call.invocation))


@router.post("/search")
def search(ctx: Ctx, call: FromPanel, body: SearchBody) -> dict[str, Any]:
    """Flags that could be connected."""
    found, more = actions.search(ctx, call.invocation, body.q.strip())
    return {"flags": [{"id": one.id, "name": one.name, "project": one.project_name} for one in found], "more": more}


@router.post("/connect")
def connect(ctx: Ctx, call: FromPanel, body: FlagBody) -> dict[str, Any]:
    """Connect a flag with the issue."""
    return _shown(ctx, actions.connect(ctx, call.invocation, body.flag))


@router.post("/disconnect")
def disconnect(ctx: Ctx, call: FromPanel, body: FlagBody) -> dict[str, Any]:
    """Disconnect a flag from the issue."""
    return _shown(ctx, actions.disconnect(ctx, call.invocation, body.flag))


@router.post("/link")
def link(ctx: Ctx, call: FromPanel, body: CodeBody) -> dict[str, Any]:
    """Link the user of Jira with the user of Flagpost whose code this is."""
    return _shown(ctx, actions.link(ctx, call.invocation, body.code))


@router.post("/unlink")
def unlink(ctx: Ctx, call: FromPanel) -> dict[str, Any]:
    """End the user's link."""
    return _shown(ctx, actions.unlink(ctx, call.invocation))


def _shown(ctx: Context, panel: Panel) -> dict[str, Any]:
    base = ctx.settings.public_url
    return {
        "status": "connected" if panel.connected else "not_connected",
        "issue": {"id": panel.issue.id, "key": panel.issue.key},
        "person": {"linked": panel.user is not None, "name": panel.user, "may_edit": panel.may_edit},
        "link_url": f"{base}/jira/link",
        "create_url": f"{base}/flags/new?issue={quote(panel.issue.key, safe='')}",
        "flags": [_flag(base, panel, flag) for flag in panel.flags],
        "hidden": panel.hidden,
    }


def _flag(base: str, panel: Panel, flag: FlagOnIssue) -> dict[str, Any]:
    saved = flag.last_save
    return {
        "id": flag.id,
        "name": flag.name,
        "project": flag.project,
        "url": f"{base}/projects/{flag.project_id}/flags/{flag.id}",
        "states": [_state(panel, one) for one in flag.environments],
        "saved_by": saved.saved_by if saved else None,
        "saved_at": iso(saved.saved_at) if saved and saved.saved_at else None,
        "may_disconnect": panel.may_edit,
    }


def _state(panel: Panel, standing: EnvironmentState) -> dict[str, Any]:
    return {
        "environment": standing.environment,
        "primary": standing.environment_id in panel.primary,
        "on": standing.state.kind is StateKind.ON,
        "words": standing.state.words.text,
    }
