"""Requests to Jira while a user waits, within Jira's limits."""

from typing import Any

from flagpost.actions.context import Context
from flagpost.errors import JiraError
from flagpost.formatting import ago
from flagpost.jira.rate_limits import Charge, Endpoint, is_quota
from flagpost.jira.response import JiraResponse
from flagpost.store.jira import integrations
from flagpost.store.jira.integrations import Site

_PATIENCE_SECONDS = 3.0


class QuotaUsedUp(JiraError):
    """Jira's quota of requests is used up, so that nothing may be asked of it now."""

    permanent = False


def quota_used_up(site: Site, now: int) -> str:
    """The message for a user while Flagpost may send no request to a site."""
    return (
        "Jira's quota of requests is used up. Flagpost sends no request until Jira grants more, "
        f"{ago(site.quota_resets_at or 0, now)}; “Resync” asks at once."
    )


def ask(
    ctx: Context, cloud_id: str, pool: str, endpoint: Endpoint, url: str, *, authorization: str, **arguments: Any
) -> JiraResponse:
    """Ask one thing of a site that is connected, or is to be. `pool` names whose points it costs.

    Raises QuotaUsedUp until the quota resets, RateLimited where Jira's limits leave no room within seconds (nothing is
    sent then), and what `JiraClient.call` raises.
    """
    with ctx.db.read() as tx:
        site = integrations.site_of_cloud(tx, cloud_id)
    if site and (site.quota_resets_at or 0) > ctx.clock():
        raise QuotaUsedUp(quota_used_up(site, ctx.clock()))
    answer = ctx.issues.limiter.send(
        Charge(cloud_id, pool, endpoint),
        lambda: ctx.jira.call(endpoint.method, url, authorization=authorization, **arguments),
        patience=_PATIENCE_SECONDS,
        pause=ctx.issues.pause,
    )
    if site and is_quota(answer):
        ctx.issues.failure_policy.respect_quota(site, answer)
    return answer
