"""What every route can reach."""

from typing import Annotated

from fastapi import Depends, Request

from flagpost.actions.context import Context
from flagpost.serving.environments import Environments


async def context(request: Request) -> Context:
    """The world of the actions, as `flagpost.app` built it. Async, since a thread for it would cost more than it."""
    found: Context = request.app.state.context
    return found


async def environments(request: Request) -> Environments:
    """What applications are served."""
    found: Environments = request.app.state.environments
    return found


Ctx = Annotated[Context, Depends(context)]
Served = Annotated[Environments, Depends(environments)]
