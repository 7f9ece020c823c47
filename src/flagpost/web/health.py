"""For monitoring: whether the process is up, and whether it can do its work."""

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response

from flagpost.actions import metrics_page, readiness
from flagpost.telemetry.metrics import CONTENT_TYPE
from flagpost.web.guard import anyone, watcher
from flagpost.web.state import Ctx, Delivering

router = APIRouter(include_in_schema=False)


@router.get("/healthz", dependencies=[Depends(anyone)])
def process_is_up() -> JSONResponse:
    """200 as long as the process answers at all."""
    return JSONResponse({"status": "ok"})


@router.get("/readyz", dependencies=[Depends(anyone)])
def ready(ctx: Ctx, engine: Delivering) -> JSONResponse:
    """200 where the database is reachable, its schema current and delivery alive; 503 with the reasons otherwise."""
    checks = {
        "database": readiness.database_problem(ctx),
        "delivery": None if engine.alive() else "Delivery to Jira does not run in this process.",
    }
    good = not any(checks.values())
    answer = {"status": "ready" if good else "not ready", **{name: why or "ok" for name, why in checks.items()}}
    return JSONResponse(answer, status_code=200 if good else 503)


@router.get("/metrics", dependencies=[Depends(watcher)])
def metrics(ctx: Ctx, engine: Delivering) -> Response:
    """The counters of this process and the figures of the database, for Prometheus."""
    return Response(metrics_page.page(ctx, engine.alive(), engine.queue()), media_type=CONTENT_TYPE)


described = APIRouter(include_in_schema=False, dependencies=[Depends(anyone)])


@described.get("/openapi.json")
def openapi(request: Request) -> JSONResponse:
    """The Admin API and the REST API, described for programs."""
    return JSONResponse(request.app.openapi())
