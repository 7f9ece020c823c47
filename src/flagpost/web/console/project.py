"""The pages *Environments* and *Audit log* of a project."""

from fastapi import APIRouter
from fastapi.responses import Response

from flagpost.actions.projects import pages
from flagpost.web.console.page import PAGE_SIZE, Console

router = APIRouter(prefix="/projects/{project}")


@router.get("/audit")
def audit_page(console: Console, project: str, offset: int = 0) -> Response:
    """What changed in a project, the newest first."""
    offset = max(offset, 0)
    page = pages.load_project_audit(console.ctx, console.actor, project, offset=offset, limit=PAGE_SIZE)
    return console.render("audit.html", page, nav="audit")


@router.get("/environments")
def environments_page(console: Console, project: str) -> Response:
    """The environments of a project."""
    page = pages.load_environments(console.ctx, console.actor, project)
    return console.render("environments.html", page, nav="environments")
