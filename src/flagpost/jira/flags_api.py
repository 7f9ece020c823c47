"""Atlassian's Feature Flags API of one site: every request waits for its turn, and every answer is heeded."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from flagpost.jira import rate_limits
from flagpost.jira.client import Answer, JiraClient
from flagpost.jira.rate_limits import Endpoint, Limits, SlidingWindow
from flagpost.jira.site_access import Keyring
from flagpost.store.jira.integrations import Site

_PATIENCE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class FlagsApi:
    """The four operations. Each raises JiraUnreachable where no answer came back, and what `Keyring.flags` raises.

    Busy where its turn is further away than a few seconds: then nothing was asked.
    """

    site: Site
    client: JiraClient
    keyring: Keyring
    limits: Limits
    writes: SlidingWindow
    pause: Callable[[float], None]

    def bulk(self, body: Mapping[str, Any], written: Collection[str]) -> Answer:
        """Send up to a hundred flags (submitFeatureFlags). `written`: the issues of each flag, one after the other."""
        return self._call(rate_limits.BULK, "/bulk", written=written, json=body)

    def get(self, flag_id: str) -> Answer:
        """What Jira has stored of a flag; 404 where that is nothing (getFeatureFlagById)."""
        return self._call(rate_limits.GET_FLAG, f"/flag/{quote(flag_id, safe='')}", points=2)

    def delete(self, flag_id: str) -> Answer:
        """Have Jira forget a flag (deleteFeatureFlagById). It does so a little later, whatever is sent meanwhile."""
        return self._call(rate_limits.DELETE_FLAG, f"/flag/{quote(flag_id, safe='')}")

    def delete_by_properties(self, properties: Mapping[str, str]) -> Answer:
        """Have Jira forget every flag that was sent with all of these properties (deleteFeatureFlagsByProperty)."""
        return self._call(rate_limits.DELETE_BY_PROPERTIES, "/bulkByProperties", params=properties)

    def _call(
        self, endpoint: Endpoint, path: str, *, points: float = 1, written: Collection[str] = (), **arguments: Any
    ) -> Answer:
        answer = self._ask(endpoint, path, points, written, arguments)
        if answer.status == 401 and self.keyring.renew(self.site):
            answer = self._ask(endpoint, path, points, written, arguments)
        return answer

    def _ask(
        self, endpoint: Endpoint, path: str, points: float, written: Collection[str], arguments: Mapping[str, Any]
    ) -> Answer:
        access = self.keyring.flags(self.site)

        def send() -> Answer:
            self.writes.note(written)
            return self.client.call(endpoint.method, access.url + path, authorization=access.authorization, **arguments)

        patience = _PATIENCE_SECONDS
        return self.limits.ask(
            self.site.cloud_id, access.pool, endpoint, send, pause=self.pause, patience=patience, points=points
        )
