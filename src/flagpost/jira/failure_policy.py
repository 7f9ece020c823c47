"""What a response that is no success means for a site: wait, or ask a person to act. It is noted on the site's row.

`paused_until` holds deliveries back, `quota_resets_at` every request of any kind, and `suspended_reason` deliveries
until a person has done what it says.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

import structlog

from flagpost.errors import JiraError
from flagpost.jira.client import JiraUnreachable
from flagpost.jira.rate_limits import is_quota
from flagpost.jira.response import JiraResponse
from flagpost.jira.site_access import OAUTH, CredentialsRefused, TokenNotGiven
from flagpost.store.db import Database
from flagpost.store.jira import integrations
from flagpost.store.jira.integrations import Site
from flagpost.telemetry.metrics import DELIVERY_FAILURES

log = structlog.get_logger(__name__)

_NEW_SITE_MS = 15 * 60_000  # Atlassian: for some minutes after an installation, requests may be refused
_LONGEST_PAUSE_SECONDS = 300
_HOUR_MS = 3_600_000
_FAILURES_BEFORE_ONE_FLAG_IS_BLAMED = 2
_SHORTEST_QUOTA_MS = 60_000
_LONGEST_QUOTA_MS = _HOUR_MS + 5 * 60_000  # Jira's quotas are by the hour, and its clock may differ a little

_WITH_APP = {
    401: "Jira does not accept the app's token any more (401). Open the app's Configure page in Jira and save.",
    403: "The app in Jira lacks the permission for feature flags (403). Update or install the app again in Jira.",
    404: "Jira does not know this site any more (404). Was it deleted or renamed? Connect it again from Jira.",
}
_WITH_CREDENTIALS = {
    401: "Jira does not accept the OAuth credentials any more (401). Make new ones in Jira and enter them here.",
    403: "The OAuth credentials lack the permission Feature flags (403). Make new ones in Jira with that box ticked.",
    404: "Jira does not know this site any more (404). Was it deleted or renamed? Enter its address again.",
}


class Stop(Exception):
    """Ends a delivery; the site's row says why. `failed`: because of something that Jira answered."""

    def __init__(self, *, failed: bool = False) -> None:
        super().__init__()
        self.failed = failed


def failure_kind(response: JiraResponse) -> str:
    """What the metrics count a response to a whole request as: one of `metrics.FAILURE_KINDS`."""
    if is_quota(response):
        return "quota"
    if response.moved_to:
        return "moved"
    by_status = {401: "unauthorized", 403: "forbidden", 404: "not_found", 429: "rate_limited"}
    return by_status.get(response.status, "unavailable" if response.status >= 500 else "other")


def error_kind(error: JiraError) -> str:
    """What the metrics count a request without a response as: one of `metrics.FAILURE_KINDS`."""
    kinds = ((CredentialsRefused, "credentials"), (JiraUnreachable, "unreachable"), (TokenNotGiven, "token_missing"))
    return next((kind for type_, kind in kinds if isinstance(error, type_)), "other")


def what_to_do(status: int, auth_method: str) -> str:
    """What a person can do where Jira refuses everything (401, 403, 404)."""
    return (_WITH_CREDENTIALS if auth_method == OAUTH else _WITH_APP)[status]


def one_flag_is_to_blame(site: Site, response: JiraResponse) -> bool:
    """Whether a single flag may be what Jira fails at: the failures went on though the site rested in between."""
    return response.is_server_error and site.consecutive_failures >= _FAILURES_BEFORE_ONE_FLAG_IS_BLAMED


