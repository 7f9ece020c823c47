"""What Atlassian's platform does for an installed app: signed calls, events, tokens.

Every call carries a Forge Invocation Token of the shape Atlassian documents, signed with the sandbox's own keys, and
where the endpoint asks for it a system token that the Feature Flags API takes.
"""

import secrets
import threading
import time
from typing import Any
from urllib.parse import quote, urljoin

import httpx2
import yaml
from joserfc import jwt
from joserfc.jwk import RSAKey

from jira_sandbox.issues_api import issue_json
from jira_sandbox.state import App, Issue, Project, World, new_id
from jira_sandbox.webhooks import Webhooks

_TOKEN_LIFE = 25
_UI_TIMEOUT, _EVENT_TIMEOUT = 25.0, 5.0


class ManifestError(ValueError):
    """The manifest lacks something that is needed."""


class Platform:
    """Signs and sends the calls of the apps of one site."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.keys: list[RSAKey] = []
        self._stranger: RSAKey | None = None
        self._http = httpx2.Client(follow_redirects=False)
        self.webhooks = Webhooks(world)
        self.rotate_keys()

    def rotate_keys(self) -> None:
        """Sign with a new key from now on; the one before stays in the set."""
        key = RSAKey.generate_key(2048, {"kid": f"forge/{secrets.token_hex(8)}", "use": "sig", "alg": "RS256"})
        self.keys = [key, *self.keys[:1]]

    def jwks(self) -> dict[str, Any]:
        """The public keys."""
        return {"keys": [{**key.as_dict(private=False), "kid": key.kid} for key in self.keys]}

    def close(self) -> None:
        """Close connections."""
        self._http.close()
        self.webhooks.close()

    # Installing --------------------------------------------------------------------------------------------------

    def install(self, manifest: Any) -> App:
        """Install an app from its manifest (YAML text or an object), and tell it so."""
        parsed = yaml.safe_load(manifest) if isinstance(manifest, str) else manifest
        if not isinstance(parsed, dict) or not isinstance(parsed.get("modules"), dict):
            raise ManifestError("The manifest needs app, modules and remotes.")
        app_id = (parsed.get("app") or {}).get("id")
        if not isinstance(app_id, str) or not app_id.startswith("ari:cloud:ecosystem::app/"):
            raise ManifestError("app.id must look like ari:cloud:ecosystem::app/…")
        app = App(new_id(), app_id, parsed)
        with self.world.lock:
            self.world.marketplace[app_id] = parsed
            for old in [one for one in self.world.apps.values() if one.app_id == app_id]:
                del self.world.apps[old.installation_id]
                self.world.forget_provider(old.app_id)
            self.world.apps[app.installation_id] = app
        self.event(
            app, "avi:forge:installed:app", {"id": app.installation_id, "app": {"id": app_id, "version": "1.0.0"}}
        )
        return app

    def uninstall(self, app: App) -> None:
        """Give the app a last word, then forget it and everything it sent."""
        for module in modules(app, "preUninstall"):
            self.call(app, module["endpoint"], {"context": {"cloudId": self.world.cloud_id}}, module=module["key"])
        with self.world.lock:
            self.world.apps.pop(app.installation_id, None)
            self.world.tokens = {t: p for t, p in self.world.tokens.items() if p[0] != app.app_id}
        self.world.forget_provider(app.app_id)

    def tick(self, app: App) -> list[int]:
        """Fire the scheduled triggers; the answers' statuses."""
        return [self.call(app, one["endpoint"], {}, module=one["key"])[0] for one in modules(app, "scheduledTrigger")]

    def event(self, app: App, name: str, payload: dict[str, Any]) -> None:
        """Send an event to every module that declares it, in the background, and retry until the app accepts it."""
        for module in modules(app, "trigger") if not self.world.settings.events_off else ():
            if name in module.get("events", []):
                target = (app, module, {"eventType": name, **payload})
                threading.Thread(target=self._send_event, args=target, daemon=True).start()

    def issue_event(self, what: str, issue: Issue, **payload: Any) -> None:
        """Tell every app and webhook what happened to an issue: it was created, updated or deleted."""
        changelog = {"changelog": payload["changelog"]} if "changelog" in payload else {}
        self._tell(f"avi:jira:{what}:issue", {"issue": {"id": issue.id, "key": issue.key}, **payload})
        self.webhooks.tell(f"jira:issue_{what}", issue=issue_json(self.world, issue), **changelog)

    def project_event(self, what: str, project: Project) -> None:
        """Tell every app and webhook what happened to a project. Its issues get no events of their own (Atlassian)."""
        self._tell(f"avi:jira:{what}:project", {"project": {"id": project.id, "key": project.key}})
        self.webhooks.tell(f"project_{what}", project={"id": int(project.id), "key": project.key, "name": project.name})

    def _tell(self, name: str, payload: dict[str, Any]) -> None:
        for app in list(self.world.apps.values()):
            self.event(app, name, payload)

    def _send_event(self, app: App, module: dict[str, Any], payload: dict[str, Any]) -> None:
        for attempt in range(1 + self.world.settings.event_retries):
            if app.installation_id not in self.world.apps:
                return
            body = {**payload, "retryContext": {"retryCount": attempt}} if attempt else payload
            status, _ = self.call(app, module["endpoint"], body, module=module["key"])
            if 200 <= status < 300:
                return
            time.sleep(self.world.settings.event_retry_seconds)

    # Calling -----------------------------------------------------------------------------------------------------

    def call(self, app: App, endpoint: str, body: Any = None, **how: Any) -> tuple[int, Any]:
        """Call an endpoint of the app, as `send` does; status 0 where it does not answer."""
        try:
            answer = self.send(app, endpoint, body, **how)
        except httpx2.HTTPError as error:
            return 0, {"message": f"The app does not answer: {error}"}
        try:
            return answer.status_code, answer.json() if answer.content else None
        except ValueError:
            return answer.status_code, {"message": answer.text[:500]}

    def send(
        self,
        app: App,
        endpoint: str,
        body: Any = None,
        *,
        method: str = "POST",
        module: str = "",
        from_page: bool = False,
        claims: dict[str, Any] | None = None,
        token: str | None = None,
        path: str = "",
    ) -> httpx2.Response:
        """Send a call to an endpoint of the app as Atlassian does, or to the path that a page named."""
        declared = self.endpoint(app, endpoint)
        remote = self._remote(app, declared["remote"])
        url = urljoin(remote, path) if path else remote + declared["route"]["path"]
        proof = token or self.sign(self.claims(app, module or endpoint, from_page) | (claims or {}))
        headers = {
            "Authorization": f"Bearer {proof}",
            "x-b3-traceid": secrets.token_hex(16),
            "x-b3-spanid": secrets.token_hex(8),
        }
        if declared.get("auth", {}).get("appSystemToken", {}).get("enabled"):
            headers["x-forge-oauth-system"] = self.system_token(app)
        timeout = _UI_TIMEOUT if from_page else _EVENT_TIMEOUT
        return self._http.request(method, url, json=body, headers=headers, timeout=timeout)

    def endpoint(self, app: App, name: str) -> dict[str, Any]:
        """The endpoint of this key, or whose route has this path."""
        for one in modules(app, "endpoint"):
            if name in (one["key"], one["route"]["path"]):
                return one
        raise ManifestError(f"The manifest has no endpoint {name}.")

    def _remote(self, app: App, key: str) -> str:
        return next(str(one["baseUrl"]).rstrip("/") for one in app.manifest["remotes"] if one["key"] == key)

    def claims(self, app: App, module: str, from_page: bool = False) -> dict[str, Any]:
        """An invocation token's claims."""
        now = int(self.world.clock())
        base = f"{self.world.base_url}/ex/jira/{self.world.cloud_id}"
        context = {
            "name": f"ari:cloud:jira::site/{self.world.cloud_id}",
            "cloudId": self.world.cloud_id,
            "apiBaseUrl": base,
        }
        claims: dict[str, Any] = {
            "iss": "forge/invocation-token",
            "aud": app.app_id,
            "iat": now,
            "nbf": now,
            "exp": now + _TOKEN_LIFE,
            "jti": new_id(),
            "app": {
                "id": app.app_id,
                "version": "1",
                "appVersion": "1.0.0",
                "installationId": app.installation_id,
                "apiBaseUrl": base,
                "environment": {"type": "PRODUCTION", "id": f"ari:cloud:ecosystem::environment/{app.app_id[-36:]}/1"},
                "module": {"type": "endpoint", "key": module},
                "installation": {
                    "id": f"ari:cloud:ecosystem::installation/{app.installation_id}",
                    "contexts": [context],
                },
            },
        }
        if from_page:
            page = {
                "cloudId": self.world.cloud_id,
                "siteUrl": self.world.base_url,
                "moduleKey": module,
                "localId": new_id(),
            }
            claims["context"] = {**page, "extension": {"type": "jira:adminPage"}}
            claims["principal"] = self.world.settings.jira_person
        return claims

    def sign(self, claims: dict[str, Any], *, by_stranger: bool = False, header: dict[str, Any] | None = None) -> str:
        """A token; `by_stranger` signs with a key that is in no set, under the true key's id."""
        key = self.keys[0]
        if by_stranger:
            self._stranger = self._stranger or RSAKey.generate_key(2048)
        named = {"alg": "RS256", "typ": "JWT", "kid": key.kid, **(header or {})}
        protected = {name: value for name, value in named.items() if value is not None}
        return jwt.encode(protected, claims, self._stranger if by_stranger and self._stranger else key)

    def system_token(self, app: App) -> str:
        """The app's token for Jira's APIs: opaque to it but for its expiry; renewed in the second half of its life."""
        life = self.world.settings.system_token_seconds
        now = self.world.clock()
        if app.system_token_expires - now < life / 2:
            claims = {"aud": "api.atlassian.com", "exp": int(now + life), "jti": new_id(), "sub": app.installation_id}
            app.system_token = self.sign(claims)
            app.system_token_expires = now + life
            self.world.issue_token(app.app_id, app.system_token, life)
        return app.system_token


