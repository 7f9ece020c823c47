"""Verification of the calls that the Jira app makes.

Every call carries a Forge Invocation Token: a JWT signed by Atlassian (RS256, `iss` forge/invocation-token, `aud` the
app's id, valid for about half a minute). It is accepted only where a key of Atlassian's own key set made the signature,
and only once: its `jti` is noted in the database, so that an intercepted token is useless, on every host.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError

from flagpost.errors import NotSignedIn, SetupError
from flagpost.flags.issue_keys import is_issue_id, is_issue_key
from flagpost.jira.client import JiraClient, JiraUnreachable
from flagpost.jira.signing_keys import SigningKeys
from flagpost.settings import Settings
from flagpost.store.db import Database
from flagpost.store.jira import integrations

ISSUER = "forge/invocation-token"
LEEWAY_SECONDS = 5
MAX_TOKEN_CHARACTERS = 16_384
_KEY_ID = re.compile(r"[A-Za-z0-9._:/=+-]{1,200}")
_PERSON = re.compile(r"[!-~]{1,128}")
_CLOUD_ID_IN_URL = re.compile(r"/ex/jira/([A-Za-z0-9-]{1,100})$")


@dataclass(frozen=True, slots=True)
class InvokedIssue:
    """The issue on whose page a call was made: its numeric id, and its key in upper case."""

    id: str
    key: str


@dataclass(frozen=True, slots=True)
class Invocation:
    """A call of the Jira app that verifiably comes from Atlassian.

    Only calls from a page have `site_url`, `account_id` (the person in Jira) and `page` (the key of the page's module);
    only calls from the page of an issue have `issue`.
    """

    installation_id: str
    cloud_id: str
    api_base_url: str
    site_url: str | None
    account_id: str | None
    page: str | None
    issue: InvokedIssue | None = None


class InvocationVerifier:
    """Verifies invocation tokens."""

    def __init__(self, settings: Settings, client: JiraClient, database: Database, clock: Callable[[], int]) -> None:
        self._app_id = settings.forge_app_id
        self._client = client
        self._database = database
        self._clock = clock
        self._keys = SigningKeys(client.key_set)

    def verify(self, token: str) -> Invocation:
        """The invocation that this token proves. Raises NotSignedIn, with the reason, where the token is not valid."""
        if not self._app_id:
            raise SetupError("Set FLAGPOST_FORGE_APP_ID to the id of your Forge app; until then no call is accepted.")
        claims = self._claims(token)
        invocation = self._invocation(claims)
        token_id = claims.get("jti")
        if not isinstance(token_id, str) or not 0 < len(token_id) <= 255:
            raise NotSignedIn("The invocation token has no id.")
        expires = int(claims["exp"] + LEEWAY_SECONDS) * 1000
        with self._database.write() as tx:
            if not integrations.use_token_id(tx, token_id, expires, self._clock()):
                raise NotSignedIn("This invocation token was used before.")
        return invocation

    def _claims(self, token: str) -> dict[str, Any]:
        if len(token) > MAX_TOKEN_CHARACTERS:
            raise NotSignedIn("The invocation token is too long.")
        rules = jwt.JWTClaimsRegistry(
            now=lambda: self._clock() // 1000,
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": ISSUER},
            aud={"essential": True, "value": self._app_id},
            exp={"essential": True},
        )
        try:
            claims = jwt.decode(token, self._key_for, algorithms=["RS256"]).claims
            rules.validate(claims)
        except JiraUnreachable:
            raise
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise NotSignedIn(f"The invocation token is not valid: {error}") from None
        return claims

    def _invocation(self, claims: dict[str, Any]) -> Invocation:
        app, context = _object(claims.get("app")), _object(claims.get("context"))
        api_base_url = str(app.get("apiBaseUrl") or "").rstrip("/")
        installation_id = str(app.get("installationId") or _object(app.get("installation")).get("id") or "")
        cloud_id = _cloud_id(app, context, api_base_url)
        if not installation_id or len(installation_id) > 255 or not cloud_id:
            raise NotSignedIn("The invocation token does not say which installation it is for.")
        api_base_url = self._client.api_base_url(api_base_url, cloud_id)
        site_url = context.get("siteUrl")
        principal = claims.get("principal")
        return Invocation(
            installation_id=installation_id,
            cloud_id=cloud_id,
            api_base_url=api_base_url,
            site_url=site_url.rstrip("/")[:500] if isinstance(site_url, str) else None,
            account_id=principal if isinstance(principal, str) and _PERSON.fullmatch(principal) else None,
            page=module if isinstance(module := context.get("moduleKey"), str) else None,
            issue=_issue(_object(_object(context.get("extension")).get("issue"))),
        )

    def _key_for(self, header: Any) -> Any:
        key_id = header.headers().get("kid")
        if not isinstance(key_id, str) or not _KEY_ID.fullmatch(key_id):
            raise ValueError("it does not say which key signed it")
        found = self._keys.find(key_id)
        if found is None:
            raise ValueError("no key of Atlassian's signed it")
        return found


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _issue(issue: dict[str, Any]) -> InvokedIssue | None:
    id, key = issue.get("id"), issue.get("key")
    named = isinstance(id, str) and is_issue_id(id) and isinstance(key, str) and is_issue_key(key)
    return InvokedIssue(str(id), str(key).upper()) if named else None


def _cloud_id(app: dict[str, Any], context: dict[str, Any], api_base_url: str) -> str:
    """The site's cloud id. Atlassian names it in up to three places: calls from pages have all, events have fewer."""
    contexts = _object(app.get("installation")).get("contexts")
    first = _object(contexts[0]) if isinstance(contexts, list) and contexts else {}
    in_url = _CLOUD_ID_IN_URL.search(api_base_url)
    found = context.get("cloudId") or first.get("cloudId") or (in_url.group(1) if in_url else "")
    return found if isinstance(found, str) and len(found) <= 100 else ""
