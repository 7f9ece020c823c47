"""The page on which a person gets the code that links them with their account in Jira, and ends such links."""

from fastapi import APIRouter
from fastapi.responses import Response

from flagpost.actions.jira import account_links, pages
from flagpost.web.console.page import Console, Form, form_text, redirect

router = APIRouter(prefix="/jira/link")


@router.get("")
def link_page(console: Console) -> Response:
    """What linking does, and which accounts are linked."""
    return _page(console)


@router.post("")
def new_code(console: Console) -> Response:
    """Show a new code, once."""
    return _page(console, account_links.new_code(console.ctx, console.actor))


@router.post("/end")
def end(console: Console, form: Form) -> Response:
    """End a link of the person's own."""
    account_links.end_link(console.ctx, console.actor, form_text(form, "account"))
    return redirect("/jira/link")


def _page(console: Console, code: str = "") -> Response:
    page = pages.load_account_links(console.ctx, console.actor)
    return console.render("jira_link.html", page, code=code, minutes=account_links.CODE_MINUTES)
