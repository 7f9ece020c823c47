"""Filters of the templates: how pages show times."""

import time

from jinja2 import Environment
from markupsafe import Markup

from flagpost import formatting
from flagpost.formatting import exactly, iso, lasting


def install(environment: Environment) -> None:
    """Give templates these filters."""
    environment.filters.update(ago=ago, exactly=exactly, when=when, lasting=lasting)


def ago(moment: int, now: int | None = None) -> str:
    """How long ago a time (ms) was, or how far ahead it is, for example “3 minutes ago”."""
    return formatting.ago(moment, now or time.time_ns() // 1_000_000)


def when(moment: int | None) -> Markup:
    """A time as an element: relative to read, exact on hover."""
    if moment is None:
        return Markup("<span class=muted>never</span>")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(iso(moment), exactly(moment), ago(moment))
