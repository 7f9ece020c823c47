"""Jira Cloud sites by their addresses: is this one, which one is it, and where has it moved to?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from flagpost.actions.access import Actor
from flagpost.actions.audit import record
from flagpost.actions.context import Context
from flagpost.errors import Conflict, InvalidInput, JiraError, NotFound
from flagpost.jira.client import JiraAddressRefused, JiraUnreachable
from flagpost.jira.hosts import is_loopback, split_address
from flagpost.jira.response import JiraResponse
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

    A Cloud site has no port of its own; one on this machine, for the sandbox, may.
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
    """No answer: because the address is wrong, or because nothing of Atlassian's can be reached from here."""
    try:
        ctx.jira.get_public(f"{ctx.settings.atlassian_api_url}/")
    except JiraError:
        return no_network(ctx, error)
    return InvalidInput(f"Nothing answers at {host}, though Atlassian can be reached. Is it spelt right?", "site")


def no_network(ctx: Context, error: JiraUnreachable) -> JiraError:
    """Atlassian cannot be reached from this host."""
    api = urlsplit(ctx.settings.atlassian_api_url).hostname
    return JiraError(
        f"This host cannot reach Atlassian ({api}): {error.message} Check its network, proxy and firewall."
    )


def _not_cloud(host: str) -> str:
    return (
        f"{host or 'That'} is not a Jira Cloud site. Flagpost works with Jira Cloud only (your-team.atlassian.net): "
        "Jira Server and Data Center have no feature flags on their issues."
    )


def require_integration(tx: Transaction, actor: Actor) -> Integration:
    """The account's integration. NotFound says how to set one up."""
    integration = integrations.find(tx, actor.account_id)
    if integration is None:
        raise NotFound("Set the integration up first: Admin settings → Integrations → Marketplace → Jira Cloud → Add.")
    return integration


def require_expected(integration: Integration, site_url: str) -> None:
    """Conflict where the integration was set up for another site."""
    if integration.expected_site and integration.expected_site.lower() != site_url.lower():
        raise Conflict(f"The integration was set up for {integration.expected_site}, and this is {site_url}.")


def require_free(tx: Transaction, account_id: str, cloud_id: str) -> None:
    """Conflict where the site, or the account, is connected elsewhere. What was disconnected makes way."""
    of_cloud = integrations.site_of_cloud(tx, cloud_id)
    if of_cloud and of_cloud.account_id != account_id and not of_cloud.disconnected_at:
        raise Conflict("This Jira site is connected to another Flagpost account already. Disconnect it there first.")
    of_account = integrations.site_of_account(tx, account_id)
    if of_account and of_account.cloud_id != cloud_id and not of_account.disconnected_at:
        raise Conflict(
            f"The Flagpost account is connected to {of_account.site_url} already, and it can have one Jira site. "
            "Disconnect that one first."
        )
    if of_cloud and of_cloud.account_id != account_id:
        integrations.delete_site(tx, of_cloud.id)


def record_site(
    tx: Transaction,
    actor: Actor,
    now: int,
    site: Site,
    change: str,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Note in the audit log what became of an account's site."""
    named = {"object_type": "integration", "object_id": site.id, "object_name": site.site_url}
    record(tx, actor, now, change, before=before, after=after, **named)
