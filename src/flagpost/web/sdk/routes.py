"""Every route for applications. One base address, `/sdk`, stands for all of an SDK's (sdk, events, auth, telemetry).

Browsers' SDKs call from other origins, with a key and no cookie; so any origin may.
"""

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute, Mount

from flagpost.web import ofrep
from flagpost.web.sdk import changes, impressions, streaming

_ANY_ORIGIN = Middleware(
    CORSMiddleware,
    allow_origins=["*"],
    allow_methods=["GET", "POST"],
    allow_headers=["*"],
    expose_headers=["ETag"],
    max_age=86_400,
)


def mount(app: FastAPI) -> None:
    """Put them into the application."""
    app.router.routes.append(Mount("/sdk", routes=_sdk(), middleware=[_ANY_ORIGIN]))
    app.router.routes.append(Mount("/ofrep", routes=ofrep.routes(), middleware=[_ANY_ORIGIN]))


def _sdk() -> list[BaseRoute]:
    return [*changes.routes(), *streaming.routes(), *impressions.routes()]
