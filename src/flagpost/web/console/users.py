"""Signing in and out, the links that work once, and one's own profile."""

from collections.abc import Mapping

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from flagpost.actions.accounts import sessions
from flagpost.actions.projects import projects
from flagpost.errors import FlagpostError
from flagpost.web.console.page import Form, form_text, problems_of, redirect, render_page
from flagpost.web.guard import SECURE_SESSION_COOKIE, SESSION_COOKIE, Person, anyone
from flagpost.web.state import Ctx
from flagpost.web.templating import page

router = APIRouter()
_open = [Depends(anyone)]
_SIGN_IN = {"heading": "Sign in", "words": "Feature flags, connected with Jira.", "button": "Sign in"}
_SIGN_IN |= {"password_kind": "current-password"}
_SETUP = {"heading": "Create the first admin", "words": "This account manages everything else.", "button": "Create"}
_SETUP |= {"password_kind": "new-password"}


@router.get("/signin", dependencies=_open)
def sign_in_page(request: Request) -> Response:
    """Where somebody signs in; `next` is where they were going."""
    return _entrance(request, _SIGN_IN, ("email",), {"next": request.query_params.get("next", "/")})


@router.post("/signin", dependencies=_open)
def sign_in(request: Request, ctx: Ctx, form: Form) -> Response:
    """Sign in, and land where one was going."""
    address = request.client.host if request.client else ""
    agent = request.headers.get("user-agent", "")[:200]
    try:
        token = sessions.sign_in(
            ctx, form_text(form, "email"), str(form.get("password", "")), address=address, user_agent=agent
        )
    except FlagpostError as error:
        return _entrance(request, _SIGN_IN, ("email",), form, error)
    return _welcome(request, token, form_text(form, "next"))


@router.get("/setup/{token}", dependencies=_open)
def setup_page(request: Request, ctx: Ctx, token: str) -> Response:
    """Where the first admin is created."""
    sessions.look_at_link(ctx, token)
    return _entrance(request, _SETUP, ("name", "email"), {})


@router.post("/setup/{token}", dependencies=_open)
def setup(request: Request, ctx: Ctx, token: str, form: Form) -> Response:
    """Create the first admin and sign them in."""
    try:
        session = sessions.create_first_admin(
            ctx,
            token,
            email=form_text(form, "email"),
            name=form_text(form, "name"),
            password=str(form.get("password", "")),
            user_agent=request.headers.get("user-agent", "")[:200],
        )
    except FlagpostError as error:
        return _entrance(request, _SETUP, ("name", "email"), form, error)
    return _welcome(request, session, "/")


@router.get("/invite/{token}", dependencies=_open)
def invitation_page(request: Request, ctx: Ctx, token: str) -> Response:
    """Where somebody who was invited chooses a password."""
    _, user = sessions.look_at_link(ctx, token)
    return _entrance(request, _invited(), ("name",), {"name": user.name if user else ""})


@router.post("/invite/{token}", dependencies=_open)
def accept(request: Request, ctx: Ctx, token: str, form: Form) -> Response:
    """Take the password and sign the person in."""
    try:
        agent = request.headers.get("user-agent", "")[:200]
        session = sessions.accept_invitation(
            ctx, token, name=form_text(form, "name"), password=str(form.get("password", "")), user_agent=agent
        )
    except FlagpostError as error:
        return _entrance(request, _invited(), ("name",), form, error)
    return _welcome(request, session, "/")


@router.post("/signout")
def sign_out(ctx: Ctx, who: Person) -> Response:
    """End this session."""
    sessions.sign_out(ctx, who)
    response = redirect("/signin")
    response.delete_cookie(SESSION_COOKIE)
    response.delete_cookie(SECURE_SESSION_COOKIE, secure=True)
    return response


@router.get("/")
def home(request: Request, ctx: Ctx, who: Person) -> Response:
    """The flags of the first project, or what to do where there is none."""
    visible = projects.list_projects(ctx, who.actor, limit=1).items
    return (
        redirect(f"/projects/{visible[0].id}/flags") if visible else render_page(request, ctx, who, "no_project.html")
    )


@router.get("/profile")
def profile(request: Request, ctx: Ctx, who: Person) -> Response:
    """Who one is, one's password, and where one is signed in."""
    return render_page(request, ctx, who, "profile.html", sessions=sessions.list_sessions(ctx, who))


@router.post("/profile/password")
def change_password(request: Request, ctx: Ctx, who: Person, form: Form) -> Response:
    """A new password; every other session ends."""
    try:
        sessions.change_password(ctx, who, str(form.get("old_password", "")), str(form.get("new_password", "")))
    except FlagpostError as error:
        stays = sessions.list_sessions(ctx, who)
        return render_page(
            request, ctx, who, "profile.html", sessions=stays, problems=problems_of(error), status=error.status
        )
    return redirect("/profile")


@router.post("/profile/sessions/{session_id}/end")
def end_session(ctx: Ctx, who: Person, session_id: str) -> Response:
    """End one of one's own sessions."""
    sessions.end_session(ctx, who, session_id)
    return redirect("/profile")


def _invited() -> dict[str, str]:
    return {
        "heading": "Welcome",
        "words": "Choose a password to begin.",
        "button": "Begin",
        "password_kind": "new-password",
    }


def _entrance(
    request: Request,
    said: dict[str, str],
    fields: tuple[str, ...],
    values: Mapping[str, object],
    error: FlagpostError | None = None,
) -> Response:
    kept = {name: str(values.get(name) or "") for name in ("email", "name", "next")}
    problems = problems_of(error) if error else []
    status = error.status if error else 200
    return page(request, "entrance.html", status=status, fields=fields, values=kept, problems=problems, **said)


def _welcome(request: Request, token: str, target: str) -> Response:
    local = target.startswith("/") and not target.startswith(("//", "/\\"))
    response = redirect(target if local else "/")
    secure = request.url.scheme == "https"
    name = SECURE_SESSION_COOKIE if secure else SESSION_COOKIE
    response.set_cookie(name, token, httponly=True, samesite="lax", secure=secure, max_age=90 * 86_400, path="/")
    return response
