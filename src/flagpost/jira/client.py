"""The only place that sends anything to Atlassian.

Nothing is sent to any other address than the configured API (`FLAGPOST_ATLASSIAN_API_URL`) and, for looking a site up,
a Jira Cloud site's own. Redirects are not followed: a site that was renamed answers with one, and a person has to
confirm where flags and tokens go. Every call as a whole has a time-out, and every answer a greatest size (`deadline`).
"""

import base64
import json as json_text
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

import httpx2

from flagpost.errors import JiraError
from flagpost.jira.deadline import AnswerTooLarge, deadline, heed_deadlines, read_body
from flagpost.jira.hosts import is_loopback, split_address
from flagpost.jira.instrumentation import watched
from flagpost.settings import Settings

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_BYTES = 8 * 1024 * 1024  # a hundred issues, or what Jira says of a hundred flags, are far less
_KEY_SET_SECONDS = 5.0  # somebody waits for a page of the app
_LONGEST_WAIT_SECONDS = 86_400


class JiraUnreachable(JiraError):
    """Jira could not be reached, or did not answer in time."""

    permanent = False


class JiraAddressRefused(JiraError):
    """That address is not one Flagpost sends anything to."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What Jira answered. `body` is the parsed JSON; None where there was none."""

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def ok(self) -> bool:
        """Whether Jira did what was asked."""
        return 200 <= self.status < 300

    @property
    def retry_after(self) -> int | None:
        """How many seconds Jira asks to wait, at least; None where it does not say (HTTP: Retry-After, in two forms).

        A date counts from when Jira says it answered. Longer than a day is no wait, and is taken for one.
        """
        value = self.headers.get("retry-after", "").strip()
        if value.isascii() and value.isdigit():
            return _LONGEST_WAIT_SECONDS if len(value) > 9 else min(int(value), _LONGEST_WAIT_SECONDS)
        until = _milliseconds(value)
        if until is None:
            return None
        answered = time.time() * 1000 if self.sent_at is None else self.sent_at
        return min(max(0, math.ceil((until - answered) / 1000)), _LONGEST_WAIT_SECONDS)

    @property
    def reason(self) -> str:
        """Which limit was reached (Atlassian: RateLimit-Reason); empty where the answer names none."""
        return self.headers.get("ratelimit-reason", "")

    @property
    def reset_at(self) -> int | None:
        """When the limit that was reached is reset, in milliseconds (Atlassian: X-RateLimit-Reset, ISO 8601)."""
        try:
            reset = datetime.fromisoformat(self.headers["x-ratelimit-reset"])
            return int((reset if reset.tzinfo else reset.replace(tzinfo=UTC)).timestamp() * 1000)
        except (KeyError, ValueError, OverflowError):
            return None

    @property
    def near_limit(self) -> bool:
        """Whether less than a fifth of a limit is left (Atlassian: X-RateLimit-NearLimit)."""
        return self.headers.get("x-ratelimit-nearlimit", "").lower() == "true"

    @property
    def failed(self) -> bool:
        """Whether Jira broke down over the request. 503 is no such case: it asks to come back later."""
        return self.status >= 500 and self.status != 503

    @property
    def login_failed(self) -> bool:
        """Whether Jira did not accept a token and answered all the same, as it would a stranger.

        Seen on Jira Cloud, and documented nowhere: with a token that has expired, a site that shows something to
        everybody answers 200 or 404 and this header, not 401.
        """
        return self.headers.get("x-seraph-loginreason", "").upper() == "AUTHENTICATED_FAILED"

    @property
    def moved_to(self) -> str | None:
        """Where the answer sends whoever asked, as it says it; None where it is no redirect."""
        return self.headers.get("location") if self.status in _REDIRECTS else None

    @property
    def site_moved_to(self) -> str | None:
        """Where the site lives now, by `moved_to` without the path that was asked for; None where it is no redirect."""
        return self.moved_to.partition("/_edge/")[0].partition("/rest/")[0] if self.moved_to else None

    @property
    def sent_at(self) -> int | None:
        """When Jira says it answered, in milliseconds (HTTP: Date); None where it does not say."""
        return _milliseconds(self.headers.get("date", ""))

    @property
    def trace_id(self) -> str | None:
        """Atlassian's id of this answer, for their support."""
        return self.headers.get("atl-traceid") or self.headers.get("x-arequestid")

    def words(self) -> str:
        """What Jira said was wrong, in its own words."""
        found = (
            [one.get("message") for one in self.body if isinstance(one, dict)] if isinstance(self.body, list) else []
        )
        if isinstance(self.body, dict):
            found = self.body.get("errorMessages") or [self.body.get("message")]
        said = "; ".join(str(message) for message in found if message)
        return said[:2000] or f"Jira answered {self.status} and gave no reason."


