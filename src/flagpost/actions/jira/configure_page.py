"""What the Flagpost app in Jira calls: its Configure page, its installation, its hourly token, its uninstallation.

Which account a call concerns is read before the transaction begins: by the integration's token, or by the site that
the installation serves. The transaction locks that account, and then reads again what it decides on.
"""

from dataclasses import dataclass

from flagpost.actions.access import NO_ACCOUNT, Actor, jira_app
from flagpost.actions.accounts.api_keys import hash_of, require_working
from flagpost.actions.context import Context
from flagpost.actions.jira.api_calls import ask
from flagpost.actions.jira.site import make_room, require_expected, site_subject
from flagpost.actions.unit_of_work import Change, transactional
from flagpost.errors import Conflict, InvalidInput, JiraError, NotSignedIn
from flagpost.jira.client import bearer
from flagpost.jira.invocation_token import Invocation
from flagpost.jira.rate_limits import GET_SITE
from flagpost.jira.removal import GONE
from flagpost.jira.secret_box import token_expiry
from flagpost.jira.site_access import APP, OAUTH
from flagpost.store.accounts import accounts, api_keys
from flagpost.store.db import Transaction
from flagpost.store.jira import integrations, removals
from flagpost.store.jira.integrations import Integration, Site
from flagpost.store.locks import Lock

MAX_TOKEN_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class SiteStatus:
    """What the Configure page shows: whether the site is connected, and which project shows which environment."""

    connected: bool
    projects: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class _Caller:
    """An installation of the app that calls, and the system token that it brings: encrypted, None without one."""

    invocation: Invocation
    system_token: bytes | None
    expires_at: int | None


# Connecting -------------------------------------------------------------------------------------------------------


def configure(ctx: Context, invocation: Invocation, token: str, system_token: str | None) -> SiteStatus:
    """Connect the site that calls to the account whose integration has this token, and send everything.

    InvalidInput for a token that is unknown, revoked, expired or of another kind; Conflict where the site, or the
    account, is connected elsewhere already.
    """
    with ctx.db.read() as tx:
        account_id = _integration_of(tx, token, ctx.clock()).account_id
    site_url = invocation.site_url or _ask_for_address(ctx, invocation, system_token)
    actor = jira_app(account_id, invocation.cloud_id, site_url)
    return _connect(ctx, actor, _caller(ctx, invocation, system_token), token, site_url)


@transactional
def _connect(change: Change, caller: _Caller, token: str, site_url: str) -> SiteStatus:
    require_expected(_lock_integration(change, token), site_url)
    make_room(change, caller.invocation.cloud_id)
    _require_no_credentials(change)
    _remember(change, caller)
    site = _save_site(change, caller.invocation, site_url)
    change.saved("connected_site", site_subject(site))
    change.wake_delivery()
    return _status(change.tx, site)


def _lock_integration(change: Change, token: str) -> Integration:
    """The integration with this token. Neither is removed, nor the token revoked or replaced, before the commit."""
    accounts.lock(change.tx, change.actor.account_id)
    found = _integration_of(change.tx, token, change.now)
    api_keys.lock(change.tx, found.account_id, found.key_id, Lock.SHARE)
    return _integration_of(change.tx, token, change.now)


def _integration_of(tx: Transaction, token: str, now: int) -> Integration:
    token = token.strip()
    if not token:
        raise InvalidInput("Paste the token that Flagpost showed when the integration was saved.", "token")
    key = api_keys.find_by_secret(tx, hash_of(token)) if len(token) <= MAX_TOKEN_CHARACTERS else None
    if key is None:
        raise InvalidInput("Flagpost does not know this token. Copy it again, or regenerate it in Flagpost.", "token")
    try:
        require_working(key, now)
    except NotSignedIn as error:
        what = error.message.replace("API key", "token")
        raise InvalidInput(f"{what} Regenerate it in Flagpost and enter the new one.", "token") from None
    integration = integrations.find_by_key(tx, key.id)
    if key.kind != "jira" or integration is None:
        raise InvalidInput("This is an API key of another kind. Use the token of the Jira integration.", "token")
    return integration


def _require_no_credentials(change: Change) -> None:
    """One way into a site at a time: with two, each flag would be on its issues twice."""
    site = integrations.site_of_account(change.tx, change.actor.account_id)
    if site and site.auth_method == OAUTH and not site.disconnected_at:
        raise Conflict(
            "This site is connected with OAuth credentials. To use the app instead, remove the integration in "
            "Flagpost, wait until Jira has deleted its flags, and set it up again."
        )


def _save_site(change: Change, invocation: Invocation, site_url: str) -> Site:
    """Connect, and have everything sent. Delivery through the installation that is connected already goes on."""
    tx, account_id = change.tx, change.actor.account_id
    old = integrations.site_of_account(tx, account_id)
    if old and not old.disconnected_at and old.installation_id == invocation.installation_id:
        integrations.update_site(tx, old.id, site_url=site_url, moved_to=None)
        integrations.request_resync(tx, old.id, change.now)
        return old
    return _new_site(change, invocation, site_url)


def _new_site(change: Change, invocation: Invocation, site_url: str) -> Site:
    return integrations.save_site(
        change.tx,
        change.actor.account_id,
        cloud_id=invocation.cloud_id,
        site_url=site_url,
        auth_method=APP,
        installation_id=invocation.installation_id,
        now=change.now,
    )


