"""Connecting a Jira site without an app: OAuth credentials, and beside them an API token and a webhook for its issues.

An admin of the site makes the credentials in Jira (Settings → Apps → OAuth credentials, with the permission *Feature
flags*). They are tried before anything is stored, so that each mistake is named while its form is still open.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from flagpost.actions.access import Actor, Right
from flagpost.actions.context import Context
from flagpost.actions.jira.api_calls import ask
from flagpost.actions.jira.site import (
    FoundSite,
    checked_address,
    find_site,
    lock_integration,
    make_room,
    no_network,
    require_expected,
    site_subject,
)
from flagpost.actions.unit_of_work import Change, transactional
from flagpost.errors import Conflict, InvalidInput, JiraError, NotFound, Problem
from flagpost.jira.client import JiraUnreachable, basic, bearer
from flagpost.jira.payload import bulk_request, tombstone_payload
from flagpost.jira.rate_limits import BULK, DELETE_BY_PROPERTIES, GET_MYSELF
from flagpost.jira.removal import LEFT, UNPROVEN, properties
from flagpost.jira.response import JiraResponse
from flagpost.jira.site_access import OAUTH, CredentialsRefused, FlagsAccess, api_pool, oauth_pool
from flagpost.store.accounts import accounts
from flagpost.store.jira import credentials, integrations, removals
from flagpost.store.jira.credentials import Credentials, NewCredentials
from flagpost.store.jira.integrations import Site

_MOST_CHARACTERS = 500
_NO_ISSUE = "FLAGPOSTCHECK-0"  # there is no such issue, so Jira does not store what is sent for it
_NO_API_TOKEN: dict[str, object] = dict.fromkeys(("api_email", "api_token", "api_base_url", "api_refusal"))
_NO_WEBHOOK: dict[str, object] = dict.fromkeys(("webhook_secret", "webhook_seen_at", "webhook_refused_at"))


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
    saved, replaced = _connect(ctx, actor, found, client_id, ctx.box.encrypt(client_secret))
    if replaced:
        _take_back(ctx, actor, replaced)
    return saved


@dataclass(frozen=True, slots=True)
class _Replaced:
    """Credentials that newer ones replaced, and the removal that says that Jira may hold flags of theirs."""

    credentials: Credentials
    removal_id: str


@transactional
def _connect(
    change: Change, found: FoundSite, client_id: str, client_secret: bytes
) -> tuple[Credentials, _Replaced | None]:
    """Put credentials in place that were tried; `client_secret` is encrypted."""
    tx, actor = change.tx, change.actor
    require_expected(lock_integration(change), found.url)
    make_room(change, found.cloud_id)
    old = _connected_before(change)
    before = credentials.of_account(tx, actor.account_id)
    new = NewCredentials(found.url, found.cloud_id, client_id, client_secret)
    saved = credentials.save(tx, actor.account_id, new, change.now, actor.name)
    new_client = before is not None and (before.client_id, before.cloud_id) != (client_id, found.cloud_id)
    replaced = _note_left(change, before) if before and new_client else None
    site = _save_site(change, found, None if new_client else old)
    change.saved("connected_site", site_subject(site), after={"client_id": client_id})
    change.wake_delivery()
    return saved, replaced


def _connected_before(change: Change) -> Site | None:
    """The site that is connected with credentials already. Conflict where one is connected through the app."""
    old = integrations.site_of_account(change.tx, change.actor.account_id)
    if old is None or old.disconnected_at:
        return None
    if old.auth_method != OAUTH:
        raise Conflict("The site is connected through the app, which does all that credentials do. Uninstall it first.")
    return old


def _save_site(change: Change, found: FoundSite, old: Site | None) -> Site:
    if old is None:
        return integrations.save_site(
            change.tx,
            change.actor.account_id,
            cloud_id=found.cloud_id,
            site_url=found.url,
            auth_method=OAUTH,
            now=change.now,
        )
    integrations.update_site(change.tx, old.id, site_url=found.url, moved_to=None)
    integrations.request_resync(change.tx, old.id, change.now)
    return old


def _note_left(change: Change, replaced: Credentials) -> _Replaced | None:
    """Note that Jira may hold flags of credentials that were replaced; None where it holds none.

    Jira keeps the flags of each pair of credentials apart, so the new ones cannot delete those of the old ones.
    """
    name = f"Sent with the client ID {replaced.client_id}"[:255]
    left = removals.request(change.tx, replaced.account_id, None, name, change.now, change.actor.name)
    if left is None:
        return None
    words = "These flags stay on their issues, beside those sent from now on, until the client ID is deleted in Jira."
    removals.update(change.tx, left, outcome=LEFT, message=words, finished_at=change.now)
    return _Replaced(replaced, left)


def _take_back(ctx: Context, actor: Actor, replaced: _Replaced) -> None:
    """Delete what was sent with credentials that were replaced, while they still work.

    It comes after the new ones are in place, so that nothing is sent with the old ones any more. Should the process end
    before it, or Jira refuse, the removal still says that the flags are left.
    """
    old = replaced.credentials
    secret = ctx.box.decrypt(old.client_secret)
    if secret is None:
        return
    url = f"{ctx.jira.oauth_flags_url(old.cloud_id)}/bulkByProperties"
    try:
        proof = bearer(ctx.keyring.tokens.token(old.client_id, secret))
        sent_with = properties(old.account_id, None)
        answer = ask(ctx, old.cloud_id, OAUTH, DELETE_BY_PROPERTIES, url, authorization=proof, params=sent_with)
    except JiraError:
        return
    if answer.ok:
        _note_taken_back(ctx, actor, replaced.removal_id)


@transactional
def _note_taken_back(change: Change, removal_id: str) -> None:
    removals.update(change.tx, removal_id, outcome=UNPROVEN, message="Jira took the request to delete them.")


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
    """Get a token with the credentials, and see that Jira takes a flag with it. InvalidInput where it does not."""
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

    Raises what `api_calls.ask` raises.
    """
    now = ctx.clock()
    flag = tombstone_payload("flagpost-check", "flagpost-check", now, [_NO_ISSUE], ctx.settings.public_url, now)
    body = bulk_request([flag], {"check": "flagpost"})
    return ask(ctx, cloud_id, access.pool, BULK, f"{access.url}/bulk", authorization=access.authorization, json=body)


