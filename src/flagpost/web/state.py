"""What every route can reach: the parts of the Flagpost that a request is for.

Setting up the routes takes a third of a second, and nothing about them depends on the settings. So all Flagposts of a
process share them (`flagpost.app`), and each puts its own parts behind them with every request.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Protocol, TypeVar

from fastapi import Depends, FastAPI, Request
from starlette.routing import Router
from starlette.types import Receive, Scope, Send

from flagpost.actions.context import Context
from flagpost.serving.environments import Environments
from flagpost.serving.impression_buffer import ImpressionBuffer
from flagpost.serving.keys import SdkKeys
from flagpost.store.jira.metrics import Queue

_NAME = "flagpost"


class Engine(Protocol):
    """What monitoring asks of deliveries; `flagpost.jobs.port` has the rest."""

    def alive(self) -> bool:
        """Whether deliveries would run."""

    def queue(self) -> Queue | None:
        """What waits and what runs; None where that is in the database."""


@dataclass
class Parts:
    """What a process has that delivers to Jira: the world of the actions, and the engine that runs deliveries."""

    context: Context
    engine: Engine


@dataclass
class ServingParts(Parts):
    """What a process has that answers people and applications."""

    environments: Environments
    sdk_keys: SdkKeys
    impressions: ImpressionBuffer


P = TypeVar("P", bound=Parts)


class Application(Generic[P]):
    """An ASGI application: routes that others may share, with these parts behind them.

    `lifespan` is entered when the server starts, and left when it stops.
    """

    def __init__(
        self, routes: FastAPI, parts: P, lifespan: Callable[[Any], AbstractAsyncContextManager[None]] | None = None
    ) -> None:
        self.parts = parts
        self.routes = routes
        self._lifespan = Router(lifespan=lifespan)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, or the server's start and stop."""
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
            return
        scope.setdefault("state", {})[_NAME] = self.parts
        await self.routes(scope, receive, send)


def serving(scope: Scope) -> ServingParts:
    """The parts of the Flagpost that answers this request."""
    found: ServingParts = scope["state"][_NAME]
    return found


async def context(request: Request) -> Context:
    """The world of the actions, as `flagpost.app` built it. Async, since a thread for it would cost more than it."""
    found: Parts = request.scope["state"][_NAME]
    return found.context


async def engine(request: Request) -> Engine:
    """What runs deliveries in this process."""
    found: Parts = request.scope["state"][_NAME]
    return found.engine


async def environments(request: Request) -> Environments:
    """What applications are served."""
    return serving(request.scope).environments


Ctx = Annotated[Context, Depends(context)]
Delivering = Annotated[Engine, Depends(engine)]
Served = Annotated[Environments, Depends(environments)]
