"""The keys to a Jira site: what to send, and where, so that Jira lets Flagpost in.

A site is reached in one of two ways. *app*: the Forge app's system token, which the app brings and nobody can ask for.
*oauth*: credentials that an admin of the site made, for which Atlassian gives a token that lasts minutes
(`POST /oauth/token`, client credentials). Those open the Feature Flags API alone; issues are looked up with an API
token, where one was given.
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
    """Whose hourly points a call with OAuth credentials costs."""
    return f"oauth:{client_id}"


def api_pool(credentials_id: str) -> str:
    """Whose hourly points a call with an API token costs."""
    return f"api:{credentials_id}"


class WaitingForToken(JiraError):
    """Jira's token has run out. The app in Jira sends a new one every hour; is it still installed?"""

    permanent = False


class CredentialsRefused(JiraError):
    """Atlassian does not accept the OAuth client id and secret. Make new credentials in Jira and enter them here."""


class TokenNotGiven(JiraError):
    """Atlassian gave no token just now."""

    permanent = False

    def __init__(self, message: str, retry_after: int | None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class FlagsAccess:
    """How to call the Feature Flags API: under `url`, with `authorization`. `pool`: whose hourly points it costs."""

    url: str
    authorization: str
    pool: str


@dataclass(frozen=True, slots=True)
class IssueAccess:
    """How to call REST v3, under `url`. `site_url` is set where that is the site's own address."""

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
    """Tokens for OAuth credentials, each fetched ahead of its end, once for all threads.

    *Problem*: when a token nears its end, every thread would fetch a new one; were they to wait for one another, each
    renewal would halt all of them. *Solution*: while the present token still works, whoever finds the lock taken goes
    on with it; only where there is none that works do they wait, and find the new one when they get the lock.
    """

    def __init__(self, client: JiraClient, clock: Callable[[], int]) -> None:
        self._client = client
        self._clock = clock
        self._tokens: dict[tuple[str, str], _Token] = {}
        self._locks: dict[tuple[str, str], threading.Lock] = {}

    def token(self, client_id: str, client_secret: str) -> str:
        """A token that works. CredentialsRefused, TokenNotGiven or JiraUnreachable where there is none to be had."""
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
            if key not in self._tokens:  # mistyped: nobody will ask with it again
                self._locks.pop(key, None)

    def forget(self, client_id: str, client_secret: str) -> None:
        """Jira does not take this token any more, whatever its life was to be."""
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
        answer = self._client.oauth_token(client_id, client_secret)
        if answer.status in (400, 401, 403):
            raise CredentialsRefused
        text = answer.body.get("access_token") if answer.ok and isinstance(answer.body, dict) else None
        if not isinstance(text, str) or not text:
            raise TokenNotGiven(f"Atlassian gave no token: {answer.words()}", answer.retry_after)
        life = _life(answer.body.get("expires_in")) * 1000
        now = self._clock()
        return _Token(text, now + int(life * (1 - _FETCH_WHEN_LEFT)), now + life)


def _life(seconds: object) -> int:
    return int(seconds) if isinstance(seconds, int | float) and 0 < seconds < 86_400 else _ASSUMED_LIFE_SECONDS


class Keyring:
    """Finds the way into a site, whichever it is; shared by all threads."""

    def __init__(self, db: Database, client: JiraClient, box: SecretBox, clock: Callable[[], int]) -> None:
        self._db = db
        self._client = client
        self._box = box
        self._clock = clock
        self.tokens = OAuthTokens(client, clock)

    def flags(self, site: Site) -> FlagsAccess:
        """The Feature Flags API of a site.

        Raises WaitingForToken (the app has to bring one), CredentialsRefused (a person has to mend it), TokenNotGiven
        or JiraUnreachable (later).
        """
        if site.way == OAUTH:
            given = self._credentials(site)
            token = self.tokens.token(given.client_id, self._secret(given))
            return FlagsAccess(self._client.oauth_flags_url(site.cloud_id), bearer(token), oauth_pool(given.client_id))
        url, token = self._app(site)
        return FlagsAccess(f"{url}/rest/featureflags/0.1", bearer(token), APP)

    def flags_url(self, site: Site, installation: Installation | None) -> str:
        """Where the Feature Flags API of a site is, with or without a token; `installation` is that of the app."""
        if site.way == OAUTH:
            return self._client.oauth_flags_url(site.cloud_id)
        url = installation.api_base_url if installation else self._client.gateway_url(site.cloud_id)
        return f"{url}/rest/featureflags/0.1"

    def issues(self, site: Site) -> IssueAccess | None:
        """REST v3 of a site; None where Flagpost has no key to it now."""
        try:
            if site.way == APP:
                url, token = self._app(site)
                return IssueAccess(url, bearer(token), APP, None)
            return self._with_api_token(self._credentials(site))
        except JiraError:
            return None

    def renew(self, site: Site) -> bool:
        """After a 401: whether asking once more, with a token newly fetched, can help."""
        if site.way != OAUTH:
            return False
        given = self._credentials(site)
        self.tokens.forget(given.client_id, self._secret(given))
        return True

    def refuse_api_token(self, site: Site, words: str) -> None:
        """Jira does not take the API token any more: use it no further, and say so where it was entered."""
        with self._db.write() as tx:
            if given := credentials.of_account(tx, site.account_id):
                credentials.update(tx, given.id, api_refused=words)

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
        if token is None or given.api_email is None or given.api_base_url is None or given.api_refused:
            return None
        at_site = given.api_base_url if given.api_base_url == given.site_url else None
        return IssueAccess(given.api_base_url, basic(given.api_email, token), api_pool(given.id), at_site)
