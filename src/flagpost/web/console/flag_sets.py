"""A project's flag sets: the list with their flags, creating one, and deleting one that has no flags."""

from fastapi import APIRouter
from fastapi.responses import Response

from flagpost.actions.flags import flag_sets, pages
from flagpost.errors import FlagpostError
from flagpost.web.console.page import Console, Form, form_text, redirect

router = APIRouter(prefix="/projects/{project}/flag-sets")
_SHOWN_MEMBERS = 50


@router.get("")
def list_page(console: Console, project: str) -> Response:
    """The project's flag sets, by name."""
    return _list(console, project)


@router.post("")
def create(console: Console, project: str, form: Form) -> Response:
    """A new flag set."""
    typed = {name: form_text(form, name) for name in ("name", "description")}
    try:
        flag_sets.create_flag_set(console.ctx, console.actor, project, **typed)
    except FlagpostError as error:
        return _list(console, project, error, typed)
    return redirect(f"/projects/{project}/flag-sets")


@router.post("/{flag_set}/delete")
def delete(console: Console, project: str, flag_set: str) -> Response:
    """Delete a flag set that has no flags."""
    try:
        flag_sets.delete_flag_set(console.ctx, console.actor, flag_set)
    except FlagpostError as error:
        return _list(console, project, error, kept=flag_set)
    return redirect(f"/projects/{project}/flag-sets")


def _list(
    console: Console,
    project: str,
    error: FlagpostError | None = None,
    typed: dict[str, str] | None = None,
    kept: str = "",
) -> Response:
    page = pages.load_flag_sets(console.ctx, console.actor, project)
    values = {"typed": typed or {"name": "", "description": ""}, "kept": kept, "shown_members": _SHOWN_MEMBERS}
    return console.render("flag_sets.html", page, error=error, nav="flag-sets", **values)
