"""The sandbox as one application."""

from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.types import ASGIApp

from jira_sandbox import control, custom_ui, feature_flags, issues_api, pages
from jira_sandbox.atlassian import Platform
from jira_sandbox.faults import Gate
from jira_sandbox.seed import seed
from jira_sandbox.state import World


def create_app(base_url: str) -> ASGIApp:
    """A fresh sandbox that is reached at `base_url`."""
    world = World(base_url, fill=seed)
    platform = Platform(world)
    app = FastAPI(title="Jira sandbox", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/.well-known/jwks.json")
    def jwks() -> JSONResponse:
        return JSONResponse(platform.jwks())

    app.router.routes.extend(feature_flags.routes(world))
    app.include_router(issues_api.router(world))
    app.include_router(control.router(world, platform))
    app.include_router(custom_ui.router(world, platform))
    app.include_router(pages.router(world, platform))
    app.mount("/assets", StaticFiles(directory=Path(__file__).parent / "assets"))
    return Gate(app, world)
