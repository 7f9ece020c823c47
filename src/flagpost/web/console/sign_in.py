"""Signing in and out, and the links that work once: the first admin's, and invitations."""

from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from flagpost.actions.accounts import sessions
from flagpost.errors import FlagpostError
from flagpost.web.console.page import Form, form_text, problems_of, redirect
from flagpost.web.guard import SECURE_SESSION_COOKIE, SESSION_COOKIE, Person, anyone
from flagpost.web.state import Ctx
from flagpost.web.templating import page

router = APIRouter()
_open = [Depends(anyone)]
_MAX_USER_AGENT = 200


@dataclass(frozen=True, slots=True)
class Entrance:
    """What a page before signing in says, and the fields that it asks for beside the password.

    `autocomplete` tells password managers whether the password exists already (HTML: ``current-password``).
    """

    heading: str
    text: str
    button: str
    fields: tuple[str, ...]
    autocomplete: str = "new-password"


_SIGN_IN = Entrance("Sign in", "Feature flags, connected with Jira.", "Sign in", ("email",), "current-password")
_SETUP = Entrance("Create the first admin", "This account manages everything else.", "Create", ("name", "email"))
_INVITATION = Entrance("Welcome", "Choose a password to begin.", "Begin", ("name",))


@router.get("/signin", dependencies=_open)
def sign_in_page(request: Request) -> Response:
    """The sign-in page; `next` is the page to go on to."""
    return _entrance(request, _SIGN_IN, {"next": request.query_params.get("next", "/")})


@router.post("/signin", dependencies=_open)
def sign_in(request: Request, ctx: Ctx, form: Form) -> Response:
    """Sign in, and go on to `next`."""
    address = request.client.host if request.client else ""
    try:
        token = sessions.sign_in(
            ctx, form_text(form, "email"), _password(form), address=address, user_agent=_user_agent(request)
        )
    except FlagpostError as error:
        return _entrance(request, _SIGN_IN, form, error)
    return _signed_in(request, token, form_text(form, "next"))


@router.get("/setup/{token}", dependencies=_open)
def setup_page(request: Request, ctx: Ctx, token: str) -> Response:
    """The page on which the first admin is created."""
    sessions.look_at_link(ctx, token)
    return _entrance(request, _SETUP, {})


@router.post("/setup/{token}", dependencies=_open)
def setup(request: Request, ctx: Ctx, token: str, form: Form) -> Response:
    """Create the first admin and sign them in."""
    typed = {name: form_text(form, name) for name in ("email", "name")}
    try:
        session = sessions.create_first_admin(
            ctx, token, **typed, password=_password(form), user_agent=_user_agent(request)
        )
    except FlagpostError as error:
        return _entrance(request, _SETUP, form, error)
    return _signed_in(request, session, "/")


@router.get("/invite/{token}", dependencies=_open)
def invitation_page(request: Request, ctx: Ctx, token: str) -> Response:
    """The page on which an invited person chooses a password."""
    _, user = sessions.look_at_link(ctx, token)
    return _entrance(request, _INVITATION, {"name": user.name if user else ""})


@router.post("/invite/{token}", dependencies=_open)
def accept_invitation(request: Request, ctx: Ctx, token: str, form: Form) -> Response:
    """Set the password and sign the person in."""
    try:
        session = sessions.accept_invitation(
            ctx, token, name=form_text(form, "name"), password=_password(form), user_agent=_user_agent(request)
        )
    except FlagpostError as error:
        return _entrance(request, _INVITATION, form, error)
    return _signed_in(request, session, "/")


@router.post("/signout")
def sign_out(ctx: Ctx, who: Person) -> Response:
    """End this session."""
    sessions.sign_out(ctx, who)
    response = redirect("/signin")
    response.delete_cookie(SESSION_COOKIE)
    response.delete_cookie(SECURE_SESSION_COOKIE, secure=True)
    return response


def _password(form: Form) -> str:
    """The password as it was typed: blanks around it belong to it."""
    return str(form.get("password", ""))


def _user_agent(request: Request) -> str:
    return request.headers.get("user-agent", "")[:_MAX_USER_AGENT]


def _entrance(
    request: Request, entrance: Entrance, values: Mapping[str, object], error: FlagpostError | None = None
) -> Response:
    kept = {name: str(values.get(name) or "") for name in ("email", "name", "next")}
    problems, status = (problems_of(error), error.status) if error else ([], 200)
    return page(request, "entrance.html", status=status, entrance=entrance, values=kept, problems=problems)


def _signed_in(request: Request, token: str, target: str) -> Response:
    """Set the session cookie and go on to `target`, if that is an address of this site."""
    local = target.startswith("/") and not target.startswith(("//", "/\\"))
    response = redirect(target if local else "/")
    secure = request.url.scheme == "https"
    name = SECURE_SESSION_COOKIE if secure else SESSION_COOKIE
    response.set_cookie(name, token, httponly=True, samesite="lax", secure=secure, max_age=90 * 86_400, path="/")
    return response
