"""Webhooks that an admin of the site entered: what Jira calls when an issue or a project changes.

Each call is signed where a secret was entered, and repeated until it is answered with 2xx. Atlassian's headers:
`X-Hub-Signature` (sha256 over the raw body), `X-Atlassian-Webhook-Identifier` (the same in every repetition),
`X-Atlassian-Webhook-Retry`, `X-Atlassian-Webhook-Flow`.
"""

import hashlib
import hmac
import json
import threading
import time
from typing import Any

import httpx2

from jira_sandbox.state import Webhook, World, new_id

_TIMEOUT = 10.0


class Webhooks:
    """Calls the webhooks of a site, in the background."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._http = httpx2.Client(follow_redirects=False, timeout=_TIMEOUT)

    def close(self) -> None:
        """Close connections."""
        self._http.close()

    def tell(self, event: str, **what: Any) -> None:
        """Call every webhook that asked for this event (all, where it named none), unless events get lost."""
        body = {"timestamp": int(self._world.clock() * 1000), "webhookEvent": event, **what}
        for hook in list(self._world.webhooks.values()) if not self._world.settings.events_off else ():
            if not hook.events or event in hook.events:
                told = {"webhook": hook.id, "event": event, "body": body}
                delivery: dict[str, Any] = {"id": new_id(), **told, "status": 0, "attempts": 0}
                self._world.deliveries.append(delivery)
                threading.Thread(target=self._deliver, args=(hook, delivery), daemon=True).start()

    def again(self, delivery_id: str) -> int:
        """Send a delivery once more, as it was; the answer's status. KeyError where there is none."""
        delivery = next((one for one in list(self._world.deliveries) if one["id"] == delivery_id), None)
        if delivery is None:
            raise KeyError(delivery_id)
        return self._send(self._world.webhooks[delivery["webhook"]], delivery)

    def _deliver(self, hook: Webhook, delivery: dict[str, Any]) -> None:
        for _ in range(1 + self._world.settings.event_retries):
            if hook.id not in self._world.webhooks or 200 <= self._send(hook, delivery) < 300:
                return
            time.sleep(self._world.settings.event_retry_seconds)

    def _send(self, hook: Webhook, delivery: dict[str, Any]) -> int:
        raw = json.dumps(delivery["body"]).encode()
        headers = {
            "Content-Type": "application/json",
            "X-Atlassian-Webhook-Identifier": delivery["id"],
            "X-Atlassian-Webhook-Flow": "Primary",
        }
        if delivery["attempts"]:
            headers["X-Atlassian-Webhook-Retry"] = str(delivery["attempts"])
        if hook.secret:
            headers["X-Hub-Signature"] = "sha256=" + hmac.new(hook.secret.encode(), raw, hashlib.sha256).hexdigest()
        delivery["attempts"] += 1
        try:
            delivery["status"] = self._http.post(hook.url, content=raw, headers=headers).status_code
        except httpx2.HTTPError:
            delivery["status"] = 0
        return int(delivery["status"])
