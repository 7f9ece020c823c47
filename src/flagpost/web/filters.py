"""How values are shown on pages."""

import time

from jinja2 import Environment
from markupsafe import Markup

from flagpost import formatting
from flagpost.flags.rollout import describe
from flagpost.formatting import exactly, iso, lasting


def install(environment: Environment) -> None:
    """Give templates these filters."""
    environment.filters.update(ago=ago, exactly=exactly, when=when, state_in_words=describe, lasting=lasting)


def ago(moment: int, now: int | None = None) -> str:
    """How long ago a time was, or how far ahead it is, as people say it."""
    return formatting.ago(moment, now or time.time_ns() // 1_000_000)


def when(moment: int | None) -> Markup:
    """A time as an element: relative to read, exact on hover."""
    if moment is None:
        return Markup("<span class=muted>never</span>")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(iso(moment), exactly(moment), ago(moment))
