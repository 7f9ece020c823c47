"""Admin settings → Integrations → Jira Cloud → OAuth credentials: the connection to a site without an app."""

from fastapi import APIRouter
from fastapi.responses import Response

from flagpost.actions.jira import credentials as actions
from flagpost.actions.jira import pages
from flagpost.actions.jira.credentials import Webhook
from flagpost.errors import FlagpostError
from flagpost.web.console.page import Console, Form, form_text, redirect

router = APIRouter(prefix="/admin/integrations/jira/credentials")
_HERE = "/admin/integrations/jira/credentials"


@router.get("")
def credentials_page(console: Console) -> Response:
    """The credentials, and the API token and webhook that look issues up beside them."""
    return _page(console)


@router.post("")
def save(console: Console, form: Form) -> Response:
    """Try the credentials, and connect the site with them."""
    typed = {name: form_text(form, name) for name in ("site", "client_id")}
    secret = form_text(form, "client_secret")
    try:
        actions.connect_with_credentials(console.ctx, console.actor, **typed, client_secret=secret)
    except FlagpostError as error:
        return _page(console, typed=typed, error=error)
    return redirect("/admin/integrations?tab=configured")


@router.post("/issues")
def look_up_issues(console: Console, form: Form) -> Response:
    """Set or remove the API token; make or remove the webhook's secret."""
    who, webhook, email = (console.ctx, console.actor), None, form_text(form, "email")
    try:
        match form_text(form, "act"):
            case "token":
                actions.set_api_token(*who, email=email, token=form_text(form, "token"))
            case "remove-token":
                actions.remove_api_token(*who)
            case "webhook":
                webhook = actions.new_webhook(*who)
            case "remove-webhook":
                actions.remove_webhook(*who)
    except FlagpostError as error:
        return _page(console, typed={"email": email}, error=error)
    return _page(console, webhook=webhook) if webhook else redirect(_HERE)


def _page(
    console: Console,
    *,
    typed: dict[str, str] | None = None,
    webhook: Webhook | None = None,
    error: FlagpostError | None = None,
) -> Response:
    page = pages.load_integration(console.ctx, console.actor)
    given = page.state.credentials
    return console.render(
        "integration_credentials.html",
        page,
        error=error,
        nav="admin-integrations",
        given=given,
        webhook_url=actions.webhook_url(console.ctx, given) if given else "",
        typed=typed or {},
        webhook=webhook,
    )
