"""What every page of the console shares: the request of a signed-in person, rendering, and reading forms."""

from dataclasses import dataclass, fields
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.responses import RedirectResponse, Response
from starlette.datastructures import FormData

from flagpost.actions.access import Actor, Right
from flagpost.actions.accounts.sessions import SignedIn
from flagpost.actions.console import ConsolePage
from flagpost.actions.context import Context
from flagpost.actions.unit_of_work import Summary
from flagpost.errors import FlagpostError, InvalidInput, Problem
from flagpost.web.guard import Person
from flagpost.web.state import Ctx
from flagpost.web.templating import page as page_of

PAGE_SIZE = 20
"""How many entries of a log or a list a page shows, where nothing else is said."""


@dataclass(frozen=True, slots=True)
class ConsoleRequest:
    """A request of a signed-in person to the console."""

    request: Request
    ctx: Context
    who: SignedIn

    @property
    def actor(self) -> Actor:
        """The person, as the actions know them."""
        return self.who.actor

    def render(
        self, template: str, page: ConsolePage, *, error: FlagpostError | None = None, **values: Any
    ) -> Response:
        """A page within the navigation. Every field of `page` is a variable of the template, and so are `values`.

        With an error, the page shows its problems, and the answer has its status.
        """
        shown = {field.name: getattr(page, field.name) for field in fields(page)} | values
        shown |= {
            "me": self.who,
            "may_edit": self.actor.may(Right.EDIT_FLAGS),
            "problems": problems_of(error) if error else [],
        }
        return page_of(self.request, template, status=error.status if error else 200, **shown)


async def _console(request: Request, ctx: Ctx, who: Person) -> ConsoleRequest:
    return ConsoleRequest(request, ctx, who)


async def _form(request: Request) -> FormData:
    return await request.form(max_files=0, max_fields=5000)


Console = Annotated[ConsoleRequest, Depends(_console)]
Form = Annotated[FormData, Depends(_form)]


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


def form_owners(form: FormData, name: str) -> list[tuple[str, str]]:
    """Every value of a field of users, groups or keys, such as ``user:4711``, as a type and an id."""
    return [(kind, id) for kind, _, id in (value.partition(":") for value in form_list(form, name))]


def form_fields(form: FormData) -> list[tuple[str, str]]:
    """Every text field of a form in its order, by name and value."""
    return [(name, value) for name, value in form.multi_items() if isinstance(value, str)]


def change_summary(form: FormData) -> Summary:
    """The title and the comment of a change."""
    return Summary(form_text(form, "title"), form_text(form, "comment"))


def split_list(text: str) -> list[str]:
    """Texts that were typed separated by commas or lines."""
    return [part.strip() for part in text.replace("\n", ",").split(",") if part.strip()]


def problems_of(error: FlagpostError) -> list[Problem]:
    """An error as what a form shows."""
    return error.problems if isinstance(error, InvalidInput) else [Problem("", error.message)]
