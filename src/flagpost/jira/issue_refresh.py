"""Keeping what is known of issues from growing old, within a budget, where no event tells of a change.

Events say at once what changed (`actions.jira.webhooks`), but may get lost, and some sites send none. So every issue
that is connected with a flag is looked up again now and then, and at once where an event said that something happened
to it. The budget bounds how many issues are asked for in an hour, whatever happens.
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
from flagpost.jira.rate_limits import TokenBucket
from flagpost.store.db import Database
from flagpost.store.jira import integrations, issues
from flagpost.store.jira.integrations import Site

log = structlog.get_logger(__name__)

_AT_ONCE_SHARE = 0.2  # of an hour's budget
_REST_SECONDS = 60.0  # after a look-up that failed
_ASK_ADDRESS_SECONDS = 6 * 3600.0


@dataclass
class Refresher:
    """Looks issues up again, of every connected site; one call at a time. `budget`: issues of one site in an hour."""

    db: Database
    client: JiraClient
    reader: IssueReader
    clock: Callable[[], int]
    budget: int
    now: Callable[[], float] = time.monotonic
    _paces: dict[str, TokenBucket] = field(default_factory=dict)
    _rest_until: dict[str, float] = field(default_factory=dict)
    _ask_address_at: dict[str, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self) -> None:
        """Look up what is due, as far as the budgets go."""
        with self._lock:
            sites, due = self._sites()
            for site in sites:
                try:
                    self._ask_address(site)
                    if site.account_id in due:
                        self._refresh(site)
                except JiraError as error:
                    self._rest_until[site.id] = self.now() + _REST_SECONDS
                    log.info("jira.refresh_put_off", site=site.site_url, said=error.message)

    def _sites(self) -> tuple[list[Site], set[str]]:
        """The sites that may be asked now, and the accounts that have an issue to look up."""
        with self.db.read() as tx:
            found = integrations.connected_sites(tx)
            due = issues.accounts_due(tx, self.clock())
        return [one for one in found if one.may_be_asked(self.clock()) and self._rest(one) <= self.now()], due

    def _rest(self, site: Site) -> float:
        return self._rest_until.get(site.id, float("-inf"))

    def _refresh(self, site: Site) -> None:
        if self.reader.keyring.issues(site) is None:
            return
        while due := self._due(site):
            told = self.reader.bring_up_to_date(site, due, IN_THE_BACKGROUND)
            log.info("jira.refreshed", site=site.site_url, issues=len(due), flags=told)

    def _due(self, site: Site) -> list[issues.Issue]:
        """The next issues to look up; empty where there are none, or the budget has no room for them."""
        pace = self._paces.setdefault(site.id, TokenBucket(self.budget * _AT_ONCE_SHARE, self.budget / 3600))
        room = min(MOST_AT_ONCE, int(pace.left(self.now())))
        if room < 1:
            return []
        with self.db.read() as tx:
            due = issues.due(tx, site.account_id, self.clock(), room)
        pace.take(self.now(), len(due))
        return due

    def _ask_address(self, site: Site) -> None:
        """See whether the site still lives where it did (a renamed one answers with a redirect)."""
        if self.now() < self._ask_address_at.get(site.id, float("-inf")) or not self.client.is_secure(site.site_url):
            return
        self._ask_address_at[site.id] = self.now() + _ASK_ADDRESS_SECONDS
        with suppress(JiraError):
            answer = self.client.get_public(f"{site.site_url}/_edge/tenant_info")
            if answer.moved_to or answer.ok:
                self.reader.trouble.moved(site, answer)
