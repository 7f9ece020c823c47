"""Access to a Jira site: which address to call, with which token.

A site is connected in one of two ways. *app*: the Forge app's system token, which the app sends; Flagpost cannot
request it. *oauth*: credentials that an admin of the site made, for which Atlassian gives a token that lasts some
minutes (`POST /oauth/token`, client credentials). Those open the Feature Flags API only; issues are looked up with an
API token, where an admin entered one.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from flagpost.errors import JiraError
from flagpost.jira.client import JiraClient, JiraUnreachable, basic, bearer
from flagpost.jira.secret_box import SecretBox
from flagpost.store.db import Database
from flagpost.store.jira import credentials, integrations
from flagpost.store.jira.credentials import Credentials
from flagpost.store.jira.integrations import Installation, Site

APP, OAUTH = "app", "oauth"
_FETCH_WHEN_LEFT = 0.2  # of a token's life
_ASSUMED_LIFE_SECONDS = 15 * 60  # Atlassian: an OAuth token lasts "15 minutes, but check expires_in"


def oauth_pool(client_id: str) -> str:
    """The name of the hourly points that a request with OAuth credentials costs."""
    return f"oauth:{client_id}"


def api_pool(credentials_id: str) -> str:
    """The name of the hourly points that a request with an API token costs."""
    return f"api:{credentials_id}"


class WaitingForToken(JiraError):
    """Jira's token has run out. The app in Jira sends a new one every hour; is it still installed?"""

    permanent = False


class CredentialsRefused(JiraError):
    """Atlassian does not accept the OAuth client id and secret. Make new credentials in Jira and enter them here."""


