"""The tab *Try it* of a flag's page."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from flagpost.errors import FlagpostError
from flagpost.serving.explain import Subject, explain_flag, read_attributes
from flagpost.web.console.flag import load, show_tab
from flagpost.web.console.page import Form, form_text
from flagpost.web.guard import Person
from flagpost.web.state import Ctx, Served

router = APIRouter()
_TRY = "/projects/{project}/flags/{flag}/try"
_FIELDS = ("key", "attributes", "bucketing_key")


@router.get(_TRY)
def form(request: Request, ctx: Ctx, who: Person, project: str, flag: str, environment: str | None = None) -> Response:
    """The empty form."""
    one = load(ctx, who, project, flag, environment)
    return show_tab(request, ctx, who, one, "try", typed=dict.fromkeys(_FIELDS, ""), tried=None)


@router.post(_TRY)
def evaluate(
    request: Request,
    ctx: Ctx,
    served: Served,
    who: Person,
    project: str,
    flag: str,
    form: Form,
    environment: str | None = None,
) -> Response:
    """Who was typed, and what they get."""
    one = load(ctx, who, project, flag, environment)
    typed = {name: form_text(form, name) for name in _FIELDS}
    place = one.environment.id if one.environment else ""
    try:
        attributes = read_attributes(typed["attributes"])
        subject = Subject(typed["key"], attributes, typed["bucketing_key"] or None)
        tried = explain_flag(ctx, served, who.actor, one.project.id, one.flag.id, place, subject)
    except FlagpostError as error:
        return show_tab(request, ctx, who, one, "try", error, typed=typed, tried=None)
    return show_tab(request, ctx, who, one, "try", typed=typed, tried=tried)