def modules(app: App, kind: str) -> list[dict[str, Any]]:
    """The app's modules of one kind."""
    found = app.manifest["modules"].get(kind) or []
    return found if isinstance(found, list) else []


def page_of(app: App, endpoint: str) -> str:
    """The key of the page whose calls go to this endpoint; empty where it is not a page's."""
    pages = (*modules(app, "jira:adminPage"), *modules(app, "jira:issuePanel"))
    return next((str(one["key"]) for one in pages if one.get("resolver", {}).get("endpoint") == endpoint), "")


def actions(world: World, issue: Issue) -> list[dict[str, str]]:
    """The entries of the Releases menu: where each installed app creates and connects flags."""
    flags = ",".join(str(flag["id"]) for flag in world.flags_of(issue))
    values = {"{issue.key}": issue.key, "{issue.summary}": issue.summary, "{issue.flags}": flags}
    found = []
    for app in world.apps.values():
        for provider in modules(app, "devops:featureFlagInfoProvider"):
            for action, label in (("createFlag", "Create feature flag"), ("linkFlag", "Connect feature flag")):
                template = provider.get("actions", {}).get(action, {}).get("urlTemplate")
                if template:
                    for placeholder, value in values.items():
                        template = template.replace(placeholder, quote(value, safe=""))
                    found.append({"label": label, "url": template, "provider": provider["name"]["value"]})
    return found
