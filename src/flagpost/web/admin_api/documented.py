"""The guard, the documented errors and the paging that the routes of the Admin API share."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Query

from flagpost.actions.access import Actor
from flagpost.errors import NotSignedIn
from flagpost.web.admin_api.schemas import Error
from flagpost.web.guard import key_holder

T = TypeVar("T")
PREFIX = "/internal/api/v2"
_DESCRIPTIONS = {
    400: "The request is not valid; `details` says where.",
    401: "The API key is missing, unknown, revoked or expired, or is bound to environments.",
    403: "The key's roles do not allow this.",
    404: "There is no such thing, or the key may not see it.",
    409: "It conflicts with the present state.",
}
ERRORS: dict[int | str, dict[str, Any]] = {
    code: {"model": Error, "description": text} for code, text in _DESCRIPTIONS.items()
}

Offset = Annotated[int, Query(ge=0, le=2**31)]


async def wide_key_holder(actor: Annotated[Actor, Depends(key_holder)]) -> Actor:
    """A key that is not bound to environments (Split: such keys get 401 here)."""
    if actor.environment_ids:
        raise NotSignedIn("This key is bound to environments and cannot be used here.")
    return actor


Key = Annotated[Actor, Depends(key_holder)]
WideKey = Annotated[Actor, Depends(wide_key_holder)]


def marked(
    found: Sequence[T], limit: int, after: str | None, show: Callable[[T], Any], marker: Callable[[T], str]
) -> dict[str, Any]:
    """Split's paging by marker; `found` has one more item than the page where another page follows."""
    page = found[:limit]
    following = marker(page[-1]) if len(found) > limit else None
    return {
        "data": [show(one) for one in page],
        "nextMarker": following,
        "previousMarker": after,
        "limit": limit,
        "count": len(page),
    }
