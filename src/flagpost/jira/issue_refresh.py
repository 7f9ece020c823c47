"""Refreshing what is known of issues, within a budget.

Events say at once that an issue changed (`actions.jira.webhooks`), but may get lost, and some sites send none. So every
issue that is connected with a flag is looked up again from time to time, and at once after an event about it. The
budget bounds how many issues of a site are looked up in an hour, whatever happens.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from flagpost.errors import JiraError
from flagpost.jira.client import JiraClient
from flagpost.jira.issues import IN_THE_BACKGROUND, MOST_AT_ONCE, IssueReader
from flagpost.jira.token_bucket import TokenBucket
from flagpost.store.db import Database
from flagpost.store.jira import integrations, issues
from flagpost.store.jira.integrations import Site

log = structlog.get_logger(__name__)

_AT_ONCE_SHARE = 0.2  # of an hour's budget
_REST_SECONDS = 60.0  # after a failed look-up
_CHECK_ADDRESS_SECONDS = 6 * 3600.0


@dataclass
class Refresher:
    """Looks the issues of every connected site up again; one run at a time. `budget`: issues of a site in an hour."""

    db: Database
    client: JiraClient
    reader: IssueReader
    clock: Callable[[], int]
    budget: int
    now: Callable[[], float] = time.monotonic
    _buckets: dict[str, TokenBucket] = field(default_factory=dict)
    _rest_until: dict[str, float] = field(default_factory=dict)
    _check_address_at: dict[str, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self) -> None:
        """Look up the issues that are due, as far as the budgets go."""
        with self._lock:
            sites, due = self._sites()
            for site in sites:
                try:
                    self._check_address(site)
                    if site.account_id in due:
                        self._refresh(site)
                except JiraError as error:
                    self._rest_until[site.id] = self.now() + _REST_SECONDS
                    log.info("jira.refresh_postponed", site=site.site_url, message=error.message)

    def _sites(self) -> tuple[list[Site], set[str]]:
        """The sites that may be called now, and the accounts with an issue that is due."""
        with self.db.read() as tx:
            found = integrations.connected_sites(tx)
            due = issues.accounts_due(tx, self.clock())
        return [one for one in found if one.may_call(self.clock()) and self._rest(one) <= self.now()], due

    def _rest(self, site: Site) -> float:
        return self._rest_until.get(site.id, float("-inf"))

    def _refresh(self, site: Site) -> None:
        if self.reader.keyring.issues(site) is None:
            return
        while due := self._due(site):
            raised = self.reader.bring_up_to_date(site, due, IN_THE_BACKGROUND)
            log.info("jira.refreshed", site=site.site_url, issues=len(due), flags=raised)

    def _due(self, site: Site) -> list[issues.Issue]:
        """The next issues to look up; empty where none is due, or the budget is used up."""
        bucket = self._buckets.setdefault(site.id, TokenBucket(self.budget * _AT_ONCE_SHARE, self.budget / 3600))
        room = min(MOST_AT_ONCE, int(bucket.left(self.now())))
        if room < 1:
            return []
        with self.db.read() as tx:
            due = issues.due(tx, site.account_id, self.clock(), room)
        bucket.take(self.now(), len(due))
        return due

    def _check_address(self, site: Site) -> None:
        """Note whether the site's address still works: a site that was renamed answers with a redirect."""
        if self.now() < self._check_address_at.get(site.id, float("-inf")) or not self.client.is_secure(site.site_url):
            return
        self._check_address_at[site.id] = self.now() + _CHECK_ADDRESS_SECONDS
        with suppress(JiraError):
            response = self.client.get_public(f"{site.site_url}/_edge/tenant_info")
            if response.moved_to or response.ok:
                self.reader.failure_policy.note_move(site, response)
