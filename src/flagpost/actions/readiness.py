"""Whether this process can do its work, for load balancers and orchestrators."""

from flagpost.actions.context import Context
from flagpost.store import health


def database_problem(ctx: Context) -> str | None:
    """Why the database cannot be used, in words for an operator; None where it can."""
    return health.trouble(ctx.db)
