"""Jira Cloud sites: which one an address leads to, and which one an account is connected to."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from flagpost.actions.context import Context
from flagpost.actions.unit_of_work import Change, Subject
from flagpost.errors import Conflict, InvalidInput, JiraError, NotFound
from flagpost.jira.client import JiraAddressRefused, JiraUnreachable
from flagpost.jira.hosts import is_loopback, split_address
from flagpost.jira.response import JiraResponse
from flagpost.store.accounts import accounts
from flagpost.store.db import Transaction
from flagpost.store.jira import integrations
from flagpost.store.jira.integrations import Integration, Site

_EXAMPLE = "https://your-team.atlassian.net"


@dataclass(frozen=True, slots=True)
class FoundSite:
    """A site that answered: its address without a path, and its cloud id."""

    url: str
    cloud_id: str


def checked_address(ctx: Context, address: str) -> str:
    """A site's address without a path. Raises InvalidInput for one that cannot be a Jira Cloud site's.

    A Cloud site has the port of https; a site on this machine (the sandbox) may have another.
    """
    address = address.strip() if "://" in address else f"https://{address.strip()}"
    try:
        parts = split_address(address)
    except ValueError:
        raise InvalidInput(f"That is not an address. Example: {_EXAMPLE}", "site") from None
    host, port = parts.hostname or "", parts.port
    if is_loopback(host) and ctx.settings.allow_insecure_jira:
        return find_site(ctx, f"{parts.scheme}://{parts.netloc.rpartition('@')[2].lower()}").url
    if not host.endswith((".atlassian.net", ".jira.com")) or parts.scheme != "https":
        raise InvalidInput(_not_cloud(host), "site")
    if port not in (None, 443):
        raise InvalidInput(f"A Jira Cloud site has no port. Enter https://{host}", "site")
    return f"https://{host}"


def find_site(ctx: Context, url: str) -> FoundSite:
    """The Jira Cloud site at this address (Atlassian: `_edge/tenant_info`, which Jira Server does not have).

    Raises InvalidInput that says which of these it is: no such site, not a Cloud site, one that has moved; JiraError
    where there is no network, or the site is out of order.
    """
    host = urlsplit(url).hostname or url
    try:
        answer = ctx.jira.get_public(f"{url}/_edge/tenant_info")
    except JiraAddressRefused:
        raise InvalidInput(_not_cloud(host), "site") from None
    except JiraUnreachable as error:
        raise _unreachable(ctx, host, error) from None
    if answer.moved_to:
        raise InvalidInput(
            f"{host} has moved to {answer.site_moved_to}. If that is your site, enter that address.", "site"
        )
    cloud_id = answer.body.get("cloudId") if answer.ok and isinstance(answer.body, dict) else None
    if not isinstance(cloud_id, str) or not 0 < len(cloud_id) <= 100:
        raise _no_site(host, answer)
    return FoundSite(url, cloud_id)


def _no_site(host: str, answer: JiraResponse) -> Exception:
    if answer.status == 429 or answer.status >= 500:
        return JiraError(f"{host} is out of order just now ({answer.status}). Try again in a minute.")
    if host.endswith(".atlassian.net"):
        return InvalidInput(f"There is no Jira site at {host}. Is it spelt right?", "site")
    return InvalidInput(_not_cloud(host), "site")


def _unreachable(ctx: Context, host: str, error: JiraUnreachable) -> Exception:
    """The error that says whether the address is wrong, or this host reaches nothing of Atlassian's."""
    try:
        ctx.jira.get_public(f"{ctx.settings.atlassian_api_url}/")
    except JiraError:
        return no_network(ctx, error)
    return InvalidInput(f"Nothing answers at {host}, though Atlassian can be reached. Is it spelt right?", "site")


def no_network(ctx: Context, error: JiraUnreachable) -> JiraError:
    """The error that says that this host cannot reach Atlassian."""
    api = urlsplit(ctx.settings.atlassian_api_url).hostname
    return JiraError(
        f"This host cannot reach Atlassian ({api}): {error.message} Check its network, proxy and firewall."
    )


def _not_cloud(host: str) -> str:
    return (
        f"{host or 'That'} is not a Jira Cloud site. Flagpost works with Jira Cloud only (your-team.atlassian.net): "
        "Jira Server and Data Center have no feature flags on their issues."
    )


# The account's integration and its site ---------------------------------------------------------------------------


def require_integration(tx: Transaction, account_id: str) -> Integration:
    """The account's integration. NotFound says how to set one up."""
    integration = integrations.find(tx, account_id)
    if integration is None:
        raise NotFound("Set the integration up first: Admin settings → Integrations → Marketplace → Jira Cloud → Add.")
    return integration


def lock_integration(change: Change) -> Integration:
    """The account's integration, which no other transaction changes until the commit. NotFound where there is none."""
    accounts.lock(change.tx, change.actor.account_id)
    return require_integration(change.tx, change.actor.account_id)


def integration_subject(integration: Integration) -> Subject:
    """The subject of what happens to the integration of an account."""
    return Subject("integration", integration.id, "Jira Cloud")


def site_subject(site: Site) -> Subject:
    """The subject of what happens to the Jira site of an account."""
    return Subject("integration", site.id, site.site_url)


def lock_connected_site(change: Change) -> Site:
    """The Jira site that the account is connected to, which no delivery changes until the commit. Conflict without."""
    site = integrations.lock_site(change.tx, change.actor.account_id)
    if site is None or site.disconnected_at:
        raise Conflict("No Jira site is connected yet.")
    return site


def require_expected(integration: Integration, site_url: str) -> None:
    """Conflict where the integration was set up for another site."""
    if integration.expected_site and integration.expected_site.lower() != site_url.lower():
        raise Conflict(f"The integration was set up for {integration.expected_site}, and this is {site_url}.")


def make_room(change: Change, cloud_id: str) -> None:
    """Have nothing in the way of connecting the account to this site: another account's old connection is deleted.

    Conflict where the site, or the account, is connected elsewhere now.
    """
    tx, account_id = change.tx, change.actor.account_id
    of_cloud = integrations.site_of_cloud(tx, cloud_id)
    if of_cloud and of_cloud.account_id != account_id and not of_cloud.disconnected_at:
        raise Conflict("This Jira site is connected to another Flagpost account already. Disconnect it there first.")
    of_account = integrations.lock_site(tx, account_id)
    if of_account and of_account.cloud_id != cloud_id and not of_account.disconnected_at:
        raise Conflict(
            f"The Flagpost account is connected to {of_account.site_url} already, and it can have one Jira site. "
            "Disconnect that one first."
        )
    if of_cloud and of_cloud.account_id != account_id:
        integrations.delete_site(tx, of_cloud.id)