def _ask_for_address(ctx: Context, invocation: Invocation, system_token: str | None) -> str:
    """The site's address where the call does not carry it; a name with its cloud id where Jira gives no answer."""
    try:
        url = f"{invocation.api_base_url}/rest/api/3/serverInfo"
        answer = ask(ctx, invocation.cloud_id, APP, GET_SITE, url, authorization=bearer(system_token or ""))
        address = answer.body.get("baseUrl") if answer.ok and isinstance(answer.body, dict) else None
    except JiraError:
        address = None
    return str(address).rstrip("/")[:500] if address else f"site {invocation.cloud_id}"


# What an installation tells ---------------------------------------------------------------------------------------


def site_status(ctx: Context, invocation: Invocation, system_token: str | None = None) -> SiteStatus:
    """How the site that calls stands; the token that it brings is stored."""
    keep_token(ctx, invocation, system_token)
    with ctx.db.read() as tx:
        site = integrations.site_of_cloud(tx, invocation.cloud_id)
        return _status(tx, site) if site and not site.disconnected_at else SiteStatus(False, [])


def keep_token(ctx: Context, invocation: Invocation, system_token: str | None) -> None:
    """Store an installation and the token that it brings; a delivery that waited for a token goes on."""
    _keep_token(ctx, _actor(ctx, invocation), _caller(ctx, invocation, system_token))


@transactional
def _keep_token(change: Change, caller: _Caller) -> None:
    site = _lock_site(change)
    _remember(change, caller)
    invocation = caller.invocation
    if site and site.installation_id == invocation.installation_id:
        if invocation.site_url and invocation.site_url != site.site_url:
            integrations.update_site(change.tx, site.id, site_url=invocation.site_url, moved_to=None)
    elif site:
        site = _take_over(change, site, invocation) if caller.system_token else None
    if site is None:
        return
    if caller.system_token and site.suspended_reason:
        integrations.update_site(change.tx, site.id, suspended_reason=None, consecutive_failures=0, paused_until=None)
    change.wake_delivery()


def uninstalled(ctx: Context, invocation: Invocation) -> None:
    """The app leaves the site, and Jira deletes the flags that it sent. The connections stay, for another time."""
    _uninstall(ctx, _actor(ctx, invocation), invocation.installation_id)


@transactional
def _uninstall(change: Change, installation_id: str) -> None:
    site = _lock_site(change)
    integrations.mark_uninstalled(change.tx, installation_id, change.now)
    if site is None or site.installation_id != installation_id or site.disconnected_at:
        return
    integrations.update_site(change.tx, site.id, disconnected_at=change.now)
    words = "The app was uninstalled, and Jira deletes its flags with it."
    removals.finish_all(change.tx, site.account_id, GONE, words, change.now)
    if integrations.find(change.tx, site.account_id) is None:
        integrations.delete_site(change.tx, site.id)
    change.saved("disconnected_site", site_subject(site))


def _actor(ctx: Context, invocation: Invocation) -> Actor:
    """The app, for the account that its site is connected to: by the installation, or else by the cloud id."""
    with ctx.db.read() as tx:
        site = integrations.site_of_installation(tx, invocation.installation_id)
        site = site or integrations.site_of_cloud(tx, invocation.cloud_id)
    if site is None:
        return jira_app(NO_ACCOUNT, invocation.cloud_id, invocation.site_url or "")
    return jira_app(site.account_id, site.cloud_id, site.site_url)


def _lock_site(change: Change) -> Site | None:
    account_id = change.actor.account_id
    if account_id == NO_ACCOUNT:
        return None
    accounts.lock(change.tx, account_id)
    return integrations.lock_site(change.tx, account_id)


def _take_over(change: Change, site: Site, invocation: Invocation) -> Site | None:
    """The site, connected through another installation of the app than before; None where it stays as it was.

    Jira deleted everything with the installation before, so everything is sent again. An installation that is older
    than the connection takes nothing over while the connected one has a token that works. Otherwise two installations
    on one site (one from each of Forge's environments) would have everything sent again at each other's hourly call.
    """
    tx = change.tx
    ours = site.auth_method == APP and site.cloud_id == invocation.cloud_id
    if not ours or integrations.find(tx, site.account_id) is None:
        return None
    calling = integrations.find_installation(tx, invocation.installation_id)
    newer = calling is not None and calling.installed_at >= site.connected_at
    if not newer and _has_token(tx, site, change.now):
        return None
    return _new_site(change, invocation, invocation.site_url or site.site_url)


def _has_token(tx: Transaction, site: Site, now: int) -> bool:
    """Whether the installation that a site is connected through has a token that works."""
    connected = integrations.find_installation(tx, site.installation_id)
    return bool(connected and not connected.removed_at and (connected.system_token_expires_at or 0) > now)


# Shared -----------------------------------------------------------------------------------------------------------


def _caller(ctx: Context, invocation: Invocation, system_token: str | None) -> _Caller:
    if not system_token:
        return _Caller(invocation, None, None)
    return _Caller(invocation, ctx.box.encrypt(system_token), token_expiry(system_token, ctx.clock()))


def _remember(change: Change, caller: _Caller) -> None:
    integrations.save_installation(
        change.tx,
        caller.invocation.installation_id,
        change.now,
        cloud_id=caller.invocation.cloud_id,
        site_url=caller.invocation.site_url,
        api_base_url=caller.invocation.api_base_url,
        system_token=caller.system_token,
        system_token_expires_at=caller.expires_at,
    )


def _status(tx: Transaction, site: Site) -> SiteStatus:
    chosen = integrations.chosen_projects(tx, site.account_id)
    return SiteStatus(True, [(one.project.name, one.environment.name) for one in chosen if one.visible])
