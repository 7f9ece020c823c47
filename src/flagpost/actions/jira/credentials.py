"""Connecting a Jira site without an app: OAuth credentials, and beside them an API token and a webhook for its issues.

An admin of the site makes the credentials in Jira (Settings → Apps → OAuth credentials, with the permission *Feature
flags*). They are tried before anything is stored, so that each mistake is named while its form is still open.
"""

import secrets
from dataclasses import dataclass

from flagpost.actions.access import Actor, Right
from flagpost.actions.context import Context
from flagpost.actions.jira.api_calls import ask
from flagpost.actions.jira.site import (
    FoundSite,
    checked_address,
    find_site,
    no_network,
    record_site,
    require_expected,
    require_free,
    require_integration,
)
from flagpost.errors import Conflict, InvalidInput, JiraError, NotFound, Problem
from flagpost.jira.client import JiraUnreachable, basic, bearer
from flagpost.jira.payload import bulk_request, tombstone_payload
from flagpost.jira.rate_limits import BULK, DELETE_BY_PROPERTIES, GET_MYSELF
from flagpost.jira.removal import LEFT, UNPROVEN, properties
from flagpost.jira.response import JiraResponse
from flagpost.jira.site_access import OAUTH, CredentialsRefused, FlagsAccess, api_pool, oauth_pool
from flagpost.store.db import Transaction
from flagpost.store.jira import credentials, integrations, removals
from flagpost.store.jira.credentials import Credentials
from flagpost.store.jira.integrations import Site

_MOST_CHARACTERS = 500
_NO_ISSUE = "FLAGPOSTCHECK-0"  # there is no such issue, so Jira does not store what is sent for it


@dataclass(frozen=True, slots=True)
class Webhook:
    """What an admin enters in Jira (System → WebHooks): the address, and the secret, which is shown this once."""

    url: str
    secret: str


def connect_with_credentials(
    ctx: Context, actor: Actor, *, site: str, client_id: str, client_secret: str
) -> Credentials:
    """Connect the account's Jira site with OAuth credentials, and send everything; or enter newer credentials.

    InvalidInput names the field that is wrong: `site`, `client_id`, `client_secret`. Conflict where the site is
    connected through the app, or the site or account elsewhere. JiraError where Atlassian cannot be asked just now.
    """
    actor.require(Right.MANAGE_INTEGRATIONS)
    client_id, client_secret = client_id.strip(), client_secret.strip()
    _require_filled(site=site, client_id=client_id, client_secret=client_secret)
    found = find_site(ctx, checked_address(ctx, site))
    _try(ctx, found, client_id, client_secret)
    now = ctx.clock()
    with ctx.db.write() as tx:
        integration = require_integration(tx, actor)
        require_expected(integration, found.url)
        require_free(tx, actor.account_id, found.cloud_id)
        old = _old_site(tx, actor.account_id)
        before = credentials.of_account(tx, actor.account_id)
        saved = credentials.save(
            tx,
            actor.account_id,
            site_url=found.url,
            cloud_id=found.cloud_id,
            client_id=client_id,
            client_secret=ctx.box.encrypt(client_secret),
            now=now,
            by=actor.name,
        )
        replaced = before if before and (before.client_id, before.cloud_id) != (client_id, found.cloud_id) else None
        left = _note_left(tx, replaced, now, actor.name) if replaced else None
        connected = _connect(tx, actor.account_id, found, None if replaced else old, now)
        record_site(tx, actor, now, connected, "connected_site", after={"client_id": client_id})
    if replaced and left:
        _take_back(ctx, replaced, left)
    ctx.wake(actor.account_id)
    return saved


def _note_left(tx: Transaction, replaced: Credentials, now: int, by: str) -> str | None:
    """Note that Jira may hold flags of credentials that nobody has any more; None where it holds none.

    Jira keeps flags apart by the credentials they were sent with, so that the new ones can not delete them.
    """
    name = f"Sent with the client ID {replaced.client_id}"
    left = removals.request(tx, replaced.account_id, None, name[:255], now, by)
    if left:
        said = (
            "These flags stay on their issues, beside those sent from now on, until the client ID is deleted in Jira."
        )
        removals.update(tx, left, outcome=LEFT, words=said, finished_at=now)
    return left


