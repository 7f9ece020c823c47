"""The tab *Try it* of a flag's page: what a key would get, and why."""

from fastapi import APIRouter
from fastapi.responses import Response

from flagpost.actions.flags import pages
from flagpost.errors import FlagpostError
from flagpost.serving.explain import Subject, explain_flag, read_attributes
from flagpost.web.console.flag import FLAG, FlagAt, render_tab
from flagpost.web.console.page import Console, Form, form_text
from flagpost.web.state import Served

router = APIRouter()
_FIELDS = ("key", "attributes", "bucketing_key")


@router.get(FLAG + "/try")
def explain_form(console: Console, at: FlagAt) -> Response:
    """The empty form."""
    page = pages.load_flag(console.ctx, console.actor, at)
    return render_tab(console, "explain", page, typed=dict.fromkeys(_FIELDS, ""), explained=None)


@router.post(FLAG + "/try")
def explain(console: Console, served: Served, at: FlagAt, form: Form) -> Response:
    """What the key that was typed gets, and why."""
    page = pages.load_flag(console.ctx, console.actor, at)
    typed = {name: form_text(form, name) for name in _FIELDS}
    place = page.one.environment.id if page.one.environment else ""
    try:
        attributes = read_attributes(typed["attributes"])
        subject = Subject(typed["key"], attributes, typed["bucketing_key"] or None)
        flag = (page.one.project.id, page.one.flag.id, place)
        explained = explain_flag(console.ctx, served, console.actor, *flag, subject)
    except FlagpostError as error:
        return render_tab(console, "explain", page, error=error, typed=typed, explained=None)
    return render_tab(console, "explain", page, typed=typed, explained=explained)