class TokenNotGiven(JiraError):
    """Atlassian gave no token just now. `retry_after`: how many seconds it asks to wait; None where it does not say."""

    permanent = False

    def __init__(self, message: str, retry_after: int | None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class FlagsAccess:
    """How to call the Feature Flags API: under `url`, with `authorization`. `pool` names the points that it costs."""

    url: str
    authorization: str
    pool: str


@dataclass(frozen=True, slots=True)
class IssueAccess:
    """How to call Jira's REST API v3, under `url`. `site_url` is set where that is the site's own address."""

    url: str
    authorization: str
    pool: str
    site_url: str | None


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    fetch_at: int
    expires_at: int


class OAuthTokens:
    """Tokens for OAuth credentials, each fetched before the last one expires, once for all threads.

    *Problem*: when a token is about to expire, every thread would fetch a new one; and where they wait for one another,
    each renewal stops all of them. *Solution*: while the present token works, a thread that finds the lock taken uses
    that token. Only where no token works do the threads wait, and find the new one when they get the lock.
    """

    def __init__(self, client: JiraClient, clock: Callable[[], int]) -> None:
        self._client = client
        self._clock = clock
        self._tokens: dict[tuple[str, str], _Token] = {}
        self._locks: dict[tuple[str, str], threading.Lock] = {}

    def token(self, client_id: str, client_secret: str) -> str:
        """A token that works. Raises CredentialsRefused, TokenNotGiven or JiraUnreachable where there is none."""
        key = (client_id, client_secret)
        now, known = self._clock(), self._tokens.get(key)
        if known and now < known.fetch_at:
            return known.text
        works = known is not None and now < known.expires_at
        lock = self._locks.setdefault(key, threading.Lock())
        if not lock.acquire(blocking=not works):
            assert known is not None  # noqa: S101 - it works
            return known.text
        try:
            newest = self._tokens.get(key)
            if newest is not known and newest is not None:
                return newest.text
            return self._fetch(key, known if works else None)
        finally:
            lock.release()
            if key not in self._tokens:  # mistyped credentials: no further request will use them
                self._locks.pop(key, None)

    def forget(self, client_id: str, client_secret: str) -> None:
        """Drop a token that Jira does not accept any more, although it has not expired."""
        self._tokens.pop((client_id, client_secret), None)

    def _fetch(self, key: tuple[str, str], present: _Token | None) -> str:
        try:
            new = self._new(*key)
        except (JiraUnreachable, TokenNotGiven):
            if present is None:
                raise
            return present.text
        self._tokens[key] = new
        return new.text

    def _new(self, client_id: str, client_secret: str) -> _Token:
        response = self._client.oauth_token(client_id, client_secret)
        if response.status in (400, 401, 403):
            raise CredentialsRefused
        text = response.body.get("access_token") if response.ok and isinstance(response.body, dict) else None
        if not isinstance(text, str) or not text:
            raise TokenNotGiven(f"Atlassian gave no token: {response.error_message()}", response.retry_after)
        life = _life(response.body.get("expires_in")) * 1000
        now = self._clock()
        return _Token(text, now + int(life * (1 - _FETCH_WHEN_LEFT)), now + life)


def _life(seconds: object) -> int:
    return int(seconds) if isinstance(seconds, int | float) and 0 < seconds < 86_400 else _ASSUMED_LIFE_SECONDS


class Keyring:
    """Gives access to a site, in the way in which it is connected; shared by all threads."""

    def __init__(self, db: Database, client: JiraClient, box: SecretBox, clock: Callable[[], int]) -> None:
        self._db = db
        self._client = client
        self._box = box
        self._clock = clock
        self.tokens = OAuthTokens(client, clock)

    def flags(self, site: Site) -> FlagsAccess:
        """Access to the Feature Flags API of a site.

        Raises WaitingForToken (the app has to send a token), CredentialsRefused (a person has to enter others), or,
        where trying later helps, TokenNotGiven or JiraUnreachable.
        """
        if site.auth_method == OAUTH:
            given = self._credentials(site)
            token = self.tokens.token(given.client_id, self._secret(given))
            return FlagsAccess(self._client.oauth_flags_url(site.cloud_id), bearer(token), oauth_pool(given.client_id))
        url, token = self._app(site)
        return FlagsAccess(f"{url}/rest/featureflags/0.1", bearer(token), APP)

    def flags_url(self, site: Site, installation: Installation | None) -> str:
        """The address of a site's Feature Flags API, with or without a token; `installation` is that of the app."""
        if site.auth_method == OAUTH:
            return self._client.oauth_flags_url(site.cloud_id)
        url = installation.api_base_url if installation else self._client.gateway_url(site.cloud_id)
        return f"{url}/rest/featureflags/0.1"

    def issues(self, site: Site) -> IssueAccess | None:
        """Access to the REST API v3 of a site; None where Flagpost has no token for it now."""
        try:
            if site.auth_method == APP:
                url, token = self._app(site)
                return IssueAccess(url, bearer(token), APP, None)
            return self._with_api_token(self._credentials(site))
        except JiraError:
            return None

    def renew(self, site: Site) -> bool:
        """After a 401, drop the token; whether another attempt, with a newly fetched token, can help."""
        if site.auth_method != OAUTH:
            return False
        given = self._credentials(site)
        self.tokens.forget(given.client_id, self._secret(given))
        return True

    def stop_using_api_token(self, site: Site, message: str) -> None:
        """Note Jira's refusal of the API token: it is not used any more, and the admin page says so."""
        with self._db.write() as tx:
            if given := credentials.of_account(tx, site.account_id):
                credentials.update(tx, given.id, api_refusal=message)

    def _app(self, site: Site) -> tuple[str, str]:
        with self._db.read() as tx:
            installation = integrations.find_installation(tx, site.installation_id)
        stored = installation.system_token if installation else None
        if installation is None or stored is None or (installation.system_token_expires_at or 0) <= self._clock():
            raise WaitingForToken
        token = self._box.decrypt(stored)
        if token is None:
            raise WaitingForToken
        return installation.api_base_url, token

    def _credentials(self, site: Site) -> Credentials:
        with self._db.read() as tx:
            given = credentials.of_account(tx, site.account_id)
        if given is None:
            raise CredentialsRefused("The OAuth credentials were removed.")
        return given

    def _secret(self, given: Credentials) -> str:
        secret = self._box.decrypt(given.client_secret)
        if secret is None:
            raise CredentialsRefused(
                "The OAuth client secret cannot be read with today's FLAGPOST_SECRET_KEYS. Enter it again."
            )
        return secret

    def _with_api_token(self, given: Credentials) -> IssueAccess | None:
        token = self._box.decrypt(given.api_token) if given.api_token else None
        if token is None or given.api_email is None or given.api_base_url is None or given.api_refusal:
            return None
        at_site = given.api_base_url if given.api_base_url == given.site_url else None
        return IssueAccess(given.api_base_url, basic(given.api_email, token), api_pool(given.id), at_site)