def _take_back(ctx: Context, replaced: Credentials, removal_id: str) -> None:
    """Delete what was sent with credentials that were replaced, while they still work.

    It comes after the new ones are in place, so that nothing is sent with the old ones any more. Should the process end
    before it, or Jira refuse, it stays noted that the flags are left.
    """
    url = f"{ctx.jira.oauth_flags_url(replaced.cloud_id)}/bulkByProperties"
    secret = ctx.box.decrypt(replaced.client_secret)
    if secret is None:
        return
    try:
        token = ctx.keyring.tokens.token(replaced.client_id, secret)
        what, proof = properties(replaced.account_id, None), bearer(token)
        answer = ask(ctx, replaced.cloud_id, OAUTH, DELETE_BY_PROPERTIES, url, authorization=proof, params=what)
    except JiraError:
        return
    if answer.ok:
        with ctx.db.write() as tx:
            removals.update(tx, removal_id, outcome=UNPROVEN, words="Jira took the request to delete them.")


def _require_filled(**fields: str) -> None:
    said = {
        "site": "Enter the site's address.",
        "client_id": "Enter the client ID.",
        "client_secret": "Enter the secret.",
    }
    problems = [Problem(name, said[name]) for name, value in fields.items() if not value.strip()]
    problems += [Problem(name, "This is too long.") for name, value in fields.items() if len(value) > _MOST_CHARACTERS]
    if problems:
        raise InvalidInput(problems)


def _try(ctx: Context, site: FoundSite, client_id: str, client_secret: str) -> None:
    """Get a token with the credentials, and see that it lets flags in."""
    try:
        answer = _probe_with(ctx, site, client_id, client_secret)
        if answer.status == 401:  # the token in hand may be one that Jira has withdrawn since
            ctx.keyring.tokens.forget(client_id, client_secret)
            answer = _probe_with(ctx, site, client_id, client_secret)
    except CredentialsRefused:
        said = "Atlassian does not accept this client ID and secret. Copy both again, or make new credentials in Jira."
        raise InvalidInput(said, "client_secret") from None
    except JiraUnreachable as error:
        raise no_network(ctx, error) from None
    if answer.status in (401, 403):
        said = "These credentials lack the permission Feature flags. Make new ones in Jira, with that box ticked."
        raise InvalidInput(said, "client_id")
    if answer.status == 404:
        raise InvalidInput(f"These credentials do not belong to {site.url}. Were they made on another site?", "site")
    if not answer.ok:
        raise JiraError(f"Jira would not take a flag just now: {answer.error_message()} Try again in a minute.")


def _probe_with(ctx: Context, site: FoundSite, client_id: str, client_secret: str) -> JiraResponse:
    token = ctx.keyring.tokens.token(client_id, client_secret)
    url = ctx.jira.oauth_flags_url(site.cloud_id)
    return probe(ctx, site.cloud_id, FlagsAccess(url, bearer(token), oauth_pool(client_id)))


def probe(ctx: Context, cloud_id: str, access: FlagsAccess) -> JiraResponse:
    """Send a flag for an issue that does not exist: Jira answers as for any, and stores nothing (Atlassian).

    Raises as `asking.ask`.
    """
    now = ctx.clock()
    flag = tombstone_payload("flagpost-check", "flagpost-check", now, [_NO_ISSUE], ctx.settings.public_url, now)
    body = bulk_request([flag], {"check": "flagpost"})
    return ask(ctx, cloud_id, access.pool, BULK, f"{access.url}/bulk", authorization=access.authorization, json=body)


def _old_site(tx: Transaction, account_id: str) -> Site | None:
    """The site that is connected with credentials already. Conflict where one is connected through the app."""
    old = integrations.site_of_account(tx, account_id)
    if old is None or old.disconnected_at:
        return None
    if old.auth_method != OAUTH:
        raise Conflict("The site is connected through the app, which does all that credentials do. Uninstall it first.")
    return old


def _connect(tx: Transaction, account_id: str, found: FoundSite, old: Site | None, now: int) -> Site:
    if old is None:
        return integrations.save_site(
            tx, account_id, cloud_id=found.cloud_id, site_url=found.url, auth_method=OAUTH, now=now
        )
    integrations.update_site(tx, old.id, site_url=found.url, moved_to=None)
    integrations.request_resync(tx, old.id, now)
    return old