class JiraClient:
    """Sends requests to Atlassian, from any thread. Keeps connections open between them."""

    def __init__(self, settings: Settings) -> None:
        self._api_url = settings.atlassian_api_url
        self._insecure = settings.allow_insecure_jira
        self._jwks_url = settings.forge_jwks_url
        self._timeout = settings.jira_timeout
        http = httpx2.Client(
            follow_redirects=False,
            headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "Flagpost"},
            limits=httpx2.Limits(max_connections=50, max_keepalive_connections=50, keepalive_expiry=60),
        )
        self._http = heed_deadlines(http)

    def close(self) -> None:
        """Close every connection."""
        self._http.close()

    def may_send_to(self, url: str) -> bool:
        """Whether a token may be sent to this address: it is under the configured API, over https or a loopback."""
        inside = url == self._api_url or url.startswith(self._api_url + "/")
        return inside and self.is_secure(url)

    def api_base_url(self, named: str, cloud_id: str) -> str:
        """Where the API of a site is: as its app's token names it, within the configured API.

        Where `FLAGPOST_ATLASSIAN_API_URL` says that Atlassian is elsewhere, the setting wins over the token; nothing is
        ever sent to an address that is not under it.
        """
        return named if self.may_send_to(named) else self.gateway_url(cloud_id)

    def is_secure(self, url: str) -> bool:
        """Https to a plain host; or, where the settings allow it, http to this machine."""
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
    ) -> Answer:
        """Send one request that carries a secret. JiraUnreachable where no whole answer came within `timeout` seconds.

        It goes to Atlassian's API or, where `site_url` is given, to that site's own address; nowhere else.
        """
        at_site = site_url is not None and url.startswith(f"{site_url}/") and self.is_secure(url)
        if not (at_site or self.may_send_to(url)):
            raise JiraAddressRefused(f"Flagpost sends nothing to {url.partition('?')[0]}.")
        headers = {"Authorization": authorization}
        return self._send(method, url, json=json, params=params, headers=headers, timeout=timeout)

    def oauth_token(self, client_id: str, client_secret: str) -> Answer:
        """Ask for a token with OAuth credentials (Atlassian: client credentials, `POST /oauth/token`)."""
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
        """The Feature Flags API of a site for OAuth credentials (Atlassian's path rule for self-hosted tools)."""
        return f"{self._api_url}/jira/featureflags/0.1/cloud/{quote(cloud_id, safe='')}"

    def gateway_url(self, cloud_id: str) -> str:
        """A site's API behind Atlassian's gateway: where scoped API tokens work."""
        return f"{self._api_url}/ex/jira/{quote(cloud_id, safe='')}"

    def get_public(self, url: str, *, timeout: float | None = None) -> Answer:
        """Ask something that needs no token: a key set, or what a site says of itself."""
        if not self.is_secure(url):
            raise JiraAddressRefused("The address must begin with https:// and have a plain host name.")
        return self._send("GET", url, timeout=timeout)

    def key_set(self) -> Any:
        """The keys that sign invocation tokens (Atlassian: the Forge JWKS)."""
        answer = self.get_public(self._jwks_url, timeout=min(self._timeout, _KEY_SET_SECONDS))
        if not answer.ok:
            raise JiraUnreachable(f"The key set answered {answer.status}.")
        return answer.body

    def _send(self, method: str, url: str, *, headers: Mapping[str, str] | None = None, **arguments: Any) -> Answer:
        with watched(method, url) as call:
            answer = self._exchange(method, url, headers={**(headers or {}), **call.headers}, **arguments)
            call.answered(answer.status, answer.trace_id)
        return answer

    def _exchange(self, method: str, url: str, *, timeout: float | None = None, **arguments: Any) -> Answer:
        seconds = timeout or self._timeout
        try:
            with deadline(seconds), self._http.stream(method, url, timeout=seconds, **arguments) as response:
                body = read_body(response, _MOST_BYTES)
        except (httpx2.InvalidURL, UnicodeError):
            raise JiraAddressRefused(f"{url.partition('?')[0]} is not an address.") from None
        except httpx2.TimeoutException as error:
            raise JiraUnreachable("Jira did not answer in time.") from error
        except AnswerTooLarge as error:
            raise JiraUnreachable(f"Jira's answer is larger than {_MOST_BYTES // 1024**2} MB.") from error
        except httpx2.RequestError as error:
            raise JiraUnreachable(f"Jira could not be reached: {error or type(error).__name__}.") from error
        return Answer(response.status_code, _json(body), {k.lower(): v for k, v in response.headers.items()})


def bearer(token: str) -> str:
    """The header that proves a token."""
    return f"Bearer {token}"


def basic(name: str, secret: str) -> str:
    """The header that proves a name and a secret: an email address and an API token."""
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()


def _json(body: bytes) -> Any:
    try:
        return json_text.loads(body) if body else None
    except (ValueError, RecursionError):
        return None


def _milliseconds(date: str) -> int | None:
    """A date as HTTP writes it; None for what is none."""
    try:
        return int(parsedate_to_datetime(date).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
