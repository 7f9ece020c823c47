"""Atlassian's Feature Flags API of one site. Every request waits for its turn (`flagpost.jira.rate_limits`)."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from flagpost.jira import rate_limits
from flagpost.jira.client import JiraClient
from flagpost.jira.rate_limits import Charge, Endpoint, RateLimiter
from flagpost.jira.response import JiraResponse
from flagpost.jira.site_access import Keyring
from flagpost.jira.sliding_window import SlidingWindow
from flagpost.store.jira.integrations import Site

_PATIENCE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class FlagsApi:
    """The four operations. Each raises JiraUnreachable where no response came, and what `Keyring.flags` raises.

    Each raises RateLimited where its turn is more than a few seconds away; then nothing was sent.
    """

    site: Site
    client: JiraClient
    keyring: Keyring
    limiter: RateLimiter
    writes: SlidingWindow
    pause: Callable[[float], None]

    def bulk(self, body: Mapping[str, Any], written: Collection[str]) -> JiraResponse:
        """Send up to a hundred flags (submitFeatureFlags). `written`: the issues of each flag, one after the other."""
        return self._call(rate_limits.BULK, "/bulk", written=written, json=body)

    def get(self, flag_id: str) -> JiraResponse:
        """What Jira has stored of a flag; 404 where that is nothing (getFeatureFlagById)."""
        return self._call(rate_limits.GET_FLAG, _flag_path(flag_id), points=2)

    def delete(self, flag_id: str) -> JiraResponse:
        """Delete a flag (deleteFeatureFlagById). Jira does it a little later, whatever is sent meanwhile."""
        return self._call(rate_limits.DELETE_FLAG, _flag_path(flag_id))

    def delete_by_properties(self, properties: Mapping[str, str]) -> JiraResponse:
        """Delete every flag that was sent with all of these properties (deleteFeatureFlagsByProperty)."""
        return self._call(rate_limits.DELETE_BY_PROPERTIES, "/bulkByProperties", params=properties)

    def _call(
        self, endpoint: Endpoint, path: str, *, points: float = 1, written: Collection[str] = (), **arguments: Any
    ) -> JiraResponse:
        def attempt() -> JiraResponse:
            access = self.keyring.flags(self.site)
            url = access.url + path

            def send() -> JiraResponse:
                self.writes.note(written)
                return self.client.call(endpoint.method, url, authorization=access.authorization, **arguments)

            charge = Charge(self.site.cloud_id, access.pool, endpoint, points)
            return self.limiter.send(charge, send, pause=self.pause, patience=_PATIENCE_SECONDS)

        response = attempt()
        if response.status == 401 and self.keyring.renew(self.site):
            response = attempt()
        return response


def _flag_path(flag_id: str) -> str:
    return f"/flag/{quote(flag_id, safe='')}"
