"""What the framework says of a request: the template of its route, whether that is a console page, and its methods."""

from starlette.requests import Request
from starlette.types import Scope

UNKNOWN = "none"
CONSOLE_TAG = "console"
"""The tag of every route of the console's router."""


def route_template(scope: Scope) -> str:
    """The template of the matched route, for example ``/projects/{project_id}``; ``none`` where no route matched."""
    if scope["path"].startswith("/static/"):
        return "/static"
    if found := scope.get("fastapi", {}).get("effective_route_context"):
        return str(found.path)
    mounted_at = scope.get("root_path", "").removeprefix(scope.get("app_root_path", ""))
    return mounted_at + scope["route"].path if scope.get("route") else UNKNOWN


def is_console_page(scope: Scope) -> bool:
    """Whether the matched route is one of the console's pages; False where no route matched."""
    found = scope.get("fastapi", {}).get("effective_route_context")
    return found is not None and CONSOLE_TAG in found.tags


def allowed_methods(request: Request) -> set[str]:
    """Every method that some route takes at this address.

    Starlette names only the methods of the first route with a matching path, and each method has a route of its own.
    """
    parts = [getattr(one, "effective_route_contexts", None) for one in request.app.routes]
    routes = [route for contexts in parts if contexts for route in contexts()]
    return {method for one in routes if one.path_regex.match(request.scope["path"]) for method in one.methods}