@dataclass(frozen=True, slots=True)
class FailurePolicy:
    """Decides what a failure means for a site, and notes it on the site's row."""

    db: Database
    clock: Callable[[], int]

    def fail(self, site: Site, response: JiraResponse) -> NoReturn:
        """End a delivery because Jira took nothing of a request. Raises Stop."""
        DELIVERY_FAILURES.labels(failure_kind(response)).inc()
        new = site.auth_method != OAUTH and self.clock() - site.connected_at < _NEW_SITE_MS
        if is_quota(response):
            self.respect_quota(site, response)
        elif response.status in _WITH_APP and not new:
            self.suspend(site, what_to_do(response.status, site.auth_method))
        elif response.moved_to:
            where = response.moved_to
            self.suspend(site, f"Atlassian's API answers that it is at {where} now. Flagpost follows no redirect.")
        else:
            self.back_off(site, response.error_message(), response.retry_after)
        raise Stop(failed=True)

    def back_off(self, site: Site, message: str, retry_after: int | None) -> None:
        """Pause the site: at least as long as Jira asks, and longer with every failure in a row.

        The length is partly random, so that the processes that failed together do not all come back together.
        """
        with self.db.write() as tx:
            now = self.clock()
            latest = integrations.lock_site(tx, site.account_id) or site
            longer = min(_LONGEST_PAUSE_SECONDS, 2 ** min(latest.consecutive_failures, 10))
            wait = max(longer * random.uniform(0.7, 1.3), retry_after or 0)  # noqa: S311
            noted = {"last_error": message, "last_error_at": now, "paused_until": now + int(1000 * wait)}
            integrations.update_site(tx, site.id, consecutive_failures=latest.consecutive_failures + 1, **noted)
        log.warning("jira.paused", site=site.site_url, seconds=round(wait, 1), message=message)

    def respect_quota(self, site: Site, response: JiraResponse) -> None:
        """Send no request of any kind until the points of this hour are reset (Atlassian's advice)."""
        now = self.clock()
        until = _quota_resets_at(response, now)
        message = f"Jira's quota of requests for this hour is used up ({response.rate_limit_reason})."
        with self.db.write() as tx:
            integrations.update_site(tx, site.id, quota_resets_at=until, last_error=message, last_error_at=now)
        reason = response.rate_limit_reason
        log.warning("jira.quota_used_up", site=site.site_url, seconds=(until - now) / 1000, reason=reason)

    def rebase_pause(self, site: Site) -> None:
        """Have a pause that began in the future begin now, at its full length: the clock was set back since it began.

        So a pause does not last longer by as much as the clock was set back, and none that Jira asked for is cut short.
        """
        now = self.clock()
        late = (site.last_error_at or now) - now
        ends = {"paused_until": site.paused_until, "quota_resets_at": site.quota_resets_at}
        sooner = {name: until - late for name, until in ends.items() if until}
        with self.db.write() as tx:
            integrations.update_site(tx, site.id, last_error_at=now, **sooner)
        log.warning("jira.clock_set_back", site=site.site_url, seconds=late / 1000)

    def suspend(self, site: Site, reason: str) -> None:
        """Deliver nothing more until a person has done what `reason` says."""
        now = self.clock()
        with self.db.write() as tx:
            integrations.update_site(tx, site.id, suspended_reason=reason, last_error=reason, last_error_at=now)
        log.error("jira.suspended", site=site.site_url, reason=reason)

    def note_move(self, site: Site, response: JiraResponse) -> None:
        """Note where the site's address redirects to, for a person to confirm; or that it redirects no more."""
        where = response.site_moved_to[:500] if response.site_moved_to else None
        if where != site.moved_to:
            with self.db.write() as tx:
                integrations.update_site(tx, site.id, moved_to=where)
            log.warning("jira.moved", site=site.site_url, to=where)

    def note_error(self, site: Site, message: str) -> None:
        """Note an error that ends without any action, such as a token that is yet to arrive."""
        if site.last_error == message:
            return
        with self.db.write() as tx:
            integrations.update_site(tx, site.id, last_error=message, last_error_at=self.clock())


def _quota_resets_at(response: JiraResponse, now: int) -> int:
    """When a used-up quota is reset, as far as the response can be believed; the next full hour where it says nothing.

    A reset that is over or hours away is a mistake, for example a wrong clock or another unit. Were it believed,
    Flagpost would send request after request, or none for days.
    """
    said = [now + response.retry_after * 1000] if response.retry_after else []
    said += [response.limit_resets_at] if response.limit_resets_at is not None else []
    if not said:
        return (now // _HOUR_MS + 1) * _HOUR_MS
    ahead = [moment for moment in said if moment > now]
    return min(max(ahead, default=now + _SHORTEST_QUOTA_MS), now + _LONGEST_QUOTA_MS)
