"""What every page of somebody who is signed in shares: the navigation, the project, and reading forms."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.responses import RedirectResponse, Response
from starlette.datastructures import FormData

from flagpost.actions.access import Right
from flagpost.actions.accounts.sessions import SignedIn
from flagpost.actions.context import Context
from flagpost.actions.projects import projects
from flagpost.errors import FlagpostError, InvalidInput, Problem
from flagpost.store.records import Project
from flagpost.web.templating import page

MOST_PROJECTS = 200
SUGGESTED = 50  # names that a field suggests at once; what is typed is searched for among all


@dataclass(frozen=True, slots=True)
class Shell:
    """What the navigation shows. `admin`: whether Admin settings are offered."""

    projects: list[Project]
    project: Project | None
    admin: bool


async def _form(request: Request) -> FormData:
    return await request.form(max_files=0, max_fields=5000)


Form = Annotated[FormData, Depends(_form)]


def render_page(
    request: Request,
    ctx: Context,
    who: SignedIn,
    template: str,
    *,
    project: Project | None = None,
    status: int = 200,
    **values: Any,
) -> Response:
    """A page within the navigation. `project` defaults to the first that the person can see."""
    visible = projects.list_projects(ctx, who.actor, limit=MOST_PROJECTS).items
    shell = Shell(visible, project or next(iter(visible), None), who.actor.may(Right.MANAGE_PROJECTS))
    may_edit = who.actor.may(Right.EDIT_FLAGS)
    shown = {"problems": [], "may_edit": may_edit, **values}
    return page(request, template, status=status, me=who, shell=shell, **shown)


def redirect(url: str) -> RedirectResponse:
    """On to another page after a form was sent."""
    return RedirectResponse(url, 303)


def form_text(form: FormData, name: str, default: str = "") -> str:
    """One text field of a form, without blanks around it."""
    value = form.get(name, default)
    return value.strip() if isinstance(value, str) else default


def form_list(form: FormData, name: str) -> list[str]:
    """Every value of a field that can be chosen more than once."""
    return [value for value in form.getlist(name) if isinstance(value, str) and value]


def listed(text: str) -> list[str]:
    """Texts that were typed separated by commas or lines."""
    return [part.strip() for part in text.replace("\n", ",").split(",") if part.strip()]


def problems_of(error: FlagpostError) -> list[Problem]:
    """An error as what a form shows."""
    return error.problems if isinstance(error, InvalidInput) else [Problem("", error.message)]