# Looking issues up ------------------------------------------------------------------------------------------------


def set_api_token(ctx: Context, actor: Actor, *, email: str, token: str) -> Credentials:
    """Look issues up with this person's API token. InvalidInput where Jira does not accept it.

    A token without scopes works at the site itself, one with scopes only at Atlassian's gateway; both are tried.
    """
    actor.require(Right.MANAGE_INTEGRATIONS)
    email, token = email.strip(), token.strip()
    if not email or not token or max(len(email), len(token)) > _MOST_CHARACTERS:
        raise InvalidInput("Enter the email address of the Atlassian account, and its API token.", "token")
    given = _given(ctx, actor)
    url = _where_it_works(ctx, given, basic(email, token))
    values = {"api_email": email, "api_token": ctx.box.encrypt(token), "api_base_url": url, "api_refusal": None}
    return _update(ctx, actor, given, "set_api_token", {"email": email}, **values)


def remove_api_token(ctx: Context, actor: Actor) -> Credentials:
    """Forget the API token: issues are not looked up any more, and keys are accepted as they are typed."""
    actor.require(Right.MANAGE_INTEGRATIONS)
    nothing = dict.fromkeys(("api_email", "api_token", "api_base_url", "api_refusal"))
    return _update(ctx, actor, _given(ctx, actor), "removed_api_token", None, **nothing)


def _where_it_works(ctx: Context, given: Credentials, authorization: str) -> str:
    answers = []
    for url, at_site in ((ctx.jira.gateway_url(given.cloud_id), None), (given.site_url, given.site_url)):
        try:
            answer = ask(
                ctx,
                given.cloud_id,
                api_pool(given.id),
                GET_MYSELF,
                f"{url}/rest/api/3/myself",
                authorization=authorization,
                site_url=at_site,
            )
        except JiraUnreachable as error:
            raise no_network(ctx, error) from None
        if answer.ok:
            return url
        answers.append(answer)
    if all(answer.status in (401, 403, 404) for answer in answers):
        said = "Jira does not accept this email address and API token. A token with scopes needs read:jira-work."
        raise InvalidInput(said, "token")
    raise JiraError(f"Jira could not be asked just now: {answers[-1].error_message()}")


# The webhook ------------------------------------------------------------------------------------------------------


def new_webhook(ctx: Context, actor: Actor) -> Webhook:
    """The address and a new secret for a webhook of the site's; calls signed with an earlier secret are refused."""
    actor.require(Right.MANAGE_INTEGRATIONS)
    given = _given(ctx, actor)
    secret = secrets.token_urlsafe(32)
    values = {"webhook_secret": ctx.box.encrypt(secret), "webhook_seen_at": None, "webhook_refused_at": None}
    _update(ctx, actor, given, "made_webhook", None, **values)
    return Webhook(webhook_url(ctx, given), secret)


def remove_webhook(ctx: Context, actor: Actor) -> Credentials:
    """Accept no call of the site's webhook any more."""
    actor.require(Right.MANAGE_INTEGRATIONS)
    nothing = dict.fromkeys(("webhook_secret", "webhook_seen_at", "webhook_refused_at"))
    return _update(ctx, actor, _given(ctx, actor), "removed_webhook", None, **nothing)


def webhook_url(ctx: Context, given: Credentials) -> str:
    """Where the site's webhook is to call. The address is no secret: calls are signed."""
    return f"{ctx.settings.public_url}/webhooks/jira/{given.id}"


# Shared -----------------------------------------------------------------------------------------------------------


def _given(ctx: Context, actor: Actor) -> Credentials:
    with ctx.db.read() as tx:
        given = credentials.of_account(tx, actor.account_id)
    if given is None:
        raise NotFound("Enter OAuth credentials first.")
    return given


def _update(
    ctx: Context, actor: Actor, given: Credentials, change: str, after: dict[str, str] | None, **values: object
) -> Credentials:
    with ctx.db.write() as tx:
        credentials.update(tx, given.id, **values)
        saved = credentials.find(tx, given.id)
        site = integrations.site_of_account(tx, actor.account_id)
        if saved is None or site is None:
            raise NotFound("The credentials were removed in the meantime.")
        record_site(tx, actor, ctx.clock(), site, change, after=after)
    return saved
