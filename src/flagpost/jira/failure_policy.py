"""What an answer that is no success means for a site: wait, or ask for a person. It is noted on the site's row.

`paused_until` holds deliveries back, `quiet_until` every request of any kind, `stopped_reason` deliveries until
somebody has done what it says.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

import structlog

from flagpost.errors import JiraError
from flagpost.jira.client import Answer, JiraUnreachable
from flagpost.jira.rate_limits import is_quota
from flagpost.jira.site_access import OAUTH, CredentialsRefused, TokenNotGiven
from flagpost.store.db import Database
from flagpost.store.jira import integrations
from flagpost.store.jira.integrations import Site
from flagpost.telemetry.metrics import DELIVERY_FAILURES

log = structlog.get_logger(__name__)

_NEW_SITE_MS = 15 * 60_000  # Atlassian: right after an installation, refusals may come for some minutes
_LONGEST_PAUSE_SECONDS = 300
_HOUR_MS = 3_600_000
_FAILURES_BEFORE_ONE_IS_BLAMED = 2
_LEAST_QUIET_MS = 60_000
_LONGEST_QUIET_MS = _HOUR_MS + 5 * 60_000  # Jira's quotas are by the hour, and its clock may differ a little

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
    """This delivery ends here; why is noted on the site. `failed`: because of something that Jira answered."""

    def __init__(self, *, failed: bool = False) -> None:
        super().__init__()
        self.failed = failed


def failure_kind(answer: Answer) -> str:
    """What an answer to a whole request is counted as: one of `metrics.FAILURE_KINDS`."""
    if is_quota(answer):
        return "quota"
    if answer.moved_to:
        return "moved"
    by_status = {401: "unauthorized", 403: "forbidden", 404: "not_found", 429: "rate_limited"}
    return by_status.get(answer.status, "unavailable" if answer.status >= 500 else "other")


def error_kind(error: JiraError) -> str:
    """The same where there was no answer to judge."""
    kinds = ((CredentialsRefused, "credentials"), (JiraUnreachable, "unreachable"), (TokenNotGiven, "token_missing"))
    return next((kind for type_, kind in kinds if isinstance(error, type_)), "other")


def what_to_do(status: int, way: str) -> str:
    """What a person can do about a refusal (401, 403, 404) of everything that is sent."""
    return (_WITH_CREDENTIALS if way == OAUTH else _WITH_APP)[status]


def one_is_to_blame(site: Site, answer: Answer) -> bool:
    """Whether Jira's failure may be due to a single flag: it went on while the site rested in between."""
    return answer.failed and site.failures >= _FAILURES_BEFORE_ONE_IS_BLAMED


@dataclass(frozen=True, slots=True)
class FailurePolicy:
    """Notes on a site what went wrong. Those that end a delivery raise Stop."""

    db: Database
    clock: Callable[[], int]

    def give_up(self, site: Site, answer: Answer) -> NoReturn:
        """Jira would not take any of it."""
        DELIVERY_FAILURES.labels(failure_kind(answer)).inc()
        new = site.way != OAUTH and self.clock() - site.connected_at < _NEW_SITE_MS
        if is_quota(answer):
            self.keep_quiet(site, answer)
        elif answer.status in _WITH_APP and not new:
            self.halt(site, what_to_do(answer.status, site.way))
        elif answer.moved_to:
            self.halt(
                site, f"Atlassian's API answers that it is at {answer.moved_to} now. Flagpost follows no redirect."
            )
        else:
            self.back_off(site, answer.words(), answer.retry_after)
        raise Stop(failed=True)

    def back_off(self, site: Site, said: str, retry_after: int | None) -> None:
        """Wait at least as long as Jira asks, and longer with every failure in a row, so that a storm calms down."""
        with self.db.write() as tx:
            now = self.clock()
            latest = integrations.site_of_account(tx, site.account_id) or site
            wait = min(_LONGEST_PAUSE_SECONDS, 2 ** min(latest.failures, 10)) * random.uniform(0.7, 1.3)  # noqa: S311
            until = now + int(1000 * max(wait, retry_after or 0))
            integrations.update_site(
                tx, site.id, paused_until=until, failures=latest.failures + 1, last_error=said, last_error_at=now
            )
        log.warning("jira.pause", site=site.site_url, seconds=(until - now) / 1000, said=said)

    def keep_quiet(self, site: Site, answer: Answer) -> None:
        """The points of this hour are used up: ask nothing of any kind until the reset (Atlassian's advice)."""
        now = self.clock()
        until = _quiet_until(answer, now)
        said = f"Jira's quota of requests for this hour is used up ({answer.reason})."
        with self.db.write() as tx:
            integrations.update_site(tx, site.id, quiet_until=until, last_error=said, last_error_at=now)
        log.warning("jira.quota", site=site.site_url, seconds=(until - now) / 1000, reason=answer.reason)

    def pause_anew(self, site: Site) -> None:
        """The clock was set back since a pause began: have it begin now, and take as long as it was to take.

        So nobody waits for as long as the clock went back, and none that Jira asked for is cut short.
        """
        now = self.clock()
        late = (site.last_error_at or now) - now
        ends = {"paused_until": site.paused_until, "quiet_until": site.quiet_until}
        sooner = {name: until - late for name, until in ends.items() if until}
        with self.db.write() as tx:
            integrations.update_site(tx, site.id, last_error_at=now, **sooner)
        log.warning("jira.clock_set_back", site=site.site_url, seconds=late / 1000)

    def halt(self, site: Site, reason: str) -> None:
        """Deliver nothing more until a person has done something about it."""
        now = self.clock()
        with self.db.write() as tx:
            integrations.update_site(tx, site.id, stopped_reason=reason, last_error=reason, last_error_at=now)
        log.error("jira.stopped", site=site.site_url, reason=reason)

    def moved(self, site: Site, answer: Answer) -> None:
        """The site's address answers with a redirect, or does no more: note where it leads, for a person to confirm."""
        where = answer.site_moved_to[:500] if answer.site_moved_to else None
        if where != site.moved_to:
            with self.db.write() as tx:
                integrations.update_site(tx, site.id, moved_to=where)
            log.warning("jira.moved", site=site.site_url, to=where)

    def note(self, site: Site, said: str) -> None:
        """Something is the matter that mends itself, such as a token that is on its way."""
        if site.last_error == said:
            return
        with self.db.write() as tx:
            integrations.update_site(tx, site.id, last_error=said, last_error_at=self.clock())


def _quiet_until(answer: Answer, now: int) -> int:
    """When a quota is there again, as far as what the answer says can be believed.

    A reset that is over, or hours away, is a mistake (a clock that is off, a unit that is another): were it believed,
    Jira would be asked over and over, or for days not at all. Where nothing is said, it is the next full hour.
    """
    said = [now + answer.retry_after * 1000] if answer.retry_after else []
    said += [answer.reset_at] if answer.reset_at is not None else []
    ahead = [moment for moment in said if moment > now]
    if not said:
        return (now // _HOUR_MS + 1) * _HOUR_MS
    return min(max(ahead, default=now + _LEAST_QUIET_MS), now + _LONGEST_QUIET_MS)
