"""Who may call a route. Every route declares exactly one of these guards; a test checks that.

- `anyone`: no proof needed.
- `person`: a signed-in user, by the session cookie.
- `key_holder`: a program with an API key, as ``Authorization: Bearer …`` or ``x-api-key: …`` (Split takes both).
- `jira_app`: the app in Jira itself, by an invocation token that Atlassian signed.
- `configure_page`, `issue_panel`: a user of that page of the app, by such a token. Every user who can see an issue has
  tokens of its panel; so these open the panel's routes, and no others.
- `sdk_key`: an application, with an SDK key; see `flagpost.web.sdk.authenticated_routes`, which checks it.
- `jira_webhook`: a webhook of a Jira site, by the signature over its body.
- `watcher`: monitoring, by `FLAGPOST_METRICS_TOKEN` or from this machine.

The actions decide what a caller may then *do*.
"""

import hmac
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials
from starlette.concurrency import run_in_threadpool

from flagpost.actions.access import Actor
from flagpost.actions.accounts.api_keys import authenticate_key
from flagpost.actions.accounts.sessions import SignedIn, signed_in
from flagpost.actions.context import Context
from flagpost.actions.jira.webhooks import HookCall, proven_hook
from flagpost.errors import NotSignedIn
from flagpost.jira.hosts import is_loopback
from flagpost.jira.invocation_token import Invocation
from flagpost.jira.manifest import CONFIGURE_PAGE, ISSUE_PANEL, PAGES
from flagpost.web.state import Ctx

SESSION_COOKIE = "flagpost_session"
_PROXY_HEADERS = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
SECURE_SESSION_COOKIE = "__Host-flagpost_session"

_bearer = HTTPBearer(auto_error=False, description="An admin API key.")
_x_api_key = APIKeyHeader(name="x-api-key", auto_error=False, description="The same key, as Harness sends it.")


async def anyone() -> None:
    """No proof needed."""


def session_token(request: Request) -> str | None:
    """The session cookie's value; its name differs between http and https."""
    return request.cookies.get(SECURE_SESSION_COOKIE) or request.cookies.get(SESSION_COOKIE)


def person(request: Request, ctx: Ctx) -> SignedIn:
    """The signed-in user. NotSignedIn without a session."""
    found = signed_in(ctx, session_token(request))
    if found is None:
        raise NotSignedIn("Please sign in.")
    return found


def key_holder(
    ctx: Ctx,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    x_api_key: Annotated[str | None, Depends(_x_api_key)],
) -> Actor:
    """A program with an API key."""
    secret = bearer.credentials if bearer else x_api_key
    if not secret:
        raise NotSignedIn("Send an API key: Authorization: Bearer … or x-api-key: …")
    return authenticate_key(ctx, secret)


@dataclass(frozen=True, slots=True)
class JiraCall:
    """An authenticated call of the Jira app, with its system token (Atlassian: x-forge-oauth-system)."""

    invocation: Invocation
    system_token: str | None


def jira_app(request: Request, ctx: Ctx) -> JiraCall:
    """The app in Jira, without a user: an event, the hourly trigger, the uninstallation.

    Atlassian documents the `context` of tokens from a page only. So the token of a page is refused, instead of
    requiring a key that only triggers have.
    """
    call = _jira_call(request, ctx)
    if call.invocation.page in PAGES:
        raise NotSignedIn("This address is not for the pages of the app.")
    return call


def configure_page(request: Request, ctx: Ctx) -> JiraCall:
    """An admin of the Jira site, on the app's Configure page (only they can open a `jira:adminPage`)."""
    return _page_call(request, ctx, CONFIGURE_PAGE)


def issue_panel(request: Request, ctx: Ctx) -> JiraCall:
    """A user who sees an issue, in the app's panel on it."""
    return _page_call(request, ctx, ISSUE_PANEL)


def _page_call(request: Request, ctx: Context, page: str) -> JiraCall:
    call = _jira_call(request, ctx)
    if call.invocation.page != page:
        raise NotSignedIn("This address is for another page of the app.")
    return call


def _jira_call(request: Request, ctx: Context) -> JiraCall:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise NotSignedIn("This address is for the Flagpost app in Jira: an invocation token is missing.")
    return JiraCall(ctx.verifier.verify(token.strip()), request.headers.get("x-forge-oauth-system"))


async def jira_webhook(request: Request, ctx: Ctx, credentials: str) -> HookCall:
    """A webhook of a Jira site, which signs its body."""
    raw, signature = await request.body(), request.headers.get("x-hub-signature")
    return await run_in_threadpool(proven_hook, ctx, credentials, signature, raw)


def watcher(request: Request, ctx: Ctx) -> None:
    """Monitoring, with the configured token; without one, only from this machine, and only if no other can call it.

    Behind a proxy on the same machine, every request seems to come from here. So the token is required as soon as
    Flagpost has an address that other machines reach, or a proxy forwarded the request.
    """
    if ctx.settings.metrics_token is not None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        expected = ctx.settings.metrics_token.get_secret_value()
        if scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), expected.encode()):
            return
        raise NotSignedIn("Metrics are read with Authorization: Bearer and the value of FLAGPOST_METRICS_TOKEN.")
    here = request.client is not None and is_loopback(request.client.host)
    forwarded = any(name in request.headers for name in _PROXY_HEADERS)
    alone = is_loopback(urlsplit(ctx.settings.public_url).hostname or "")
    if not (here and alone) or forwarded:
        raise NotSignedIn("To read metrics from elsewhere, or behind a proxy, set FLAGPOST_METRICS_TOKEN.")


async def sdk_key() -> None:
    """An application with an SDK key. The raw routes name this guard and check the key themselves."""


Person = Annotated[SignedIn, Depends(person)]
KeyHolder = Annotated[Actor, Depends(key_holder)]
FromJira = Annotated[JiraCall, Depends(jira_app)]
FromConfigurePage = Annotated[JiraCall, Depends(configure_page)]
FromPanel = Annotated[JiraCall, Depends(issue_panel)]
FromWebhook = Annotated[HookCall, Depends(jira_webhook)]
GUARDS = (anyone, person, key_holder, jira_app, configure_page, issue_panel, jira_webhook, sdk_key, watcher)