# Looking issues up ------------------------------------------------------------------------------------------------


def set_api_token(ctx: Context, actor: Actor, *, email: str, token: str) -> Credentials:
    """Look issues up with this API token of an Atlassian account. InvalidInput where Jira does not accept it.

    A token without scopes works at the site itself, one with scopes only at Atlassian's gateway; both are tried.
    """
    actor.require(Right.MANAGE_INTEGRATIONS)
    email, token = email.strip(), token.strip()
    if not email or not token or max(len(email), len(token)) > _MOST_CHARACTERS:
        raise InvalidInput("Enter the email address of the Atlassian account, and its API token.", "token")
    given = _given(ctx, actor)
    url = _where_it_works(ctx, given, basic(email, token))
    values = _NO_API_TOKEN | {"api_email": email, "api_token": ctx.box.encrypt(token), "api_base_url": url}
    return _update(ctx, actor, given.id, "set_api_token", {"email": email}, values)


def remove_api_token(ctx: Context, actor: Actor) -> Credentials:
    """Delete the API token: issues are not looked up any more, and keys are accepted as they are typed."""
    actor.require(Right.MANAGE_INTEGRATIONS)
    return _update(ctx, actor, _given(ctx, actor).id, "removed_api_token", None, _NO_API_TOKEN)


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
    """The address and a new secret for a webhook of the site; calls signed with an earlier secret are refused."""
    actor.require(Right.MANAGE_INTEGRATIONS)
    given = _given(ctx, actor)
    secret = secrets.token_urlsafe(32)
    values = _NO_WEBHOOK | {"webhook_secret": ctx.box.encrypt(secret)}
    _update(ctx, actor, given.id, "made_webhook", None, values)
    return Webhook(webhook_url(ctx, given), secret)


def remove_webhook(ctx: Context, actor: Actor) -> Credentials:
    """Accept no call of the site's webhook any more."""
    actor.require(Right.MANAGE_INTEGRATIONS)
    return _update(ctx, actor, _given(ctx, actor).id, "removed_webhook", None, _NO_WEBHOOK)


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


@transactional
def _update(
    change: Change, credentials_id: str, verb: str, after: dict[str, str] | None, values: Mapping[str, object]
) -> Credentials:
    tx, account_id = change.tx, change.actor.account_id
    accounts.lock(tx, account_id)
    credentials.update(tx, credentials_id, **values)
    saved, site = credentials.find(tx, credentials_id), integrations.site_of_account(tx, account_id)
    if saved is None or site is None:
        raise NotFound("The credentials were removed in the meantime.")
    change.saved(verb, site_subject(site), after=after)
    return saved
