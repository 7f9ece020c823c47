"""What every route can reach."""

from typing import Annotated

from fastapi import Depends, Request

from flagpost.actions.context import Context


async def context(request: Request) -> Context:
    """The world of the actions, as `flagpost.app` built it. Async, since a thread for it would cost more than it."""
    found: Context = request.app.state.context
    return found


Ctx = Annotated[Context, Depends(context)]
