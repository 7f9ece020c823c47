"""Admin settings → Integrations → Jira Cloud → OAuth credentials: the way to a site without an app."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from flagpost.actions.access import Right
from flagpost.actions.accounts.sessions import SignedIn
from flagpost.actions.context import Context
from flagpost.actions.jira import credentials as actions
from flagpost.actions.jira.credentials import Webhook
from flagpost.actions.jira.status import get_integration
from flagpost.errors import FlagpostError
from flagpost.web.console.page import Form, form_text, problems_of, redirect, render_page
from flagpost.web.guard import Person
from flagpost.web.state import Ctx

router = APIRouter(prefix="/admin/integrations/jira/credentials")
_HERE = "/admin/integrations/jira/credentials"


@router.get("")
def page(request: Request, ctx: Ctx, who: Person) -> Response:
    """The credentials, and what looks issues up beside them."""
    who.actor.require(Right.MANAGE_INTEGRATIONS)
    return _page(request, ctx, who)


@router.post("")
def save(request: Request, ctx: Ctx, who: Person, form: Form) -> Response:
    """Try the credentials, and connect the site with them."""
    typed = {name: form_text(form, name) for name in ("site", "client_id")}
    try:
        actions.connect_with_credentials(ctx, who.actor, **typed, client_secret=form_text(form, "client_secret"))
    except FlagpostError as error:
        return _page(request, ctx, who, typed=typed, error=error)
    return redirect("/admin/integrations?tab=configured")


@router.post("/issues")
def look_up_issues(request: Request, ctx: Ctx, who: Person, form: Form) -> Response:
    """Set or remove the API token; make or remove the webhook's secret."""
    webhook = None
    try:
        match form_text(form, "act"):
            case "token":
                actions.set_api_token(ctx, who.actor, email=form_text(form, "email"), token=form_text(form, "token"))
            case "remove-token":
                actions.remove_api_token(ctx, who.actor)
            case "webhook":
                webhook = actions.new_webhook(ctx, who.actor)
            case "remove-webhook":
                actions.remove_webhook(ctx, who.actor)
    except FlagpostError as error:
        return _page(request, ctx, who, typed={"email": form_text(form, "email")}, error=error)
    return _page(request, ctx, who, webhook=webhook) if webhook else redirect(_HERE)


def _page(
    request: Request,
    ctx: Context,
    who: SignedIn,
    *,
    typed: dict[str, str] | None = None,
    webhook: Webhook | None = None,
    error: FlagpostError | None = None,
) -> Response:
    state = get_integration(ctx, who.actor)
    return render_page(
        request,
        ctx,
        who,
        "integration_credentials.html",
        nav="admin-integrations",
        state=state,
        given=state.credentials,
        webhook_url=actions.webhook_url(ctx, state.credentials) if state.credentials else "",
        typed=typed or {},
        webhook=webhook,
        problems=problems_of(error) if error else [],
        status=error.status if error else 200,
    )
