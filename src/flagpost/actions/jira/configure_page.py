"""What happens when the app in Jira calls: its Configure page, its installation, its tokens, its end."""

from dataclasses import dataclass

from flagpost.actions.access import Actor, ActorType
from flagpost.actions.accounts.api_keys import hash_of, require_working
from flagpost.actions.context import Context
from flagpost.actions.jira.api_calls import ask
from flagpost.actions.jira.site import record_site, require_expected, require_free
from flagpost.errors import Conflict, InvalidInput, JiraError, NotSignedIn
from flagpost.jira.client import bearer
from flagpost.jira.invocation_token import Invocation
from flagpost.jira.rate_limits import GET_SITE
from flagpost.jira.removal import GONE
from flagpost.jira.secret_box import token_expiry
from flagpost.jira.site_access import APP, OAUTH
from flagpost.store.accounts import api_keys
from flagpost.store.db import Transaction
from flagpost.store.jira import integrations, removals
from flagpost.store.jira.integrations import Integration, Site

MAX_TOKEN_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class SiteStatus:
    """What the Configure page shows: whether the site is connected, and which project shows which environment."""

    connected: bool
    projects: list[tuple[str, str]]


def configure(ctx: Context, invocation: Invocation, token: str, system_token: str | None) -> SiteStatus:
    """Connect the site that calls to the account whose integration has this token, and send everything.

    InvalidInput for a token that is unknown, revoked, expired or of another kind; Conflict where the site, or the
    account, is connected elsewhere already.
    """
    site_url = invocation.site_url or _ask_for_address(ctx, invocation, system_token)
    now = ctx.clock()
    with ctx.db.write() as tx:
        integration = _integration_of(tx, token, now)
        require_expected(integration, site_url)
        require_free(tx, integration.account_id, invocation.cloud_id)
        _require_no_credentials(tx, integration.account_id)
        _remember(ctx, tx, invocation, system_token, now)
        site = _connect(tx, integration, invocation, site_url, now)
        _record(tx, site, now, "connected_site")
        status = _status(tx, site)
    ctx.wake(integration.account_id)
    return status


def site_status(ctx: Context, invocation: Invocation, system_token: str | None = None) -> SiteStatus:
    """How the site that calls stands."""
    keep_token(ctx, invocation, system_token)
    with ctx.db.read() as tx:
        site = integrations.site_of_cloud(tx, invocation.cloud_id)
        return _status(tx, site) if site and not site.disconnected_at else SiteStatus(False, [])


def keep_token(ctx: Context, invocation: Invocation, system_token: str | None) -> None:
    """Note an installation and the token it brings; delivery that had waited for a token goes on."""
    now = ctx.clock()
    with ctx.db.write() as tx:
        _remember(ctx, tx, invocation, system_token, now)
        site = integrations.site_of_installation(tx, invocation.installation_id)
        if site is None and system_token:
            site = _take_over(tx, invocation, now)
        elif site and invocation.site_url and invocation.site_url != site.site_url:
            integrations.update_site(tx, site.id, site_url=invocation.site_url, moved_to=None)
        if site and system_token and site.suspended_reason:
            integrations.update_site(tx, site.id, suspended_reason=None, failures=0, paused_until=None)
    if site:
        ctx.wake(site.account_id)


def uninstalled(ctx: Context, invocation: Invocation) -> None:
    """The app leaves the site, and Jira forgets everything it was told. The connections stay, for another time."""
    now = ctx.clock()
    with ctx.db.write() as tx:
        integrations.mark_uninstalled(tx, invocation.installation_id, now)
        site = integrations.site_of_installation(tx, invocation.installation_id)
        if site is None or site.disconnected_at:
            return
        integrations.update_site(tx, site.id, disconnected_at=now)
        removals.finish_all(
            tx, site.account_id, GONE, "The app was uninstalled, and Jira deletes its flags with it.", now
        )
        if integrations.find(tx, site.account_id) is None:
            integrations.delete_site(tx, site.id)
        _record(tx, site, now, "disconnected_site")


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


