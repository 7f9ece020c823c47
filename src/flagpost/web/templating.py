"""Pages from templates. Every value is escaped, and a template sees only the values that it is given."""

from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from flagpost import __version__
from flagpost.web import filters

STATIC = Path(__file__).parent / "static"

_environment = Environment(
    loader=PackageLoader("flagpost.web"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
filters.install(_environment)
_environment.globals["version"] = __version__


def page(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """A page from a template, which also gets the request, and `me` where a user is signed in."""
    shown = {"request": request, "me": None, "nav": None, **values}
    return HTMLResponse(_environment.get_template(template).render(shown), status)
