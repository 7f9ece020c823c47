"""The only place that sends anything to Atlassian.

Requests go to the configured API (`FLAGPOST_ATLASSIAN_API_URL`) and, for looking a site up, to that Jira Cloud site's
own address; to no other address. Redirects are not followed: a site that was renamed answers with one, and a person has
to confirm where flags and tokens go. Every request has a deadline as a whole, and every response a largest size
(`flagpost.jira.bounded_http`).
"""

import base64
import json as json_text
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx2

from flagpost.errors import JiraError
from flagpost.jira.bounded_http import BoundedHttp, Closed, RawResponse, ResponseTooLarge
from flagpost.jira.hosts import is_loopback, split_address
from flagpost.jira.instrumentation import instrumented
from flagpost.jira.response import JiraResponse
from flagpost.settings import Settings

_MOST_BYTES = 8 * 1024 * 1024  # a hundred issues, or Jira's answer for a hundred flags, are far less
_KEY_SET_SECONDS = 5.0  # a person waits for a page of the app
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "Flagpost"}


class JiraUnreachable(JiraError):
    """Jira could not be reached, or did not answer in time."""

    permanent = False


class JiraAddressRefused(JiraError):
    """Flagpost sends nothing to that address."""


class JiraClient:
    """Sends requests to Atlassian, from any thread, and keeps connections open between them."""

    def __init__(self, settings: Settings) -> None:
        self._api_url = settings.atlassian_api_url
        self._insecure = settings.allow_insecure_jira
        self._jwks_url = settings.forge_jwks_url
        self._timeout = settings.jira_timeout
        self._http = BoundedHttp(_MOST_BYTES, _HEADERS)

    def close(self) -> None:
        """End the requests that are under way, and close every connection. Nothing can be sent afterwards."""
        self._http.close()

    def may_send_to(self, url: str) -> bool:
        """Whether a token may be sent to this address: it is under the configured API, over https or to a loopback."""
        inside = url == self._api_url or url.startswith(self._api_url + "/")
        return inside and self.is_secure(url)

    def api_base_url(self, named: str, cloud_id: str) -> str:
        """The API address of a site: the one that its app's token names, where that is within the configured API.

        Otherwise `FLAGPOST_ATLASSIAN_API_URL` wins over the token, because no token is sent to any other address.
        """
        return named if self.may_send_to(named) else self.gateway_url(cloud_id)

    def is_secure(self, url: str) -> bool:
        """Whether an address is https with a plain host, or, where the settings allow it, http to this machine."""
        try:
            parts = split_address(url)
        except ValueError:
            return False
        return parts.scheme == "https" or (self._insecure and is_loopback(parts.hostname or ""))

    def call(
        self,
        method: str,
        url: str,
        *,
        authorization: str,
        json: Any = None,
        params: Mapping[str, str] | None = None,
        site_url: str | None = None,
        timeout: float | None = None,
    ) -> JiraResponse:
        """Send one request that carries a secret: to Atlassian's API or, with `site_url`, to that site's own address.

        Raises JiraUnreachable where the whole response did not come within `timeout` seconds (default: the setting),
        JiraAddressRefused for any other address.
        """
        at_site = site_url is not None and url.startswith(f"{site_url}/") and self.is_secure(url)
        if not (at_site or self.may_send_to(url)):
            raise JiraAddressRefused(f"Flagpost sends nothing to {url.partition('?')[0]}.")
        headers = {"Authorization": authorization}
        return self._send(method, url, json=json, params=params, headers=headers, timeout=timeout)

    def oauth_token(self, client_id: str, client_secret: str) -> JiraResponse:
        """Request a token with OAuth credentials (Atlassian: client credentials, `POST /oauth/token`)."""
        body = {
            "audience": "api.atlassian.com",
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": client_secret,
        }
        url = f"{self._api_url}/oauth/token"
        if not self.may_send_to(url):
            raise JiraAddressRefused(f"Flagpost sends nothing to {url}.")
        return self._send("POST", url, json=body)

    def oauth_flags_url(self, cloud_id: str) -> str:
        """The address of a site's Feature Flags API for OAuth credentials (Atlassian's path for self-hosted tools)."""
        return f"{self._api_url}/jira/featureflags/0.1/cloud/{quote(cloud_id, safe='')}"

    def gateway_url(self, cloud_id: str) -> str:
        """The address of a site's API behind Atlassian's gateway, where API tokens with scopes work."""
        return f"{self._api_url}/ex/jira/{quote(cloud_id, safe='')}"

    def get_public(self, url: str, *, timeout: float | None = None) -> JiraResponse:
        """Get something that needs no token: a key set, or what a site says about itself."""
        if not self.is_secure(url):
            raise JiraAddressRefused("The address must begin with https:// and have a plain host name.")
        return self._send("GET", url, timeout=timeout)

    def key_set(self) -> Any:
        """The keys that sign invocation tokens (Atlassian: the Forge JWKS), as JSON."""
        response = self.get_public(self._jwks_url, timeout=min(self._timeout, _KEY_SET_SECONDS))
        if not response.ok:
            raise JiraUnreachable(f"The key set answered {response.status}.")
        return response.body

    def _send(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, **arguments: Any
    ) -> JiraResponse:
        with instrumented(method, url) as call:
            raw = self._exchange(method, url, headers={**(headers or {}), **call.headers}, **arguments)
            response = JiraResponse(raw.status, _json(raw.body), raw.headers)
            call.record(response.status, response.trace_id)
        return response

    def _exchange(self, method: str, url: str, *, timeout: float | None = None, **arguments: Any) -> RawResponse:
        try:
            return self._http.request(method, url, seconds=timeout or self._timeout, **arguments)
        except (httpx2.InvalidURL, UnicodeError):
            raise JiraAddressRefused(f"{url.partition('?')[0]} is not an address.") from None
        except (TimeoutError, httpx2.TimeoutException) as error:
            raise JiraUnreachable("Jira did not answer in time.") from error
        except ResponseTooLarge as error:
            raise JiraUnreachable(f"Jira's answer is larger than {_MOST_BYTES // 1024**2} MB.") from error
        except Closed as error:
            raise JiraUnreachable("Flagpost is stopping.") from error
        except httpx2.RequestError as error:
            raise JiraUnreachable(f"Jira could not be reached: {error or type(error).__name__}.") from error


def bearer(token: str) -> str:
    """The Authorization header for a token."""
    return f"Bearer {token}"


def basic(name: str, secret: str) -> str:
    """The Authorization header for a name and a secret: an email address and an API token."""
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()


def _json(body: bytes) -> Any:
    try:
        return json_text.loads(body) if body else None
    except (ValueError, RecursionError):
        return None