def _require_no_credentials(tx: Transaction, account_id: str) -> None:
    """One way into a site at a time: with two, each flag would be on its issues twice."""
    site = integrations.site_of_account(tx, account_id)
    if site and site.auth_method == OAUTH and not site.disconnected_at:
        raise Conflict(
            "This site is connected with OAuth credentials. To use the app instead, remove the integration in "
            "Flagpost, wait until Jira has forgotten its flags, and set it up again."
        )


def _connect(tx: Transaction, integration: Integration, invocation: Invocation, site_url: str, now: int) -> Site:
    """Connect, and have everything sent. The same installation, entered again, goes on where it was."""
    old = integrations.site_of_account(tx, integration.account_id)
    if old and not old.disconnected_at and old.installation_id == invocation.installation_id:
        integrations.update_site(tx, old.id, site_url=site_url, moved_to=None)
        integrations.request_resync(tx, old.id, now)
        return old
    return integrations.save_site(
        tx,
        integration.account_id,
        cloud_id=invocation.cloud_id,
        site_url=site_url,
        auth_method=APP,
        installation_id=invocation.installation_id,
        now=now,
    )


def _take_over(tx: Transaction, invocation: Invocation, now: int) -> Site | None:
    """A new installation of the app on a connected site: Jira forgot everything with the old one, so send it again.

    An installation that is older than the connection takes nothing over while the connected one lives. Otherwise two
    on one site (one from each of Forge's environments) would have everything sent again at each other's hourly call.
    """
    site = integrations.site_of_cloud(tx, invocation.cloud_id)
    if site is None or site.auth_method != APP or integrations.find(tx, site.account_id) is None:
        return None
    mine = integrations.find_installation(tx, invocation.installation_id)
    if not (mine and mine.installed_at >= site.connected_at) and _lives(tx, site, now):
        return None
    return integrations.save_site(
        tx,
        site.account_id,
        cloud_id=site.cloud_id,
        site_url=invocation.site_url or site.site_url,
        auth_method=APP,
        installation_id=invocation.installation_id,
        now=now,
    )


def _lives(tx: Transaction, site: Site, now: int) -> bool:
    """Whether the installation that a site is connected through still has a token that works."""
    connected = integrations.find_installation(tx, site.installation_id)
    return bool(connected and not connected.removed_at and (connected.system_token_expires_at or 0) > now)


def _remember(ctx: Context, tx: Transaction, invocation: Invocation, system_token: str | None, now: int) -> None:
    integrations.save_installation(
        tx,
        invocation.installation_id,
        now,
        cloud_id=invocation.cloud_id,
        site_url=invocation.site_url,
        api_base_url=invocation.api_base_url,
        system_token=ctx.box.encrypt(system_token) if system_token else None,
        system_token_expires_at=token_expiry(system_token, now) if system_token else None,
    )


def _ask_for_address(ctx: Context, invocation: Invocation, system_token: str | None) -> str:
    """The site's address where the call does not carry it; its cloud id where Jira would not say either."""
    try:
        url = f"{invocation.api_base_url}/rest/api/3/serverInfo"
        answer = ask(ctx, invocation.cloud_id, APP, GET_SITE, url, authorization=bearer(system_token or ""))
        address = answer.body.get("baseUrl") if answer.ok and isinstance(answer.body, dict) else None
    except JiraError:
        address = None
    return str(address).rstrip("/")[:500] if address else f"site {invocation.cloud_id}"


def _status(tx: Transaction, site: Site) -> SiteStatus:
    chosen = integrations.chosen_projects(tx, site.account_id)
    return SiteStatus(True, [(one.project.name, one.environment.name) for one in chosen if one.visible])


def _record(tx: Transaction, site: Site, now: int, change: str) -> None:
    jira = Actor(site.account_id, ActorType.JIRA, site.cloud_id, site.site_url, frozenset())
    record_site(tx, jira, now, site, change)
