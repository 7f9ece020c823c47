"""The home page, and a person's own profile: password and sessions."""

from fastapi import APIRouter
from fastapi.responses import Response

from flagpost.actions.accounts import pages, sessions
from flagpost.actions.console import load_shell
from flagpost.errors import FlagpostError
from flagpost.web.console.page import Console, Form, redirect

router = APIRouter()


@router.get("/")
def home(console: Console) -> Response:
    """The flags of the first project, or what to do where there is none."""
    page = load_shell(console.ctx, console.actor)
    if page.shell.project:
        return redirect(f"/projects/{page.shell.project.id}/flags")
    return console.render("no_project.html", page)


@router.get("/profile")
def profile(console: Console) -> Response:
    """A person's name, password and sessions."""
    return console.render("profile.html", pages.load_profile(console.ctx, console.actor))


@router.post("/profile/password")
def change_password(console: Console, form: Form) -> Response:
    """A new password; every other session ends."""
    old, new = (str(form.get(name, "")) for name in ("old_password", "new_password"))
    try:
        sessions.change_password(console.ctx, console.who, old, new)
    except FlagpostError as error:
        return console.render("profile.html", pages.load_profile(console.ctx, console.actor), error=error)
    return redirect("/profile")


@router.post("/profile/sessions/{session_id}/end")
def end_session(console: Console, session_id: str) -> Response:
    """End a session of the person's own."""
    sessions.end_session(console.ctx, console.who, session_id)
    return redirect("/profile")
