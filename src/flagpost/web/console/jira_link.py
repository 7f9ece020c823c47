"""Where somebody gets the code that links them with their account in Jira, and ends such links."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from flagpost.actions.accounts.sessions import SignedIn
from flagpost.actions.context import Context
from flagpost.actions.jira import account_links
from flagpost.web.console.page import Form, form_text, redirect, render_page
from flagpost.web.guard import Person
from flagpost.web.state import Ctx

router = APIRouter(prefix="/jira/link")


@router.get("")
def page(request: Request, ctx: Ctx, who: Person) -> Response:
    """What linking is, and what is linked."""
    return _page(request, ctx, who)


@router.post("")
def new_code(request: Request, ctx: Ctx, who: Person) -> Response:
    """Show a new code, this once."""
    return _page(request, ctx, who, account_links.new_code(ctx, who.actor))


@router.post("/end")
def end(ctx: Ctx, who: Person, form: Form) -> Response:
    """End one of one's own links."""
    account_links.end_link(ctx, who.actor, form_text(form, "account"))
    return redirect("/jira/link")


def _page(request: Request, ctx: Context, who: SignedIn, code: str = "") -> Response:
    links = account_links.links_of(ctx, who.actor)
    return render_page(request, ctx, who, "jira_link.html", links=links, code=code, minutes=account_links.CODE_MINUTES)
