"""For whoever watches the process: is it up, and can it do its work."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse

from flagpost.actions.context import Context
from flagpost.store import health
from flagpost.web.guard import anyone
from flagpost.web.state import context

router = APIRouter(include_in_schema=False, dependencies=[Depends(anyone)])


@router.get("/healthz")
def process_is_up() -> JSONResponse:
    """200 as long as the process answers at all."""
    return JSONResponse({"status": "ok"})


@router.get("/readyz")
def ready(request: Request, ctx: Annotated[Context, Depends(context)]) -> JSONResponse:
    """200 where the database is reachable, its schema current and delivery alive; 503 with the reasons otherwise."""
    checks = {
        "database": health.trouble(ctx.db),
        "delivery": None if request.app.state.engine.alive() else "Delivery to Jira does not run in this process.",
    }
    good = not any(checks.values())
    answer = {"status": "ready" if good else "not ready", **{name: why or "ok" for name, why in checks.items()}}
    return JSONResponse(answer, status_code=200 if good else 503)


@router.get("/openapi.json")
def openapi(request: Request) -> JSONResponse:
    """The Admin API and the REST API, described for programs."""
    return JSONResponse(request.app.openapi())
